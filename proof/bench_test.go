package proof_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
)

func BenchmarkParseAction(b *testing.B) {
	body := []byte(strings.Replace(publishedAction, `"payload":{`, `"payload":{"note":"`+strings.Repeat("n", 470-len(publishedAction))+`","price":12.5,`, 1))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proof.ParseAction(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMint(b *testing.B) {
	ring := newRing(b)
	c := proofClaims()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Mint(proof.PurposeProof, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ring := newRing(b)
	token, err := ring.Mint(proof.PurposeProof, proofClaims())
	if err != nil {
		b.Fatal(err)
	}
	keys := ring.PublicKeys().Source()
	e := proof.Expect{Purpose: proof.PurposeProof, Now: epoch.Add(time.Second), ActionHash: publishedHash}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proof.Verify(token, keys, e); err != nil {
			b.Fatal(err)
		}
	}
}

var epoch = time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)

func newRing(tb testing.TB) *proof.KeyRing {
	tb.Helper()
	ring, err := proof.NewKeyRing(nil, nil)
	for _, purpose := range proof.KeyPurposes {
		var key proof.Key
		if err == nil {
			key, err = proof.GenerateKey(purpose, rand.Reader, epoch)
		}
		if err == nil {
			ring, err = ring.With(key)
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

func proofClaims() proof.Claims {
	amount, rule := int64(4500), "rule_1"
	return proof.Claims{
		IssuedAt: epoch, ExpiresAt: epoch.Add(2 * time.Minute), ID: "prf_1",
		OwnerType: "HUMAN", OwnerID: "usr_1", AgentID: "test-agent",
		ActionID: "act-1", ActionType: "purchase.order", ActionHash: publishedHash,
		DecisionID: "dec_1", Decision: "ALLOW", MatchedRuleID: &rule, PolicyRevision: "r1",
		Audience: "example.com", AmountMinor: &amount, Currency: "USD", TrustProfile: "LOW",
	}
}
