package leash

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// AgentView is what owners and agents may see of an agent.
type AgentView struct {
	PrincipalID  string       `json:"agent_principal_id"`
	AgentID      string       `json:"agent_id"`
	OwnerType    string       `json:"owner_type,omitempty"`
	OwnerID      string       `json:"owner_id"`
	Status       store.Status `json:"status"`
	Groups       []string     `json:"groups,omitempty"`
	PublicKeyB64 string       `json:"agent_pubkey_b64,omitempty"`
	WebhookURL   string       `json:"webhook_url,omitempty"`
	CreatedAt    time.Time    `json:"created_at"`
	UpdatedAt    time.Time    `json:"updated_at"`
}

func agentView(a store.Agent) AgentView {
	v := AgentView{PrincipalID: a.PrincipalID, AgentID: a.AgentID, OwnerID: a.OwnerID, Status: a.Status,
		Groups: a.Groups, PublicKeyB64: a.PublicKeyB64, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt}
	if a.Webhook != nil {
		v.WebhookURL = a.Webhook.URL
	}
	return v
}

// Registration is what an agent learns when it joins an owner.
type Registration struct {
	PrincipalID  string            `json:"agent_principal_id"`
	AgentID      string            `json:"agent_id"`
	OwnerType    string            `json:"owner_type"`
	OwnerID      string            `json:"owner_id"`
	Status       store.Status      `json:"status"`
	CreatedAt    time.Time         `json:"created_at"`
	OpenLeashURL string            `json:"openleash_url"`
	Auth         map[string]any    `json:"auth"`
	Endpoints    map[string]string `json:"endpoints"`
	SDKs         map[string]string `json:"sdks"`
}

// WebhookInput is where an agent wants to hear of its approvals and drafts.
type WebhookInput struct {
	URL       string `json:"webhook_url"`
	Secret    string `json:"webhook_secret"`
	AuthToken string `json:"webhook_auth_token"`
}

// RedeemInput is an agent that joins by invite.
type RedeemInput struct {
	InviteID     string `json:"invite_id"`
	InviteToken  string `json:"invite_token"`
	AgentID      string `json:"agent_id"`
	PublicKeyB64 string `json:"agent_pubkey_b64"` // DER SPKI
	WebhookInput
}

var agentIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)

// CheckAgentID reports why a text cannot be the id of an agent.
func CheckAgentID(id string) error {
	if !agentIDForm.MatchString(id) || strings.HasPrefix(id, "agt_") {
		return fail(InvalidRequest, "agent_id must be 1 to 128 of letters, digits, . _ : @ -, begin with a letter or digit, and not with agt_")
	}
	return nil
}

func checkIdentity(agentID, key string) error {
	if err := CheckAgentID(agentID); err != nil {
		return err
	}
	if _, err := proof.ParsePublicKeyB64(key); err != nil {
		return fail(InvalidKey, "agent_pubkey_b64 must be an Ed25519 public key in base64 DER (SPKI)")
	}
	return nil
}

// RedeemInvite makes the bearer of an invite an active agent of the owner who made it.
func (s *Service) RedeemInvite(ctx context.Context, in RedeemInput) (Registration, error) {
	if err := checkIdentity(in.AgentID, in.PublicKeyB64); err != nil {
		return Registration{}, err
	}
	hook, err := s.webhook(in.WebhookInput)
	if err != nil {
		return Registration{}, err
	}
	var agent store.Agent
	var owner store.Owner
	err = s.update(ctx, func(tx store.Tx) error {
		inv, err := s.openInvite(ctx, tx, in.InviteID, in.InviteToken, store.InviteAgent)
		if err != nil {
			return err
		}
		if owner, err = get[store.Owner](ctx, tx, inv.OwnerID, "owner"); err != nil {
			return err
		}
		if owner.Status != store.Active {
			return fail(InvalidInvite, "the owner of this invite is not active")
		}
		now := s.Now()
		if inv.ReplaceAgentID != "" {
			if inv.ReplaceAgentID != in.AgentID {
				return fail(InvalidInvite, "this invite replaces the key of the agent %q only", inv.ReplaceAgentID)
			}
			if agent, err = ownAgentByID(ctx, tx, owner.ID, in.AgentID); err != nil {
				return err
			}
			agent.PublicKeyB64, agent.Status = in.PublicKeyB64, store.Active
		} else {
			agent = store.Agent{PrincipalID: s.newID("agt"), AgentID: in.AgentID, OwnerID: owner.ID,
				PublicKeyB64: in.PublicKeyB64, Status: store.Active, Groups: inv.Groups, CreatedAt: now}
		}
		agent.Webhook, agent.UpdatedAt = hook, now
		if err := tx.Put(redeemed(inv, agent.PrincipalID, now)); err != nil {
			return err
		}
		tx.Append(s.agentEvent(store.AgentRegistered, agent, map[string]any{"invite_id": inv.ID, "status": agent.Status}))
		return taken(tx.Put(agent), in.AgentID)
	})
	return s.registration(agent, owner), err
}

func taken(err error, agentID string) error {
	if errors.Is(err, store.ErrExists) {
		return fail(AgentIDTaken, "the agent_id %q is in use on this server; choose another, or ask its owner for an invite that replaces its key", agentID)
	}
	return err
}

func (s *Service) registration(a store.Agent, o store.Owner) Registration {
	return Registration{
		PrincipalID: a.PrincipalID, AgentID: a.AgentID, OwnerType: o.Type, OwnerID: a.OwnerID,
		Status: a.Status, CreatedAt: a.CreatedAt, OpenLeashURL: s.cfg.PublicURL,
		Auth: map[string]any{
			"method":         "ed25519",
			"headers":        []string{"X-Agent-Id", "X-Timestamp", "X-Nonce", "X-Body-Sha256", "X-Signature"},
			"signing_string": "METHOD\\nPATH\\nTIMESTAMP\\nNONCE\\nBODY_SHA256",
		},
		Endpoints: map[string]string{
			"authorize":         s.cfg.PublicURL + "/v1/authorize",
			"self":              s.cfg.PublicURL + "/v1/agent/self",
			"approval_requests": s.cfg.PublicURL + "/v1/agent/approval-requests",
			"policy_drafts":     s.cfg.PublicURL + "/v1/agent/policy-drafts",
			"public_keys":       s.cfg.PublicURL + "/v1/public-keys",
			"reference":         s.cfg.PublicURL + "/reference",
		},
		SDKs: map[string]string{
			"go": "github.com/openleash/openleash-go/sdk", "typescript": "sdk/ts", "python": "sdk/python",
		},
	}
}

// ChallengeInput is an agent that wants to register by showing its key.
type ChallengeInput struct {
	AgentID      string `json:"agent_id"`
	PublicKeyB64 string `json:"agent_pubkey_b64"`
	OwnerType    string `json:"owner_type"`
	OwnerID      string `json:"owner_id"`

	// From names the network that asks, so that one client cannot use up what there is for all; empty is not counted.
	From string `json:"-"`
}

// ChallengeView is what the agent must sign.
type ChallengeView struct {
	ID           string    `json:"challenge_id"`
	ChallengeB64 string    `json:"challenge_b64"`
	ExpiresAt    time.Time `json:"expires_at"`
}

const (
	maxChallenges     = 1000 // open at once, so that unauthenticated clients cannot fill the store
	maxChallengesEach = 20   // of them of one network
	maxPendingAgents  = 100  // waiting for one owner
)

// RegistrationChallenge begins a registration without an invite.
func (s *Service) RegistrationChallenge(ctx context.Context, in ChallengeInput) (ChallengeView, error) {
	if err := checkIdentity(in.AgentID, in.PublicKeyB64); err != nil {
		return ChallengeView{}, err
	}
	var raw [32]byte
	if _, err := io.ReadFull(s.cfg.Random, raw[:]); err != nil {
		return ChallengeView{}, unavailable(err)
	}
	now := s.Now()
	ch := store.Challenge{ID: s.newID("chl"), AgentID: in.AgentID, PublicKeyB64: in.PublicKeyB64, OwnerID: in.OwnerID,
		ChallengeB64: base64.StdEncoding.EncodeToString(raw[:]), From: in.From, CreatedAt: now, ExpiresAt: now.Add(s.cfg.ChallengeTTL)}
	err := s.update(ctx, func(tx store.Tx) error {
		open, err := store.Find[store.Challenge](ctx, tx)
		if err != nil {
			return err
		}
		left, own := len(open), 0
		for _, old := range open {
			if old.ExpiresAt.After(now) {
				if old.From == ch.From {
					own++
				}
				continue
			}
			left--
			if err := tx.Delete(store.KindChallenge, old.ID); err != nil {
				return err
			}
		}
		if left >= maxChallenges || own >= maxChallengesEach && ch.From != "" {
			return fail(RateLimited, "too many registrations are under way; try again in a few minutes")
		}
		return tx.Insert(ch)
	})
	return ChallengeView{ch.ID, ch.ChallengeB64, ch.ExpiresAt}, err
}

// RegisterInput finishes a registration: SignatureB64 is the Ed25519 signature over the challenge's
// bytes.
type RegisterInput struct {
	ChallengeID  string `json:"challenge_id"`
	AgentID      string `json:"agent_id"`
	PublicKeyB64 string `json:"agent_pubkey_b64"`
	SignatureB64 string `json:"signature_b64"`
	OwnerType    string `json:"owner_type"`
	OwnerID      string `json:"owner_id"`
	WebhookInput
}

// Register creates a PENDING agent, which can do nothing until its owner accepts it. It holds no
// claim on its agent_id before that.
func (s *Service) Register(ctx context.Context, in RegisterInput) (Registration, error) {
	if err := checkIdentity(in.AgentID, in.PublicKeyB64); err != nil {
		return Registration{}, err
	}
	hook, err := s.webhook(in.WebhookInput)
	if err != nil {
		return Registration{}, err
	}
	invalid := fail(InvalidChallenge, "the owner or the challenge is unknown, or the challenge is expired or not signed with the key that asked for it")
	var agent store.Agent
	var owner store.Owner
	err = s.update(ctx, func(tx store.Tx) error {
		ch, err := store.Get[store.Challenge](ctx, tx, in.ChallengeID)
		if err != nil || ch.AgentID != in.AgentID || ch.PublicKeyB64 != in.PublicKeyB64 ||
			(ch.OwnerID != "" && ch.OwnerID != in.OwnerID) || !ch.ExpiresAt.After(s.Now()) || !signedChallenge(ch, in.SignatureB64) {
			return invalid
		}
		// An unknown owner gets the answer of a bad challenge, so that owners cannot be enumerated.
		if owner, err = store.Get[store.Owner](ctx, tx, in.OwnerID); err != nil || owner.Status != store.Active {
			return invalid
		}
		if _, err := store.First[store.Agent](ctx, tx, store.ByAgentID(in.AgentID), store.ByStatus(store.Active)); err == nil {
			return taken(store.ErrExists, in.AgentID)
		}
		waiting, err := store.Find[store.Agent](ctx, tx, store.ByOwner(owner.ID), store.ByStatus(store.Pending))
		if err != nil {
			return err
		}
		if len(waiting) >= maxPendingAgents {
			return fail(RateLimited, "too many agents wait for this owner; ask for an invite instead")
		}
		now := s.Now()
		agent = store.Agent{PrincipalID: s.newID("agt"), AgentID: in.AgentID, OwnerID: owner.ID, PublicKeyB64: in.PublicKeyB64,
			Status: store.Pending, Webhook: hook, CreatedAt: now, UpdatedAt: now}
		if err := tx.Delete(store.KindChallenge, ch.ID); err != nil {
			return err
		}
		tx.Append(s.agentEvent(store.AgentRegistered, agent, map[string]any{"status": agent.Status}))
		return tx.Insert(agent)
	})
	return s.registration(agent, owner), err
}

func signedChallenge(ch store.Challenge, signatureB64 string) bool {
	key, err := proof.ParsePublicKeyB64(ch.PublicKeyB64)
	if err != nil {
		return false
	}
	msg, err := base64.StdEncoding.DecodeString(ch.ChallengeB64)
	if err != nil {
		return false
	}
	sig, err := base64.StdEncoding.DecodeString(signatureB64)
	return err == nil && ed25519.Verify(key, msg, sig)
}

// Self returns the calling agent.
func (s *Service) Self(a *Agent) AgentView {
	v := agentView(a.Agent)
	v.OwnerType = a.Owner.Type
	return v
}

// AgentQuery selects agents. Zero fields do not restrict.
type AgentQuery struct {
	Status store.Status
	Text   string // in the agent_id or a group, ignoring case
	Limit  int    // 1..500; 0 is 50
	Cursor string // from an earlier page
}

// AgentPage is a page of agents, newest first. Total counts all that fit the query.
type AgentPage struct {
	Items      []AgentView `json:"items"`
	Total      int         `json:"total"`
	NextCursor string      `json:"next_cursor,omitempty"`
}

// Agents lists the caller's agents, newest first. The admin without an owner lists those of all owners.
func (s *Service) Agents(ctx context.Context, c Caller, q AgentQuery) (AgentPage, error) {
	var terms []string
	if !c.everybodys() {
		terms = append(terms, store.ByOwner(c.OwnerID))
	}
	if q.Status != "" {
		terms = append(terms, store.ByStatus(q.Status))
	}
	all, err := store.Find[store.Agent](ctx, s.store, terms...)
	if err != nil {
		return AgentPage{}, unavailable(err)
	}
	page := AgentPage{Items: []AgentView{}}
	limit := pageLimit(q.Limit)
	text := strings.ToLower(q.Text)
	for _, a := range slices.Backward(all) {
		if text != "" && !strings.Contains(strings.ToLower(a.AgentID+"\n"+strings.Join(a.Groups, "\n")), text) {
			continue
		}
		page.Total++
		if q.Cursor != "" && a.PrincipalID >= q.Cursor {
			continue
		}
		if len(page.Items) == limit {
			page.NextCursor = page.Items[limit-1].PrincipalID
			continue
		}
		page.Items = append(page.Items, agentView(a))
	}
	return page, nil
}

func pageLimit(n int) int {
	if n <= 0 {
		return 50
	}
	return min(n, 500)
}

// AgentByID returns one of the caller's agents, by principal or by agent_id. The admin without an owner
// finds those of all owners, by principal.
func (s *Service) AgentByID(ctx context.Context, c Caller, id string) (AgentView, error) {
	if c.everybodys() {
		a, err := get[store.Agent](ctx, s.store, id, "agent")
		return agentView(a), err
	}
	a, err := ownAgent(ctx, s.store, c.OwnerID, id)
	return agentView(a), err
}

// SetAgentStatus accepts (ACTIVE) or revokes (REVOKED) one of the caller's agents.
func (s *Service) SetAgentStatus(ctx context.Context, c Caller, id string, status store.Status) (AgentView, error) {
	event := store.AgentUpdated
	switch status {
	case store.Active:
	case store.Revoked:
		event = store.AgentRevoked
	default:
		return AgentView{}, fail(InvalidStatus, "status is ACTIVE or REVOKED")
	}
	return s.changeAgent(ctx, c, id, event, map[string]any{"status": status}, func(a *store.Agent) { a.Status = status })
}

// SetAgentGroups puts one of the caller's agents into exactly these groups.
func (s *Service) SetAgentGroups(ctx context.Context, c Caller, id string, groups []string) (AgentView, error) {
	if err := checkGroups(groups); err != nil {
		return AgentView{}, err
	}
	return s.changeAgent(ctx, c, id, store.AgentUpdated, map[string]any{"groups": groups}, func(a *store.Agent) { a.Groups = groups })
}

func (s *Service) changeAgent(ctx context.Context, c Caller, id string, t store.EventType, data map[string]any, change func(*store.Agent)) (AgentView, error) {
	var agent store.Agent
	err := s.update(ctx, func(tx store.Tx) (err error) {
		if agent, err = ownAgent(ctx, tx, c.OwnerID, id); err != nil {
			return err
		}
		change(&agent)
		agent.UpdatedAt = s.Now()
		data["by"] = c.By()
		tx.Append(s.agentEvent(t, agent, data))
		return taken(tx.Put(agent), agent.AgentID)
	})
	return agentView(agent), err
}

// ownAgent finds an agent of an owner by principal id or by agent_id.
func ownAgent(ctx context.Context, r store.Reader, ownerID, id string) (store.Agent, error) {
	a, err := store.Get[store.Agent](ctx, r, id)
	if errors.Is(err, store.ErrNotFound) {
		return ownAgentByID(ctx, r, ownerID, id)
	}
	if err != nil {
		return a, unavailable(err)
	}
	if a.OwnerID != ownerID {
		return store.Agent{}, fail(NotFound, "there is no agent %q", id)
	}
	return a, nil
}

func ownAgentByID(ctx context.Context, r store.Reader, ownerID, agentID string) (store.Agent, error) {
	a, err := store.First[store.Agent](ctx, r, store.ByAgentID(agentID), store.ByOwner(ownerID))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return a, fail(NotFound, "there is no agent %q", agentID)
	case err != nil:
		return a, unavailable(err)
	}
	return a, nil
}
