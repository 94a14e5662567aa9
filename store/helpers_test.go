package store

import (
	"crypto/ed25519"
	"testing"
)

func newSigner(t *testing.T, kid string) KeySigner {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return KeySigner{ID: kid, Private: private}
}

func publicKeys(signers ...KeySigner) map[string]ed25519.PublicKey {
	keys := make(map[string]ed25519.PublicKey)
	for _, s := range signers {
		keys[s.ID] = s.Public()
	}
	return keys
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
