package leash

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

const (
	// MinPassphrase is the least length of a passphrase, in characters.
	MinPassphrase = 8
	maxPassphrase = 1024 // bytes
)

// argon is argon2id (RFC 9106, second recommended option: 64 MiB, 3 passes).
var argon = &argon2id.Params{Memory: 64 * 1024, Iterations: 3, Parallelism: 2, SaltLength: 16, KeyLength: 32}

// unknownOwner is a hash that nothing matches. It is compared with where there is no owner, so that
// the answer takes as long.
func unknownOwner(p *argon2id.Params) string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Iterations, p.Parallelism,
		encode(make([]byte, p.SaltLength)), encode(make([]byte, p.KeyLength)))
}

// LoginInput is an owner's credentials. An empty OwnerID means the only owner. TOTPCode may be a
// recovery code.
type LoginInput struct {
	OwnerID    string `json:"user_principal_id"`
	Passphrase string `json:"passphrase"`
	TOTPCode   string `json:"totp_code"`
	UserAgent  string `json:"-"`
}

// SessionGrant is a session token; the server knows its session only by id.
type SessionGrant struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	OwnerID   string    `json:"user_principal_id"`
}

// Login starts a session. An unknown owner and a wrong passphrase get the same answer after the same
// work. Wrong guesses slow down further ones.
func (s *Service) Login(ctx context.Context, in LoginInput) (SessionGrant, error) {
	if in.OwnerID == "" {
		only, err := s.OnlyOwner(ctx)
		if err != nil {
			return SessionGrant{}, err
		}
		in.OwnerID = only
	}
	if err := s.checkPassphrase(ctx, in.OwnerID, in.Passphrase); err != nil {
		return SessionGrant{}, err
	}
	var grant SessionGrant
	err := s.update(ctx, func(tx store.Tx) error {
		owner, err := get[store.Owner](ctx, tx, in.OwnerID, "owner")
		if err != nil {
			return err
		}
		if owner.TOTP != nil && owner.TOTP.Confirmed {
			if in.TOTPCode == "" {
				return fail(TOTPRequired, "this owner logs in with a code from the authenticator as well")
			}
			if owner, err = s.useCode(owner, in.TOTPCode); err != nil {
				return err
			}
			if err := tx.Put(owner); err != nil {
				return err
			}
		}
		grant, err = s.startSession(tx, owner.ID, in.UserAgent)
		return err
	})
	s.countCode(in.OwnerID, err)
	return grant, err
}

func (s *Service) startSession(tx store.Tx, ownerID, userAgent string) (SessionGrant, error) {
	now := s.Now()
	session := store.Session{ID: s.newID("ses"), OwnerID: ownerID, UserAgent: clip(userAgent, 200),
		CreatedAt: now, ExpiresAt: now.Add(s.adjusted.Load().SessionTTL)}
	token, err := s.keys.Load().Mint(proof.PurposeSession, proof.Claims{
		IssuedAt: now, NotBefore: now, ExpiresAt: session.ExpiresAt, ID: s.newID("tok"),
		Subject: ownerID, SessionID: session.ID,
	})
	if err != nil {
		return SessionGrant{}, err
	}
	tx.Append(s.event(store.SessionStarted, ownerID, map[string]any{"session_id": session.ID}))
	return SessionGrant{token, session.ExpiresAt, ownerID}, tx.Insert(session)
}

// Session returns the owner that a session token stands for, if the session has not ended.
func (s *Service) Session(ctx context.Context, token string) (Caller, error) {
	ended := fail(Unauthenticated, "log in: the session token is missing, invalid or expired")
	claims, err := proof.Verify(token, s.keys.Load().Source(proof.PurposeSession), proof.Expect{Purpose: proof.PurposeSession, Now: s.Now()})
	if err != nil {
		return Caller{}, ended
	}
	session, err := store.Get[store.Session](ctx, s.store, claims.SessionID)
	if errors.Is(err, store.ErrNotFound) {
		return Caller{}, ended
	}
	if err != nil {
		return Caller{}, unavailable(err)
	}
	owner, err := store.Get[store.Owner](ctx, s.store, session.OwnerID)
	if err != nil {
		return Caller{}, unavailable(err)
	}
	if owner.Status != store.Active || session.OwnerID != claims.Subject || !session.ExpiresAt.After(s.Now()) {
		return Caller{}, ended
	}
	return Caller{OwnerID: session.OwnerID, SessionID: session.ID}, nil
}

// Logout ends the caller's session on the server.
func (s *Service) Logout(ctx context.Context, c Caller) error {
	return s.EndSession(ctx, c, c.SessionID)
}

// Refresh ends the caller's session and starts another.
func (s *Service) Refresh(ctx context.Context, c Caller) (SessionGrant, error) {
	var grant SessionGrant
	err := s.update(ctx, func(tx store.Tx) error {
		session, err := s.ownSession(ctx, tx, c, c.SessionID)
		if err != nil {
			return err
		}
		if err := tx.Delete(store.KindSession, session.ID); err != nil {
			return err
		}
		grant, err = s.startSession(tx, c.OwnerID, session.UserAgent)
		return err
	})
	return grant, err
}

// Sessions lists the caller's open sessions.
func (s *Service) Sessions(ctx context.Context, c Caller) ([]store.Session, error) {
	all, err := store.Find[store.Session](ctx, s.store, store.ByOwner(c.OwnerID))
	if err != nil {
		return nil, unavailable(err)
	}
	open := all[:0]
	for _, session := range all {
		if session.ExpiresAt.After(s.Now()) {
			open = append(open, session)
		}
	}
	return open, nil
}

// EndSession ends one of the caller's sessions.
func (s *Service) EndSession(ctx context.Context, c Caller, id string) error {
	return s.update(ctx, func(tx store.Tx) error {
		if _, err := s.ownSession(ctx, tx, c, id); err != nil {
			return err
		}
		tx.Append(s.event(store.SessionEnded, c.OwnerID, map[string]any{"session_id": id}))
		return tx.Delete(store.KindSession, id)
	})
}

func (s *Service) ownSession(ctx context.Context, tx store.Tx, c Caller, id string) (store.Session, error) {
	session, err := get[store.Session](ctx, tx, id, "session")
	if err == nil && session.OwnerID != c.OwnerID {
		return store.Session{}, fail(NotFound, "there is no session %q", id)
	}
	return session, err
}

// endSessions ends all sessions of an owner but one.
func endSessions(ctx context.Context, tx store.Tx, ownerID, but string) error {
	sessions, err := store.Find[store.Session](ctx, tx, store.ByOwner(ownerID))
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if session.ID == but {
			continue
		}
		if err := tx.Delete(store.KindSession, session.ID); err != nil {
			return err
		}
	}
	return nil
}

// checkPassphrase compares a passphrase with an owner's, counting and slowing wrong guesses.
func (s *Service) checkPassphrase(ctx context.Context, ownerID, passphrase string) error {
	if err := s.guesses.admit(ownerID); err != nil {
		return err
	}
	wrong := fail(InvalidCredentials, "the owner or the passphrase is wrong")
	if len(passphrase) > maxPassphrase {
		return wrong
	}
	owner, err := store.Get[store.Owner](ctx, s.store, ownerID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return unavailable(err)
	}
	known := err == nil && owner.Status == store.Active
	if known && owner.PassphraseHash == "" {
		return fail(SetupRequired, "this owner has no passphrase yet; use the set-up invite")
	}
	hash := unknownOwner(s.cfg.Argon2id)
	if known {
		hash = owner.PassphraseHash
	}
	match, err := s.comparePassphrase(ctx, passphrase, hash)
	if err != nil {
		return err
	}
	if !match || !known {
		s.guesses.wrong(ownerID)
		return wrong
	}
	s.guesses.right(ownerID)
	return nil
}

// comparePassphrase hashes under a bound on concurrency, so that guesses cannot take the machine.
func (s *Service) comparePassphrase(ctx context.Context, passphrase, hash string) (bool, error) {
	release, err := s.acquireHashing(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	match, err := argon2id.ComparePasswordAndHash(passphrase, hash)
	if err != nil {
		return false, unavailable(err)
	}
	return match, nil
}

// CheckPassphrase reports why a text cannot be a passphrase.
func CheckPassphrase(passphrase string) error {
	switch {
	case len([]rune(passphrase)) < MinPassphrase:
		return fail(WeakPassphrase, "a passphrase has at least %d characters", MinPassphrase)
	case len(passphrase) > maxPassphrase:
		return fail(WeakPassphrase, "a passphrase is at most %d bytes", maxPassphrase)
	}
	return nil
}

// hashPassphrase checks a passphrase and hashes it.
func (s *Service) hashPassphrase(ctx context.Context, passphrase string) (string, error) {
	if err := CheckPassphrase(passphrase); err != nil {
		return "", err
	}
	release, err := s.acquireHashing(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	hash, err := argon2id.CreateHash(passphrase, s.cfg.Argon2id)
	if err != nil {
		return "", unavailable(err)
	}
	return hash, nil
}

func (s *Service) acquireHashing(ctx context.Context) (release func(), err error) {
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, fail(RateLimited, "too many log-ins at once; try again in a moment")
	}
}

// clip shortens text that is kept only for people to look at.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}
