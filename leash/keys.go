package leash

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// schemaVersion is that of the state this program reads and writes.
const schemaVersion = 1

// KeyView is a key without its private part.
type KeyView struct {
	KID          string        `json:"kid"`
	Purpose      proof.Purpose `json:"purpose"`
	Active       bool          `json:"active"`
	PublicKeyB64 string        `json:"public_key_b64"`
	CreatedAt    time.Time     `json:"created_at"`
	RevokedAt    *time.Time    `json:"revoked_at"`
}

// loadKeys makes the keys that are missing and builds the key ring.
func (s *Service) loadKeys(ctx context.Context) error {
	return s.updateKeys(ctx, func(tx store.Tx) error {
		state, err := store.Get[store.State](ctx, tx, store.StateKey)
		if errors.Is(err, store.ErrNotFound) && s.store.LastSeq() > 0 {
			return fail(Unavailable, "the log has entries, and the record of the installation (state.yaml) is missing; restore it from a backup of the whole folder")
		}
		if errors.Is(err, store.ErrNotFound) {
			state = store.State{SchemaVersion: schemaVersion, CreatedAt: s.Now()}
		} else if err != nil {
			return err
		}
		if state.SchemaVersion != schemaVersion {
			return fail(Unavailable, "the data is of schema version %d; this program reads %d", state.SchemaVersion, schemaVersion)
		}
		active := map[string]string{}
		changed := false
		for _, purpose := range proof.KeyPurposes {
			kid := state.ActiveKeys[string(purpose)]
			if kid == "" {
				key, err := s.newKey(tx, purpose)
				if err != nil {
					return err
				}
				kid, changed = key.KID, true
			}
			active[string(purpose)] = kid
		}
		if !changed {
			return nil
		}
		state.ActiveKeys = active
		return tx.Put(state)
	})
}

// updateKeys is update for keys. Their ring is active before anything is decided with the change, also if the caller
// has gone.
func (s *Service) updateKeys(ctx context.Context, fn func(tx store.Tx) error) error {
	var refreshed error
	err := s.update(ctx, func(tx store.Tx) error {
		tx.Then(func() { refreshed = s.refreshKeys(context.WithoutCancel(ctx)) })
		return fn(tx)
	})
	if err != nil {
		return err
	}
	return refreshed
}

func (s *Service) newKey(tx store.Tx, purpose proof.Purpose) (store.Key, error) {
	k, err := proof.GenerateKey(purpose, s.cfg.Random, s.Now())
	if err != nil {
		return store.Key{}, err
	}
	rec := store.Key{KID: k.KID, Purpose: string(purpose), PrivateKeyB64: proof.EncodePrivateKeyB64(k.Private),
		PublicKeyB64: proof.EncodePublicKeyB64(k.Public), CreatedAt: k.CreatedAt}
	tx.Append(s.event(store.KeyRotated, "", map[string]any{"purpose": purpose, "kid": k.KID}))
	return rec, tx.Insert(rec)
}

// refreshKeys builds the key ring from the store, and gives the store its own key.
func (s *Service) refreshKeys(ctx context.Context) error {
	ring, err := LoadKeyRing(ctx, s.store)
	if err != nil {
		return err
	}
	s.keys.Store(ring)
	if key, ok := ring.Active(proof.PurposeLog); ok {
		s.store.SetSigner(store.KeySigner{ID: key.KID, Private: key.Private})
	}
	return nil
}

// LoadKeyRing builds the key ring of a store.
func LoadKeyRing(ctx context.Context, r store.Reader) (*proof.KeyRing, error) {
	state, err := store.Get[store.State](ctx, r, store.StateKey)
	if err != nil {
		return nil, err
	}
	records, err := store.Find[store.Key](ctx, r)
	if err != nil {
		return nil, err
	}
	keys := make([]proof.Key, len(records))
	for i, rec := range records {
		private, err := proof.ParsePrivateKeyB64(rec.PrivateKeyB64)
		if err != nil {
			return nil, err
		}
		public, err := proof.ParsePublicKeyB64(rec.PublicKeyB64)
		if err != nil {
			return nil, err
		}
		keys[i] = proof.Key{KID: rec.KID, Purpose: proof.Purpose(rec.Purpose), Private: private, Public: public,
			CreatedAt: rec.CreatedAt, RevokedAt: rec.RevokedAt}
	}
	active := map[proof.Purpose]string{}
	for purpose, kid := range state.ActiveKeys {
		active[proof.Purpose(purpose)] = kid
	}
	return proof.NewKeyRing(keys, active)
}

// PublicKeys are the keys that proofs verify with, oldest first.
func (s *Service) PublicKeys() []proof.PublicKey { return s.keys.Load().PublicKeys() }

// Keys lists all keys of the server, newest first.
func (s *Service) Keys(ctx context.Context) ([]KeyView, error) {
	state, err := store.Get[store.State](ctx, s.store, store.StateKey)
	if err != nil {
		return nil, unavailable(err)
	}
	records, err := store.Find[store.Key](ctx, s.store)
	if err != nil {
		return nil, unavailable(err)
	}
	slices.SortFunc(records, func(a, b store.Key) int { return b.CreatedAt.Compare(a.CreatedAt) })
	out := make([]KeyView, len(records))
	for i, k := range records {
		out[i] = KeyView{k.KID, proof.Purpose(k.Purpose), state.ActiveKeys[k.Purpose] == k.KID, k.PublicKeyB64, k.CreatedAt, k.RevokedAt}
	}
	return out, nil
}

// RotateKey puts a new key in force for a purpose; an empty purpose is proof. Tokens of the old key
// stay valid until they expire.
func (s *Service) RotateKey(ctx context.Context, purpose proof.Purpose) (KeyView, error) {
	if purpose == "" {
		purpose = proof.PurposeProof
	}
	if !slices.Contains(proof.KeyPurposes, purpose) {
		return KeyView{}, fail(InvalidRequest, "%q is no purpose of a key; want proof, approval, user_session or log", purpose)
	}
	var key store.Key
	err := s.updateKeys(ctx, func(tx store.Tx) (err error) {
		if key, err = s.newKey(tx, purpose); err != nil {
			return err
		}
		return activate(ctx, tx, key)
	})
	if err != nil {
		return KeyView{}, err
	}
	return KeyView{key.KID, purpose, true, key.PublicKeyB64, key.CreatedAt, nil}, nil
}

// RevokeKey makes all tokens of a key invalid at once. An active key is replaced by a new one.
func (s *Service) RevokeKey(ctx context.Context, kid string) error {
	return s.updateKeys(ctx, func(tx store.Tx) error {
		key, err := get[store.Key](ctx, tx, kid, "key")
		if err != nil {
			return err
		}
		if key.RevokedAt != nil {
			return fail(InvalidStatus, "the key is revoked already")
		}
		now := s.Now()
		key.RevokedAt = &now
		if err := tx.Put(key); err != nil {
			return err
		}
		tx.Append(s.event(store.KeyRevoked, "", map[string]any{"purpose": key.Purpose, "kid": kid}))
		state, err := store.Get[store.State](ctx, tx, store.StateKey)
		if err != nil {
			return err
		}
		if state.ActiveKeys[key.Purpose] != kid {
			return nil
		}
		next, err := s.newKey(tx, proof.Purpose(key.Purpose))
		if err != nil {
			return err
		}
		return activate(ctx, tx, next)
	})
}

func activate(ctx context.Context, tx store.Tx, key store.Key) error {
	state, err := store.Get[store.State](ctx, tx, store.StateKey)
	if err != nil {
		return err
	}
	active := map[string]string{}
	for purpose, kid := range state.ActiveKeys {
		active[purpose] = kid
	}
	active[key.Purpose] = key.KID
	state.ActiveKeys = active
	return tx.Put(state)
}

// VerifyInput is a proof token and what its holder expects of it; nil expects nothing. The empty text is what a
// program sends whose variable is not set, and no proof fits it.
type VerifyInput struct {
	Token      string  `json:"token"`
	ActionHash *string `json:"expected_action_hash"`
	AgentID    *string `json:"expected_agent_id"`
	Audience   *string `json:"expected_audience"`
}

// Verification says whether a proof holds, and why not.
type Verification struct {
	Valid  bool          `json:"valid"`
	Reason string        `json:"reason,omitempty"`
	Claims *proof.Claims `json:"claims,omitempty"`

	redeemedAt time.Time // with ALREADY_REDEEMED
}

// VerifyProof checks a proof token, and whether its decision was released or its agent revoked since.
func (s *Service) VerifyProof(ctx context.Context, in VerifyInput) (Verification, error) {
	return s.verifyOnline(ctx, in)
}

// verify checks a proof token as anyone can do offline.
func (s *Service) verify(in VerifyInput) Verification {
	want := proof.Expect{Purpose: proof.PurposeProof, Now: s.Now(), Online: true, AllowReplay: true}
	var empty proof.Reason
	for _, e := range []struct {
		given  *string
		want   *string
		reason proof.Reason
	}{
		{in.ActionHash, &want.ActionHash, proof.ActionMismatch},
		{in.AgentID, &want.AgentID, proof.AgentMismatch},
		{in.Audience, &want.Audience, proof.AudienceMismatch},
	} {
		switch {
		case e.given == nil:
		case *e.given == "":
			empty = cmp.Or(empty, e.reason)
		default:
			*e.want = *e.given
		}
	}
	claims, err := proof.Verify(in.Token, s.keys.Load().Source(proof.PurposeProof), want)
	var invalid *proof.VerifyError
	switch {
	case errors.As(err, &invalid):
		return Verification{Reason: string(invalid.Reason)}
	case err != nil:
		return Verification{Reason: string(proof.Malformed)}
	case empty != "":
		return Verification{Reason: string(empty)}
	}
	return Verification{Valid: true, Claims: &claims}
}
