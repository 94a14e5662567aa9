package leash

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/openleash/openleash-go/store"
)

// InviteInput says what an agent invite is for.
type InviteInput struct {
	// Groups that the agent will be in.
	Groups []string `json:"groups"`
	// ReplaceAgentID lets the invite replace the key of this agent of the same owner.
	ReplaceAgentID string `json:"replace_agent_id"`
}

// InviteView is an invite without its token.
type InviteView struct {
	ID             string       `json:"invite_id"`
	Groups         []string     `json:"groups,omitempty"`
	ReplaceAgentID string       `json:"replace_agent_id,omitempty"`
	Status         store.Status `json:"status"` // PENDING, REDEEMED, REVOKED or EXPIRED
	RedeemedBy     string       `json:"redeemed_by,omitempty"`
	CreatedAt      time.Time    `json:"created_at"`
	ExpiresAt      time.Time    `json:"expires_at"`
}

const maxGroups = 32

var groupName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// checkGroups says what is wrong with a list of group names.
func checkGroups(groups []string) error {
	if len(groups) > maxGroups {
		return fail(InvalidRequest, "an agent is in at most %d groups", maxGroups)
	}
	for i, g := range groups {
		if !groupName.MatchString(g) {
			return fail(InvalidRequest, "the group name %q must be 1 to 64 of letters, digits, _ . -", g)
		}
		if slices.Contains(groups[:i], g) {
			return fail(InvalidRequest, "the group %q is named twice", g)
		}
	}
	return nil
}

// CreateInvite makes an invite with which one agent can join the caller, once, within its life.
func (s *Service) CreateInvite(ctx context.Context, c Caller, in InviteInput) (InviteGrant, error) {
	if err := checkGroups(in.Groups); err != nil {
		return InviteGrant{}, err
	}
	token, hash := s.newSecret()
	now := s.Now()
	inv := store.Invite{ID: s.newID("inv"), Purpose: store.InviteAgent, OwnerID: c.OwnerID, TokenHash: hash,
		Groups: in.Groups, ReplaceAgentID: in.ReplaceAgentID,
		Status: store.Pending, CreatedAt: now, ExpiresAt: now.Add(s.adjusted.Load().InviteTTL)}
	err := s.update(ctx, func(tx store.Tx) error {
		if in.ReplaceAgentID != "" {
			if _, err := ownAgentByID(ctx, tx, c.OwnerID, in.ReplaceAgentID); err != nil {
				return err
			}
		}
		tx.Append(s.event(store.AgentInvited, c.OwnerID, map[string]any{"invite_id": inv.ID, "by": c.By(), "groups": in.Groups}))
		return tx.Insert(inv)
	})
	url := s.cfg.PublicURL + "/v1/agents/register-with-invite?invite_id=" + inv.ID + "&invite_token=" + token
	return InviteGrant{inv.ID, token, url, inv.ExpiresAt}, err
}

// Invites lists the caller's agent invites, newest first.
func (s *Service) Invites(ctx context.Context, c Caller) ([]InviteView, error) {
	all, err := store.Find[store.Invite](ctx, s.store, store.ByOwner(c.OwnerID))
	if err != nil {
		return nil, unavailable(err)
	}
	var out []InviteView
	for _, inv := range slices.Backward(all) {
		if inv.Purpose != store.InviteAgent {
			continue
		}
		status := inv.Status
		if status == store.Pending && !inv.ExpiresAt.After(s.Now()) {
			status = store.Expired
		}
		out = append(out, InviteView{inv.ID, inv.Groups, inv.ReplaceAgentID, status, inv.RedeemedBy, inv.CreatedAt, inv.ExpiresAt})
	}
	return out, nil
}

// RevokeInvite makes one of the caller's open invites worthless.
func (s *Service) RevokeInvite(ctx context.Context, c Caller, id string) error {
	return s.update(ctx, func(tx store.Tx) error {
		inv, err := get[store.Invite](ctx, tx, id, "invite")
		if err != nil {
			return err
		}
		if inv.OwnerID != c.OwnerID {
			return fail(NotFound, "there is no invite %q", id)
		}
		if inv.Status != store.Pending {
			return fail(InvalidStatus, "the invite is %s already", inv.Status)
		}
		now := s.Now()
		inv.Status, inv.ResolvedAt = store.Revoked, &now
		tx.Append(s.event(store.InviteRevoked, c.OwnerID, map[string]any{"invite_id": id, "by": c.By()}))
		return tx.Put(inv)
	})
}

// openInvite returns an invite that the token opens and that can still be redeemed. One answer fits
// all that is wrong with it, so that guessing teaches nothing.
func (s *Service) openInvite(ctx context.Context, r store.Reader, id, token string, purpose store.InvitePurpose) (store.Invite, error) {
	inv, err := store.Get[store.Invite](ctx, r, id)
	if err != nil || inv.Purpose != purpose || !secretMatches(token, inv.TokenHash) ||
		inv.Status != store.Pending || !inv.ExpiresAt.After(s.Now()) {
		return store.Invite{}, fail(InvalidInvite, "the invite is not valid: it may be used, expired or revoked; ask for a new one")
	}
	return inv, nil
}

func redeemed(inv store.Invite, by string, now time.Time) store.Invite {
	inv.Status, inv.RedeemedBy, inv.ResolvedAt = store.Redeemed, by, &now
	return inv
}
