package proof_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
)

func newKey(tb testing.TB, purpose proof.Purpose) proof.Key {
	tb.Helper()
	key, err := proof.GenerateKey(purpose, rand.Reader, epoch)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func TestRotateAndRevoke(t *testing.T) {
	first := newRing(t)
	old, _ := first.Active(proof.PurposeProof)
	second, err := first.With(newKey(t, proof.PurposeProof))
	if err != nil {
		t.Fatal(err)
	}
	if k, _ := second.Active(proof.PurposeProof); k.KID == old.KID {
		t.Error("the old key is still active")
	}
	if k, _ := first.Active(proof.PurposeProof); k.KID != old.KID || len(first.Keys()) != 4 {
		t.Error("With changed the ring that it was called on")
	}
	if _, err := first.Revoke(old.KID, epoch); err == nil {
		t.Error("the active key was revoked")
	}
	if _, err := second.Revoke("nobody", epoch); err == nil {
		t.Error("a key that does not exist was revoked")
	}
	third, err := second.Revoke(old.KID, epoch.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	fourth, err := third.Revoke(old.KID, epoch.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range fourth.Keys() {
		if k.KID == old.KID && (k.RevokedAt == nil || !k.RevokedAt.Equal(epoch.Add(time.Hour))) {
			t.Errorf("revoked at %v", k.RevokedAt)
		}
	}
	if _, revoked, _ := second.Source(proof.PurposeProof)(old.KID); revoked {
		t.Error("Revoke changed the ring that it was called on")
	}
}

func TestNewKeyRingRefuses(t *testing.T) {
	k, session := newKey(t, proof.PurposeProof), newKey(t, proof.PurposeSession)
	revoked, public, mixed, nameless, short := k, k, k, k, k
	revoked.RevokedAt, public.Private, mixed.Public, nameless.KID, short.Public = &epoch, nil, session.Public, "", k.Public[:31]
	active := func(k proof.Key) map[proof.Purpose]string { return map[proof.Purpose]string{proof.PurposeProof: k.KID} }
	for name, c := range map[string]struct {
		keys   []proof.Key
		active map[proof.Purpose]string
	}{
		"a kid twice":               {[]proof.Key{k, k}, nil},
		"no kid":                    {[]proof.Key{nameless}, nil},
		"half a key":                {[]proof.Key{short}, nil},
		"halves of two keys":        {[]proof.Key{mixed}, nil},
		"an active key that is not": {nil, active(k)},
		"active and revoked":        {[]proof.Key{revoked}, active(k)},
		"active and public only":    {[]proof.Key{public}, active(k)},
		"active for another":        {[]proof.Key{session}, active(session)},
	} {
		if _, err := proof.NewKeyRing(c.keys, c.active); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := proof.NewKeyRing([]proof.Key{public, session}, nil); err != nil {
		t.Errorf("a ring that only verifies: %v", err)
	}
}

// Promise 16: only proof keys are published.
func TestOnlyProofKeysArePublished(t *testing.T) {
	ring := newRing(t)
	old, _ := ring.Active(proof.PurposeProof)
	ring, err := ring.With(newKey(t, proof.PurposeProof))
	if err != nil {
		t.Fatal(err)
	}
	if ring, err = ring.Revoke(old.KID, epoch.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(ring.PublicKeys())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := proof.ParsePublicKeys(body)
	if err != nil || len(keys) != 2 {
		t.Fatalf("%s: %v, %v", body, keys, err)
	}
	for _, k := range ring.Keys() {
		public, revoked, ok := keys.Source()(k.KID)
		if ok != (k.Purpose == proof.PurposeProof) || revoked != (k.RevokedAt != nil) || ok && !public.Equal(k.Public) {
			t.Errorf("key %s for %s: %v, %v", k.KID, k.Purpose, revoked, ok)
		}
		if strings.Contains(string(body), proof.EncodePrivateKeyB64(k.Private)) {
			t.Errorf("a private key is published")
		}
	}
	for _, want := range []string{`"created_at":"2026-04-10T12:00:00.000Z"`, `"revoked_at":null`, `"revoked_at":"2026-04-10T12:00:01.000Z"`, `"kty":"OKP","alg":"EdDSA"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s lacks %s", body, want)
		}
	}
}

func TestParsePublicKeysRefuses(t *testing.T) {
	good := `{"kid":"a","kty":"OKP","alg":"EdDSA","public_key_b64":"` + proof.EncodePublicKeyB64(newKey(t, proof.PurposeProof).Public) + `","created_at":"2026-04-10T12:00:00.000Z","revoked_at":null}`
	for name, body := range map[string]string{
		"not JSON":     `<html>`,
		"no list":      `{}`,
		"an error":     `{"error":{"code":"INTERNAL"}}`,
		"a kid twice":  `{"keys":[` + good + `,` + good + `]}`,
		"a broken key": `{"keys":[{"kid":"a","kty":"OKP","alg":"EdDSA","public_key_b64":"AAAA"}]}`,
		"a bad time":   `{"keys":[` + strings.Replace(good, "null", `"soon"`, 1) + `]}`,
	} {
		if keys, err := proof.ParsePublicKeys([]byte(body)); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
	keys, err := proof.ParsePublicKeys([]byte(`{"keys":[{"kid":"z","kty":"XYZ","alg":"new"},` + good + `],"more":1}`))
	if err != nil || len(keys) != 1 {
		t.Errorf("a kind of key yet unknown: %v, %v", keys, err)
	}
}

func TestKeysTravelAsBase64DER(t *testing.T) {
	key := newKey(t, proof.PurposeProof)
	public, err := proof.ParsePublicKeyB64(proof.EncodePublicKeyB64(key.Public))
	if err != nil || !public.Equal(key.Public) {
		t.Errorf("public key: %v, %v", public, err)
	}
	private, err := proof.ParsePrivateKeyB64(proof.EncodePrivateKeyB64(key.Private))
	if err != nil || !private.Equal(key.Private) {
		t.Errorf("private key: %v", err)
	}
	spki, _ := x509.MarshalPKIXPublicKey(key.Public)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key.Private)
	if proof.EncodePublicKeyB64(key.Public) != base64.StdEncoding.EncodeToString(spki) ||
		proof.EncodePrivateKeyB64(key.Private) != base64.StdEncoding.EncodeToString(pkcs8) {
		t.Error("crypto/x509 writes keys otherwise")
	}
}

func TestKeysOfTheWrongKind(t *testing.T) {
	key := newKey(t, proof.PurposeProof)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	otherPublic, _ := x509.MarshalPKIXPublicKey(&other.PublicKey)
	otherPrivate, _ := x509.MarshalPKCS8PrivateKey(other)
	identity := make(ed25519.PublicKey, 32)
	identity[0] = 1
	for name, c := range map[string]struct {
		private bool
		text    string
		says    string
	}{
		"an RSA public key":       {false, base64.StdEncoding.EncodeToString(otherPublic), "rsa"},
		"an RSA private key":      {true, base64.StdEncoding.EncodeToString(otherPrivate), "rsa"},
		"private for public":      {false, proof.EncodePrivateKeyB64(key.Private), "private key where a public"},
		"public for private":      {true, proof.EncodePublicKeyB64(key.Public), "public key where a private"},
		"a raw key":               {false, base64.StdEncoding.EncodeToString(key.Public), "DER SPKI"},
		"hex":                     {true, hex.EncodeToString(key.Private), "DER PKCS#8"},
		"nothing":                 {false, "", "DER SPKI"},
		"something after the key": {false, base64.StdEncoding.EncodeToString(append(mustSPKI(key.Public), 0)), "DER SPKI"},
		"a point of small order":  {false, proof.EncodePublicKeyB64(identity), "small order"},
	} {
		var err error
		if c.private {
			_, err = proof.ParsePrivateKeyB64(c.text)
		} else {
			_, err = proof.ParsePublicKeyB64(c.text)
		}
		if !errors.Is(err, proof.ErrKey) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustSPKI(key ed25519.PublicKey) []byte {
	der, err := base64.StdEncoding.DecodeString(proof.EncodePublicKeyB64(key))
	if err != nil {
		panic(err)
	}
	return der
}

func TestGenerateKeyNeedsRandomness(t *testing.T) {
	if _, err := proof.GenerateKey(proof.PurposeProof, strings.NewReader("short"), epoch); err == nil {
		t.Error("a key out of five bytes")
	}
}
