package proof_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// The vector that the existing OpenLeash publishes for its clients.
const (
	publishedAction    = `{"action_id":"00000000-0000-0000-0000-000000000001","action_type":"purchase","requested_at":"2024-01-15T10:30:00.000Z","principal":{"agent_id":"test-agent"},"subject":{"principal_id":"00000000-0000-0000-0000-000000000002"},"relying_party":{"domain":"example.com","trust_profile":"LOW"},"payload":{"amount_minor":5000,"currency":"USD","merchant_domain":"example.com"}}`
	publishedHash      = "5fed50d1afcf598480f64ca09edb042a8a09c6b33c8712e3faeeea2aa1d4297d"
	publishedSignature = "HNHsMIwklM+UNzN4oYot/alSixP2Mw9HXAunmdftUfPJ3BYX/PFZcMvjh8u/aqWtCel5IxvmVmp5oq+xqLaFBw=="
	publishedNonce     = "00000000-0000-0000-0000-000000000099"
)

func TestPublishedVector(t *testing.T) {
	action, err := proof.ParseAction([]byte(publishedAction))
	if err != nil {
		t.Fatal(err)
	}
	if action.Hash != publishedHash {
		t.Errorf("hash %s, want %s", action.Hash, publishedHash)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	at := time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)
	h := proof.SignRequest(key, "test-agent", "POST", "/v1/authorize", at, publishedNonce, []byte(publishedAction))
	if h.Signature != publishedSignature {
		t.Errorf("signature %s, want %s", h.Signature, publishedSignature)
	}
	if err := proof.VerifyRequest(key.Public().(ed25519.PublicKey), "POST", "/v1/authorize", "", h); err != nil {
		t.Error(err)
	}
}
