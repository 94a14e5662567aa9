package proof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// Key is one Ed25519 key pair of the server.
type Key struct {
	KID       string
	Purpose   Purpose
	Private   ed25519.PrivateKey // nil: the key verifies and does not sign
	Public    ed25519.PublicKey
	CreatedAt time.Time
	RevokedAt *time.Time // a revoked key verifies nothing, whenever it signed
}

// GenerateKey makes a key pair out of 32 bytes of random. Its kid follows from its public key.
func GenerateKey(purpose Purpose, random io.Reader, now time.Time) (Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return Key{}, fmt.Errorf("generating a %s key: %w", purpose, err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	return Key{
		KID:       "key_" + hex.EncodeToString(sum[:12]),
		Purpose:   purpose,
		Private:   private,
		Public:    public,
		CreatedAt: now.UTC().Truncate(time.Millisecond),
	}, nil
}

// ErrKey means that the text is no key of the kind that was asked for. The error that wraps it says
// what it is.
var ErrKey = errors.New("not an Ed25519 key")

// ParsePublicKeyB64 reads a public key in base64 of DER SPKI (RFC 8410). It refuses the few points
// of small order, under which anybody can sign.
func ParsePublicKeyB64(s string) (ed25519.PublicKey, error) {
	der, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: a public key is base64 of DER SPKI", ErrKey)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
			return nil, fmt.Errorf("%w: this is a private key where a public one is wanted", ErrKey)
		}
		return nil, fmt.Errorf("%w: a public key is base64 of DER SPKI", ErrKey)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: this is a %T", ErrKey, parsed)
	}
	if hasSmallOrder(key) {
		return nil, fmt.Errorf("%w: the point has a small order", ErrKey)
	}
	return key, nil
}

// ParsePrivateKeyB64 reads a private key in base64 of DER PKCS#8 (RFC 8410).
func ParsePrivateKeyB64(s string) (ed25519.PrivateKey, error) {
	der, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: a private key is base64 of DER PKCS#8", ErrKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if _, err := x509.ParsePKIXPublicKey(der); err == nil {
			return nil, fmt.Errorf("%w: this is a public key where a private one is wanted", ErrKey)
		}
		return nil, fmt.Errorf("%w: a private key is base64 of DER PKCS#8", ErrKey)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: this is a %T", ErrKey, parsed)
	}
	return key, nil
}

// EncodePublicKeyB64 writes a public key as base64 of DER SPKI (RFC 8410).
func EncodePublicKeyB64(key ed25519.PublicKey) string {
	return base64.StdEncoding.EncodeToString(append(spkiPrefix(), key...))
}

// EncodePrivateKeyB64 writes a private key as base64 of DER PKCS#8 (RFC 8410).
func EncodePrivateKeyB64(key ed25519.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(append(pkcs8Prefix(), key.Seed()...))
}

// RFC 8410 gives every Ed25519 key the same DER bytes before its 32 bytes.
func spkiPrefix() []byte {
	return []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}
}

func pkcs8Prefix() []byte {
	return []byte{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20}
}

// hasSmallOrder reports whether a point has order 1, 2, 4 or 8. These are their encodings, canonical
// or not, without the sign bit (Cremers and Jackson 2019, "Prime, Order Please!").
func hasSmallOrder(key ed25519.PublicKey) bool {
	unsigned := [32]byte(key)
	unsigned[31] &= 0x7f
	switch hex.EncodeToString(unsigned[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f":
		return true
	}
	return false
}
