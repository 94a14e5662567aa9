package proof_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/openleash/openleash-go/proof"
)

// Implementations of Ed25519 differ where keys have small order, encodings are not canonical, or S is not
// below the order L of the group (Chalkias, Garillot, Nikolaenko: "Taming the many EdDSAs", 2020). These
// cases fix what a request's signature is accepted with, so that a change of the library is noticed.
func TestEd25519EdgeCases(t *testing.T) {
	const (
		identity     = "0100000000000000000000000000000000000000000000000000000000000000"
		identityFar  = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" // y = p + 1
		signedZero   = "0100000000000000000000000000000000000000000000000000000000000080" // x = -0
		orderTwo     = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
		zeroScalar   = "0000000000000000000000000000000000000000000000000000000000000000"
		orderL       = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
		allOnes      = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		notOnTheLine = "0200000000000000000000000000000000000000000000000000000000000000" // no point has this y
	)
	for _, c := range []struct {
		name, key, r, s string
		want            bool
	}{
		{"the identity signs everything with itself", identity, identity, zeroScalar, true},
		{"R is compared as it is encoded", identity, identityFar, zeroScalar, false},
		{"R with the sign of a zero", identity, signedZero, zeroScalar, false},
		{"a key that is not canonical", identityFar, identity, zeroScalar, true},
		{"S is L", identity, identity, orderL, false},
		{"S has its highest bits set", identity, identity, allOnes, false},
		{"a key that is not a point", notOnTheLine, identity, zeroScalar, false},
		{"a short signature", identity, identity, "00", false},
		{"a short key", "01", identity, zeroScalar, false},
		{"an empty key", "", identity, zeroScalar, false},
		{"another point of small order", identity, orderTwo, zeroScalar, false},
	} {
		h := proof.SignedHeaders{AgentID: "a", Timestamp: "t", Nonce: "n", BodySHA256: "b",
			Signature: base64.StdEncoding.EncodeToString(unhex(t, c.r+c.s))}
		err := proof.VerifyRequest(unhex(t, c.key), "GET", "/", "", h)
		if (err == nil) != c.want || err != nil && !errors.Is(err, proof.ErrSignature) {
			t.Errorf("%s: %v, want accepted = %v", c.name, err, c.want)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
