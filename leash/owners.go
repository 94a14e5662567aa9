package leash

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/store"
)

// OwnerProfile is what an owner, or the admin, may see of an owner.
type OwnerProfile struct {
	ID          string       `json:"user_principal_id"`
	Type        string       `json:"owner_type"`
	DisplayName string       `json:"display_name"`
	Status      store.Status `json:"status"`
	SetUp       bool         `json:"passphrase_set"`
	TOTPEnabled bool         `json:"totp_enabled"`
	// RecoveryCodes is how many recovery codes are unused.
	RecoveryCodes int       `json:"recovery_codes_left"`
	CreatedAt     time.Time `json:"created_at"`
}

func profile(o store.Owner) OwnerProfile {
	p := OwnerProfile{ID: o.ID, Type: o.Type, DisplayName: o.DisplayName, Status: o.Status,
		SetUp: o.PassphraseHash != "", CreatedAt: o.CreatedAt}
	if o.TOTP != nil && o.TOTP.Confirmed {
		p.TOTPEnabled, p.RecoveryCodes = true, len(o.TOTP.RecoveryHashes)
	}
	return p
}

// MaxName bounds display names, in bytes.
const MaxName = 200

// CheckName says what is wrong with a display name; nil if nothing is.
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fail(InvalidRequest, "a display name is needed")
	case len(name) > MaxName || !utf8.ValidString(name):
		return fail(InvalidRequest, "a display name is at most %d bytes of text", MaxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fail(InvalidRequest, "a display name has no line breaks or control characters")
	}
	return nil
}

// CreateOwner adds an owner who cannot log in before set-up. ownerType is HUMAN or ORG; empty is HUMAN.
func (s *Service) CreateOwner(ctx context.Context, name, ownerType string) (OwnerProfile, error) {
	if err := CheckName(name); err != nil {
		return OwnerProfile{}, err
	}
	switch ownerType {
	case "":
		ownerType = "HUMAN"
	case "HUMAN", "ORG":
	default:
		return OwnerProfile{}, fail(InvalidRequest, "owner_type is HUMAN or ORG")
	}
	now := s.Now()
	owner := store.Owner{ID: s.newID("usr"), Type: ownerType, DisplayName: strings.TrimSpace(name),
		Status: store.Active, CreatedAt: now, UpdatedAt: now}
	only, changes, err := s.nameTheOnlyOwner(ctx)
	if err != nil {
		return OwnerProfile{}, err
	}
	err = s.applyPolicies(ctx, changes, func(tx store.Tx) error {
		now, err := s.activeOwners(ctx, tx)
		if err != nil {
			return err
		}
		if len(now) == 1 && now[0] != only {
			return fail(Conflict, "another owner was added in the meantime; try again")
		}
		tx.Append(s.event(store.OwnerCreated, owner.ID, map[string]any{"display_name": owner.DisplayName}))
		return tx.Insert(owner)
	})
	if err != nil {
		return OwnerProfile{}, err
	}
	return profile(owner), nil
}

// nameTheOnlyOwner returns the only owner, if there is one, and the changes that write it into the policies that
// name none. While there is one owner, they are that owner's; with a second they would be nobody's.
func (s *Service) nameTheOnlyOwner(ctx context.Context) (string, []policybook.Change, error) {
	owners, err := s.activeOwners(ctx, s.store)
	if err != nil || len(owners) != 1 {
		return "", nil, err
	}
	var changes []policybook.Change
	for _, p := range s.policies.Engine(owners[0]).Policies() {
		if p.Owner != "" {
			continue
		}
		if p.Raw {
			return "", nil, fail(Conflict, "the policy %s names no owner; write `owner: %s` under custom in its METADATA first", p.File, owners[0])
		}
		text, err := compiler.SetHeader(p.Text, map[string]any{"owner": owners[0]})
		if err != nil {
			return "", nil, fail(Conflict, "the policy %s names no owner; write `owner: %s` into it first", p.File, owners[0])
		}
		active := string(p.Text)
		changes = append(changes, policybook.Change{OwnerID: owners[0], PolicyID: p.ID, By: "admin", Via: policybook.Admin,
			Path: p.File, Text: text, Expect: &active})
	}
	return owners[0], changes, nil
}

func (s *Service) activeOwners(ctx context.Context, r store.Reader) ([]string, error) {
	owners, err := store.Find[store.Owner](ctx, r, store.ByStatus(store.Active))
	if err != nil {
		return nil, unavailable(err)
	}
	ids := make([]string, len(owners))
	for i, o := range owners {
		ids[i] = o.ID
	}
	return ids, nil
}

// Owners lists all owners, oldest first.
func (s *Service) Owners(ctx context.Context) ([]OwnerProfile, error) {
	owners, err := store.Find[store.Owner](ctx, s.store)
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]OwnerProfile, len(owners))
	for i, o := range owners {
		out[i] = profile(o)
	}
	return out, nil
}

// OnlyOwner returns the id of the one active owner; with none or several it is an error that says so.
func (s *Service) OnlyOwner(ctx context.Context) (string, error) {
	owners, err := store.Find[store.Owner](ctx, s.store, store.ByStatus(store.Active))
	switch {
	case err != nil:
		return "", unavailable(err)
	case len(owners) == 0:
		return "", fail(NotFound, "there is no owner yet; run `openleash wizard` or `openleash init`")
	case len(owners) > 1:
		return "", fail(AmbiguousOwner, "there are several owners; name one")
	}
	return owners[0].ID, nil
}

// RevokeOwner ends an owner: its sessions end, and its agents can do nothing more.
func (s *Service) RevokeOwner(ctx context.Context, ownerID string) error {
	return s.update(ctx, func(tx store.Tx) error {
		owner, err := get[store.Owner](ctx, tx, ownerID, "owner")
		if err != nil {
			return err
		}
		now := s.Now()
		owner.Status, owner.RevokedAt, owner.UpdatedAt = store.Revoked, &now, now
		tx.Append(s.event(store.OwnerRevoked, ownerID, nil))
		if err := endSessions(ctx, tx, ownerID, ""); err != nil {
			return err
		}
		return tx.Put(owner)
	})
}

// InviteGrant is an invite with its token, which is shown this once.
type InviteGrant struct {
	InviteID    string    `json:"invite_id"`
	InviteToken string    `json:"invite_token"`
	InviteURL   string    `json:"invite_url"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// SetupInvite lets its holder set the passphrase of an owner once. An owner who has a passphrase
// and lost it gets in with a new one.
func (s *Service) SetupInvite(ctx context.Context, ownerID string) (InviteGrant, error) {
	token, hash := s.newSecret()
	now := s.Now()
	inv := store.Invite{ID: s.newID("inv"), Purpose: store.InviteSetup, OwnerID: ownerID, TokenHash: hash,
		Status: store.Pending, CreatedAt: now, ExpiresAt: now.Add(s.adjusted.Load().InviteTTL)}
	err := s.update(ctx, func(tx store.Tx) error {
		if _, err := activeOwner(ctx, tx, ownerID); err != nil {
			return err
		}
		tx.Append(s.event(store.OwnerUpdated, ownerID, map[string]any{"setup_invite": inv.ID}))
		return tx.Insert(inv)
	})
	url := s.cfg.PublicURL + "/gui/setup?invite_id=" + inv.ID + "#" + token
	return InviteGrant{inv.ID, token, url, inv.ExpiresAt}, err
}

func activeOwner(ctx context.Context, r store.Reader, id string) (store.Owner, error) {
	owner, err := get[store.Owner](ctx, r, id, "owner")
	if err == nil && owner.Status != store.Active {
		return owner, fail(InvalidStatus, "this owner is revoked")
	}
	return owner, err
}

// Setup redeems a set-up invite: it sets the passphrase, switches TOTP off, and ends all sessions.
func (s *Service) Setup(ctx context.Context, inviteID, token, passphrase string) (OwnerProfile, error) {
	// The invite is looked at first, so that a stranger cannot make the server hash.
	if _, err := s.openInvite(ctx, s.store, inviteID, token, store.InviteSetup); err != nil {
		return OwnerProfile{}, err
	}
	hash, err := s.hashPassphrase(ctx, passphrase)
	if err != nil {
		return OwnerProfile{}, err
	}
	var owner store.Owner
	err = s.update(ctx, func(tx store.Tx) error {
		inv, err := s.openInvite(ctx, tx, inviteID, token, store.InviteSetup)
		if err != nil {
			return err
		}
		if owner, err = activeOwner(ctx, tx, inv.OwnerID); err != nil {
			return err
		}
		now := s.Now()
		owner.PassphraseHash, owner.TOTP, owner.UpdatedAt = hash, nil, now
		if err := tx.Put(redeemed(inv, owner.ID, now)); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, owner.ID, ""); err != nil {
			return err
		}
		tx.Append(s.event(store.OwnerUpdated, owner.ID, map[string]any{"passphrase": "set"}))
		return tx.Put(owner)
	})
	return profile(owner), err
}

// Profile returns the caller's own profile.
func (s *Service) Profile(ctx context.Context, c Caller) (OwnerProfile, error) {
	owner, err := get[store.Owner](ctx, s.store, c.OwnerID, "owner")
	return profile(owner), err
}

// ProfileUpdate changes an owner's own profile. Empty fields stay. A new passphrase needs the current one.
type ProfileUpdate struct {
	DisplayName       string `json:"display_name"`
	Passphrase        string `json:"passphrase"`
	CurrentPassphrase string `json:"current_passphrase"`
}

// UpdateProfile changes the caller's name or passphrase. A new passphrase ends all other sessions.
func (s *Service) UpdateProfile(ctx context.Context, c Caller, u ProfileUpdate) (OwnerProfile, error) {
	if u.DisplayName != "" {
		if err := CheckName(u.DisplayName); err != nil {
			return OwnerProfile{}, err
		}
	}
	var hash string
	if u.Passphrase != "" {
		if !c.Admin {
			if err := s.checkPassphrase(ctx, c.OwnerID, u.CurrentPassphrase); err != nil {
				return OwnerProfile{}, err
			}
		}
		var err error
		if hash, err = s.hashPassphrase(ctx, u.Passphrase); err != nil {
			return OwnerProfile{}, err
		}
	}
	var owner store.Owner
	err := s.update(ctx, func(tx store.Tx) (err error) {
		if owner, err = get[store.Owner](ctx, tx, c.OwnerID, "owner"); err != nil {
			return err
		}
		changed := map[string]any{"by": c.By()}
		if u.DisplayName != "" {
			owner.DisplayName = strings.TrimSpace(u.DisplayName)
			changed["display_name"] = owner.DisplayName
		}
		if hash != "" {
			owner.PassphraseHash = hash
			changed["passphrase"] = "set"
			if err := endSessions(ctx, tx, owner.ID, c.SessionID); err != nil {
				return err
			}
		}
		owner.UpdatedAt = s.Now()
		tx.Append(s.event(store.OwnerUpdated, owner.ID, changed))
		return tx.Put(owner)
	})
	return profile(owner), err
}

// update runs a transaction; what is not an *Error becomes Unavailable.
func (s *Service) update(ctx context.Context, fn func(tx store.Tx) error) error {
	err := s.store.Update(ctx, fn)
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return unavailable(err)
}

// get reads one record; noun names it in the error.
func get[T store.Record](ctx context.Context, r store.Reader, key, noun string) (T, error) {
	rec, err := store.Get[T](ctx, r, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return rec, fail(NotFound, "there is no %s %q", noun, key)
	case err != nil:
		return rec, unavailable(err)
	}
	return rec, nil
}

// event makes a log entry of an owner. data must encode to JSON.
func (s *Service) event(t store.EventType, ownerID string, data map[string]any) store.Entry {
	e := store.Entry{ID: s.newID("evt"), Time: s.Now(), Type: t, OwnerID: ownerID}
	if len(data) > 0 {
		raw, err := json.Marshal(data)
		if err != nil {
			panic("encoding an event: " + err.Error()) // its values are ours
		}
		e.Data = raw
	}
	return e
}

// agentEvent makes a log entry of an agent.
func (s *Service) agentEvent(t store.EventType, a store.Agent, data map[string]any) store.Entry {
	e := s.event(t, a.OwnerID, data)
	e.AgentID, e.AgentPrincipalID = a.AgentID, a.PrincipalID
	return e
}
