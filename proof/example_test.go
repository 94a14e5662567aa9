package proof_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/openleash/openleash-go/proof"
)

func ExampleVerify() {
	// The server mints a proof and publishes its keys …
	key, _ := proof.GenerateKey(proof.PurposeProof, rand.Reader, time.Now())
	ring, _ := proof.NewKeyRing([]proof.Key{key}, map[proof.Purpose]string{proof.PurposeProof: key.KID})
	published, _ := json.Marshal(ring.PublicKeys())
	now := time.Now()
	token, _ := ring.Mint(proof.PurposeProof, proof.Claims{
		IssuedAt: now, ExpiresAt: now.Add(2 * time.Minute),
		ID: "prf_example", Decision: "ALLOW", AgentID: "shopper", ActionType: "purchase.order", Audience: "shop.example",
	})

	// … and the counterparty checks the one with the other.
	keys, _ := proof.ParsePublicKeys(published)
	claims, err := proof.Verify(token, keys.Source(), proof.Expect{
		Purpose: proof.PurposeProof, Now: time.Now(), Audience: "shop.example",
	})
	fmt.Println(claims.AgentID, claims.Decision, err)

	_, err = proof.Verify(token, keys.Source(), proof.Expect{
		Purpose: proof.PurposeProof, Now: time.Now(), Audience: "other.example",
	})
	var invalid *proof.VerifyError
	fmt.Println(errors.As(err, &invalid), invalid.Reason)
	// Output:
	// shopper ALLOW <nil>
	// true AUDIENCE_MISMATCH
}

func ExampleParseAction() {
	action, err := proof.ParseAction([]byte(`{
		"action_type": "purchase.order",
		"context": {"amount_minor": 4500, "currency": "USD"}
	}`))
	fmt.Println(action.Hash, err)
	fmt.Println(string(action.Input))

	_, err = proof.ParseAction([]byte(`{"action_type": "purchase.order", "context": {"items": [{"price": 1e400}]}}`))
	fmt.Println(err)
	// Output:
	// b4ae67e29c82c4dd23af72d47966b76c335c38256ba48ce16a47abe9b5f8d0c5 <nil>
	// {"action_type":"purchase.order","payload":{"amount_minor":4500,"currency":"USD"}}
	// $.context.items[0].price: the number 1e400 cannot be represented exactly
}

func ExampleCanonical() {
	out, err := proof.Canonical([]byte(`{ "b": 1.50, "a": "\u20ac" }`))
	fmt.Println(string(out), err)
	// Output: {"a":"€","b":1.5} <nil>
}
