package leash

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/store"
)

const maxPendingDrafts = 50 // of one agent

// DraftInput is a policy that an agent proposes.
type DraftInput struct {
	PolicyYAML    string `json:"policy_yaml"`
	AppliesTo     string `json:"applies_to_agent_principal_id"`
	Name          string `json:"name"`
	Description   string `json:"description"`
	Justification string `json:"justification"`
}

// DraftView is a proposed policy. ResultingPolicyID and DenialReason repeat what existing clients read
// under these names.
type DraftView struct {
	store.Draft
	ResultingPolicyID string `json:"resulting_policy_id,omitempty"`
	DenialReason      string `json:"denial_reason,omitempty"`
}

func draftView(d store.Draft) DraftView { return DraftView{d, d.PolicyID, d.DenyReason} }

// DraftPage is a page of drafts, newest first.
type DraftPage struct {
	Items []DraftView `json:"items"`
}

// SubmitDraft proposes a policy to the agent's owner. It must compile; it changes nothing until the
// owner approves it.
func (s *Service) SubmitDraft(ctx context.Context, a *Agent, in DraftInput) (DraftView, error) {
	if len(in.Justification) > maxJustification || len(in.Description) > maxJustification {
		return DraftView{}, fail(InvalidRequest, "justification and description are at most %d bytes", maxJustification)
	}
	if in.Name != "" {
		if err := CheckName(in.Name); err != nil {
			return DraftView{}, err
		}
	}
	if in.AppliesTo != "" && in.AppliesTo != a.PrincipalID {
		return DraftView{}, fail(Forbidden, "an agent proposes policies for itself or for all agents of its owner")
	}
	if isRego(in.PolicyYAML) {
		return DraftView{}, fail(InvalidPolicy, "a draft is written in YAML, so that its owner can read it")
	}
	check, err := s.ValidatePolicy(ctx, Caller{OwnerID: a.OwnerID}, in.PolicyYAML)
	if err != nil {
		return DraftView{}, err
	}
	if !check.Valid {
		return DraftView{}, &Error{Code: InvalidPolicy, Message: check.Problems[0].Message, Details: map[string]any{"errors": check.Problems}}
	}
	draft := store.Draft{ID: s.newID("drf"), OwnerID: a.OwnerID, AgentPrincipalID: a.PrincipalID, AgentID: a.AgentID,
		PolicyYAML: in.PolicyYAML, AppliesTo: in.AppliesTo, Name: in.Name, Description: in.Description,
		Justification: in.Justification, Status: store.Pending, CreatedAt: s.Now()}
	err = s.update(ctx, func(tx store.Tx) error {
		pending, err := store.Find[store.Draft](ctx, tx, store.ByPrincipal(a.PrincipalID), store.ByStatus(store.Pending))
		if err != nil {
			return err
		}
		if len(pending) >= maxPendingDrafts {
			return fail(RateLimited, "%d drafts of this agent wait for its owner; wait until some are resolved", maxPendingDrafts)
		}
		tx.Append(s.agentEvent(store.DraftSubmitted, a.Agent, map[string]any{"policy_draft_id": draft.ID}))
		return tx.Insert(draft)
	})
	return draftView(draft), err
}

// AgentDrafts lists the agent's own drafts, newest first.
func (s *Service) AgentDrafts(ctx context.Context, a *Agent) (DraftPage, error) {
	return s.drafts(ctx, store.ByPrincipal(a.PrincipalID))
}

// AgentDraft returns one of the agent's own drafts.
func (s *Service) AgentDraft(ctx context.Context, a *Agent, id string) (DraftView, error) {
	return s.draft(ctx, id, func(d store.Draft) bool { return d.AgentPrincipalID == a.PrincipalID })
}

// Drafts lists the caller's drafts, newest first; an empty status is all.
func (s *Service) Drafts(ctx context.Context, c Caller, status store.Status) (DraftPage, error) {
	terms := []string{store.ByOwner(c.OwnerID)}
	if status != "" {
		terms = append(terms, store.ByStatus(status))
	}
	return s.drafts(ctx, terms...)
}

// Draft returns one draft proposed to the caller.
func (s *Service) Draft(ctx context.Context, c Caller, id string) (DraftView, error) {
	return s.draft(ctx, id, func(d store.Draft) bool { return d.OwnerID == c.OwnerID })
}

func (s *Service) drafts(ctx context.Context, terms ...string) (DraftPage, error) {
	all, err := store.Find[store.Draft](ctx, s.store, terms...)
	if err != nil {
		return DraftPage{}, unavailable(err)
	}
	page := DraftPage{Items: []DraftView{}}
	for _, d := range slices.Backward(all) {
		page.Items = append(page.Items, draftView(d))
	}
	return page, nil
}

func (s *Service) draft(ctx context.Context, id string, may func(store.Draft) bool) (DraftView, error) {
	d, err := get[store.Draft](ctx, s.store, id, "policy draft")
	if err == nil && !may(d) {
		return DraftView{}, fail(NotFound, "there is no policy draft %q", id)
	}
	return draftView(d), err
}

// renamed gives a draft the id that the server chose and takes its claim to an owner or to being a
// guardrail away.
func renamed(text, policyID string) (string, error) {
	out, err := compiler.SetHeader([]byte(text), map[string]any{"id": policyID, "owner": nil, "applies_to": nil, "rank": nil})
	if err != nil {
		return "", fail(InvalidPolicy, "%v", err)
	}
	return string(out), nil
}

// ApproveDraftInput is what the owner fixes of a draft.
type ApproveDraftInput struct {
	Name string `json:"name"` // empty: the draft's
	// Scope is "all" for all agents of the owner, or one agent; empty: the agent that proposed it.
	Scope string `json:"scope"`
}

// ApproveDraft puts a draft in force as a new policy of the caller. The server chooses its id and the
// owner its scope: a draft never replaces a policy, and never takes the name of one.
func (s *Service) ApproveDraft(ctx context.Context, c Caller, id string, fix ApproveDraftInput) (DraftView, error) {
	var draft store.Draft
	pending, err := s.Draft(ctx, c, id)
	if err != nil {
		return DraftView{}, err
	}
	in := PolicyInput{Text: pending.PolicyYAML, Name: cmp.Or(fix.Name, pending.Name)}
	if fix.Scope != "all" {
		in.AppliesTo = cmp.Or(fix.Scope, pending.AgentPrincipalID)
	}
	policyID := s.newID("pol")
	if in.Text, err = renamed(in.Text, policyID); err != nil {
		return DraftView{}, err
	}
	c.Via = policybook.Draft
	_, err = s.savePolicy(ctx, c, policyID, in, func(tx store.Tx) error {
		var err error
		draft, err = s.resolveDraft(ctx, tx, c, id, store.DraftApproved, func(d *store.Draft) {
			d.Status, d.PolicyID = store.Approved, policyID
		})
		return err
	})
	if err != nil {
		return DraftView{}, err
	}
	return draftView(draft), nil
}

// DenyDraft refuses a draft.
func (s *Service) DenyDraft(ctx context.Context, c Caller, id, reason string) (DraftView, error) {
	var draft store.Draft
	err := s.update(ctx, func(tx store.Tx) (err error) {
		draft, err = s.resolveDraft(ctx, tx, c, id, store.DraftDenied, func(d *store.Draft) {
			d.Status, d.DenyReason = store.Denied, clip(reason, maxJustification)
		})
		return err
	})
	return draftView(draft), err
}

func (s *Service) resolveDraft(ctx context.Context, tx store.Tx, c Caller, id string, t store.EventType, change func(*store.Draft)) (store.Draft, error) {
	d, err := store.Get[store.Draft](ctx, tx, id)
	if errors.Is(err, store.ErrNotFound) || (err == nil && d.OwnerID != c.OwnerID) {
		return d, fail(NotFound, "there is no policy draft %q", id)
	}
	if err != nil {
		return d, err
	}
	if d.Status != store.Pending {
		return d, fail(InvalidStatus, "the policy draft is %s already", d.Status)
	}
	now := s.Now()
	d.ResolvedAt, d.ResolvedBy = &now, c.By()
	change(&d)
	data := map[string]any{"policy_draft_id": d.ID, "status": d.Status, "by": c.By()}
	if d.PolicyID != "" {
		data["policy_id"] = d.PolicyID
	}
	tx.Append(s.agentEvent(t, store.Agent{OwnerID: d.OwnerID, AgentID: d.AgentID, PrincipalID: d.AgentPrincipalID}, data))
	if err := s.notify(ctx, tx, d.AgentPrincipalID, webhookEvent(t), data); err != nil {
		return d, err
	}
	return d, tx.Put(d)
}
