package proof

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"
)

// PublicKey is one key of GET /v1/public-keys.
type PublicKey struct {
	KID          string     `json:"kid"`
	Kty          string     `json:"kty"`            // "OKP"
	Alg          string     `json:"alg"`            // "EdDSA"
	PublicKeyB64 string     `json:"public_key_b64"` // DER SPKI
	CreatedAt    time.Time  `json:"created_at"`
	RevokedAt    *time.Time `json:"revoked_at"` // null while the key is in use
}

// MarshalJSON writes times with milliseconds.
func (k PublicKey) MarshalJSON() ([]byte, error) {
	type plain PublicKey
	wire := struct {
		plain
		CreatedAt string  `json:"created_at"`
		RevokedAt *string `json:"revoked_at"`
	}{plain: plain(k), CreatedAt: FormatTime(k.CreatedAt)}
	if k.RevokedAt != nil {
		at := FormatTime(*k.RevokedAt)
		wire.RevokedAt = &at
	}
	return json.Marshal(wire)
}

// PublicKeys is a published key set. It marshals to {"keys": […]}.
type PublicKeys []PublicKey

type publicKeySet struct {
	Keys []PublicKey `json:"keys"`
}

// MarshalJSON writes the body of GET /v1/public-keys.
func (ks PublicKeys) MarshalJSON() ([]byte, error) {
	return json.Marshal(publicKeySet{Keys: append([]PublicKey{}, ks...)})
}

// ParsePublicKeys reads the body of GET /v1/public-keys. Keys of a kind that this version does not
// know are left out; a key that is broken, or a kid that stands twice, is an error.
func ParsePublicKeys(body []byte) (PublicKeys, error) {
	var set publicKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("reading public keys: %w", err)
	}
	if set.Keys == nil {
		return nil, fmt.Errorf("reading public keys: there is no list of keys")
	}
	var out PublicKeys
	seen := map[string]bool{}
	for _, k := range set.Keys {
		if k.Kty != "OKP" || k.Alg != "EdDSA" {
			continue
		}
		if _, err := ParsePublicKeyB64(k.PublicKeyB64); err != nil {
			return nil, fmt.Errorf("reading public keys: key %q: %w", k.KID, err)
		}
		if seen[k.KID] || k.KID == "" {
			return nil, fmt.Errorf("reading public keys: kid %q stands twice or is empty", k.KID)
		}
		seen[k.KID] = true
		out = append(out, k)
	}
	return out, nil
}

// Source finds the keys of the set. Build it once and keep it.
func (ks PublicKeys) Source() KeySource {
	type entry struct {
		key     ed25519.PublicKey
		revoked bool
	}
	byKID := make(map[string]entry, len(ks))
	for _, k := range ks {
		if key, err := ParsePublicKeyB64(k.PublicKeyB64); err == nil {
			byKID[k.KID] = entry{key, k.RevokedAt != nil}
		}
	}
	return func(kid string) (ed25519.PublicKey, bool, bool) {
		e, ok := byKID[kid]
		return e.key, e.revoked, ok
	}
}
