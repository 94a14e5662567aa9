package proof

import (
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// KeyRing holds the keys of a server and says which one signs for each purpose. It never changes:
// With and Revoke return another ring, which the caller stores and then swaps in.
type KeyRing struct {
	keys   map[string]ringKey
	active map[Purpose]string
}

// ringKey is a Key with the footer of the tokens that it signs.
type ringKey struct {
	Key
	footer []byte
}

// NewKeyRing returns a ring of keys. The active kid of a purpose must be that of a key of that
// purpose that can sign and is not revoked; a purpose may have none, and then nothing can be minted
// for it.
func NewKeyRing(keys []Key, active map[Purpose]string) (*KeyRing, error) {
	r := &KeyRing{keys: make(map[string]ringKey, len(keys)), active: maps.Clone(active)}
	for _, k := range keys {
		if _, taken := r.keys[k.KID]; taken || k.KID == "" {
			return nil, fmt.Errorf("building the key ring: kid %q stands twice or is empty", k.KID)
		}
		rk, err := newRingKey(k)
		if err != nil {
			return nil, fmt.Errorf("building the key ring: key %q: %w", k.KID, err)
		}
		r.keys[k.KID] = rk
	}
	for purpose, kid := range active {
		k, ok := r.keys[kid]
		if !ok || k.Purpose != purpose || k.RevokedAt != nil || k.Private == nil {
			return nil, fmt.Errorf("building the key ring: key %q cannot be the active %s key", kid, purpose)
		}
	}
	return r, nil
}

func newRingKey(k Key) (ringKey, error) {
	rk := ringKey{Key: k}
	if len(k.Public) != ed25519.PublicKeySize {
		return rk, ErrKey
	}
	if k.Private == nil {
		return rk, nil
	}
	if len(k.Private) != ed25519.PrivateKeySize || !ed25519.NewKeyFromSeed(k.Private.Seed()).Equal(k.Private) || !k.Public.Equal(k.Private.Public()) {
		return rk, fmt.Errorf("%w: its halves do not belong together", ErrKey)
	}
	var err error
	rk.footer, err = json.Marshal(footerClaims{KID: k.KID})
	return rk, err
}

// Active returns the key that signs for a purpose.
func (r *KeyRing) Active(purpose Purpose) (Key, bool) {
	k, ok := r.keys[r.active[purpose]]
	return k.Key, ok
}

// Keys returns all keys, by purpose and then from the oldest to the newest.
func (r *KeyRing) Keys() []Key {
	keys := make([]Key, 0, len(r.keys))
	for _, k := range r.keys {
		keys = append(keys, k.Key)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.KID, b.KID))
	})
	return keys
}

// Source finds keys of one purpose, so that a token signed by another kind of key is not valid even
// if it claims the purpose.
func (r *KeyRing) Source(purpose Purpose) KeySource {
	return func(kid string) (ed25519.PublicKey, bool, bool) {
		k, ok := r.keys[kid]
		return k.Public, k.RevokedAt != nil, ok && k.Purpose == purpose
	}
}

// Verify checks a token against the ring's keys of the expected purpose.
func (r *KeyRing) Verify(token string, e Expect) (Claims, error) {
	return Verify(token, r.Source(e.Purpose), e)
}

// With returns the ring with one more key, which becomes the active one of its purpose. Tokens of the
// key before it stay valid.
func (r *KeyRing) With(k Key) (*KeyRing, error) {
	active := maps.Clone(r.active)
	if active == nil {
		active = map[Purpose]string{}
	}
	active[k.Purpose] = k.KID
	return NewKeyRing(append(r.Keys(), k), active)
}

// Revoke returns the ring with a key revoked. The active key of a purpose cannot be revoked: rotate
// first.
func (r *KeyRing) Revoke(kid string, now time.Time) (*KeyRing, error) {
	keys := r.Keys()
	i := slices.IndexFunc(keys, func(k Key) bool { return k.KID == kid })
	switch {
	case i < 0:
		return nil, fmt.Errorf("revoking key %q: there is no such key", kid)
	case r.active[keys[i].Purpose] == kid:
		return nil, fmt.Errorf("revoking key %q: it is the active %s key; rotate first", kid, keys[i].Purpose)
	case keys[i].RevokedAt == nil:
		now = now.UTC().Truncate(time.Millisecond)
		keys[i].RevokedAt = &now
	}
	return NewKeyRing(keys, r.active)
}

// PublicKeys returns the public halves of the proof keys, as GET /v1/public-keys publishes them. Keys
// of other purposes never leave the server.
func (r *KeyRing) PublicKeys() PublicKeys {
	out := PublicKeys{}
	for _, k := range r.Keys() {
		if k.Purpose == PurposeProof {
			out = append(out, PublicKey{
				KID: k.KID, Kty: "OKP", Alg: "EdDSA", PublicKeyB64: EncodePublicKeyB64(k.Public),
				CreatedAt: k.CreatedAt, RevokedAt: k.RevokedAt,
			})
		}
	}
	return out
}
