package leash

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

const (
	maxJustification = 4096 // bytes
	maxContext       = 16 * 1024
	// MaxWait bounds how long a poll for an approval is held open.
	MaxWait = 60 * time.Second
)

// ApprovalInput is an agent's request that its owner approve a decision. Action must be the action
// that was decided.
type ApprovalInput struct {
	DecisionID    string          `json:"decision_id"`
	Action        json.RawMessage `json:"action"`
	Justification string          `json:"justification"`
	Context       json.RawMessage `json:"context"`
}

// AgentApproval is what the agent sees of its request. The token is there while it can be redeemed.
type AgentApproval struct {
	ID             string       `json:"approval_request_id"`
	Status         store.Status `json:"status"`
	DecisionID     string       `json:"decision_id"`
	ActionType     string       `json:"action_type"`
	ActionHash     string       `json:"action_hash"`
	Justification  string       `json:"justification,omitempty"`
	DenyReason     string       `json:"deny_reason,omitempty"`
	CreatedAt      time.Time    `json:"created_at"`
	ExpiresAt      time.Time    `json:"expires_at"`
	ResolvedAt     *time.Time   `json:"resolved_at,omitempty"`
	Token          string       `json:"approval_token,omitempty"`
	TokenExpiresAt *time.Time   `json:"approval_token_expires_at,omitempty"`
}

// ApprovalView is what the owner sees of a request.
type ApprovalView struct {
	store.Approval
}

// RequestApproval asks the owner to approve a stored decision of this agent that requires it. Asked
// twice, it returns the same request, or a fresh one if that has expired.
func (s *Service) RequestApproval(ctx context.Context, a *Agent, in ApprovalInput) (AgentApproval, error) {
	if len(in.Justification) > maxJustification || len(in.Context) > maxContext {
		return AgentApproval{}, fail(InvalidRequest, "justification is at most %d bytes and context at most %d", maxJustification, maxContext)
	}
	action, err := s.readAction(a, in.Action)
	if err != nil {
		return AgentApproval{}, err
	}
	entry, err := s.store.Decision(ctx, in.DecisionID)
	if errors.Is(err, store.ErrNotFound) || (err == nil && entry.AgentPrincipalID != a.PrincipalID) {
		return AgentApproval{}, fail(DecisionNotApprovable, "there is no decision %q of this agent", in.DecisionID)
	}
	if err != nil {
		return AgentApproval{}, unavailable(err)
	}
	d := entry.Decision
	switch {
	case d.Result != store.RequireApproval && d.Result != store.RequireStepUp && d.Result != store.RequireDeposit:
		return AgentApproval{}, fail(DecisionNotApprovable, "the decision is %s; only one that requires approval, step-up or deposit can be approved", d.Result)
	case d.ActionHash != action.Hash:
		return AgentApproval{}, fail(DecisionNotApprovable, "the action is not the one that was decided: its hash differs")
	}
	now := s.Now()
	approval := store.Approval{
		ID: s.newID("apr"), OwnerID: a.OwnerID, AgentPrincipalID: a.PrincipalID, AgentID: a.AgentID,
		DecisionID: d.ID, Required: d.Result, ActionType: d.ActionType, ActionHash: d.ActionHash, Action: entry.Action,
		Redacted: slices.Sorted(maps.Keys(entry.Redacted)),
		PolicyID: d.PolicyID, RuleID: d.RuleID, Reason: d.Reason, Obligations: d.Obligations, Overages: d.Overages,
		Justification: in.Justification, Context: in.Context,
		Status: store.Pending, CreatedAt: now, ExpiresAt: now.Add(s.adjusted.Load().ApprovalTTL),
	}
	err = s.update(ctx, func(tx store.Tx) error {
		old, err := store.First[store.Approval](ctx, tx, store.ByDecision(d.ID))
		if err == nil {
			if old, err = s.standing(ctx, old); err != nil {
				return err
			}
			if old.Status != store.Expired {
				approval = old
				return nil
			}
			err = s.expire(ctx, tx, old)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := s.roomForApproval(ctx, tx, a); err != nil {
			return err
		}
		tx.Append(s.agentEvent(store.ApprovalRequested, a.Agent, map[string]any{
			"approval_request_id": approval.ID, "decision_id": d.ID, "action_type": d.ActionType, "required": d.Result}))
		return tx.Insert(approval)
	})
	if err != nil {
		return AgentApproval{}, err
	}
	return s.agentApproval(ctx, approval)
}

// roomForApproval refuses one more request of an agent that has too many open, or whose owner has.
func (s *Service) roomForApproval(ctx context.Context, r store.Reader, a *Agent) error {
	open, err := store.Find[store.Approval](ctx, r, store.ByOwner(a.OwnerID), store.ByStatus(store.Pending))
	if err != nil {
		return err
	}
	all, own := 0, 0
	for _, o := range open {
		if o.ExpiresAt.After(s.Now()) {
			all++
			if o.AgentPrincipalID == a.PrincipalID {
				own++
			}
		}
	}
	if all >= s.cfg.MaxOpen || own >= s.cfg.MaxOpenEach {
		return fail(TooManyOpenRequests, "%d approval requests of this agent and %d of its owner's agents are open; wait until some are answered", own, all)
	}
	return nil
}

// expire records that a request has run out, and tells its agent.
func (s *Service) expire(ctx context.Context, tx store.Tx, a store.Approval) error {
	now := s.Now()
	a.Status, a.ResolvedAt = store.Expired, &now
	data := map[string]any{"approval_request_id": a.ID, "decision_id": a.DecisionID}
	tx.Append(s.agentEvent(store.ApprovalExpired, store.Agent{OwnerID: a.OwnerID, AgentID: a.AgentID, PrincipalID: a.AgentPrincipalID}, data))
	if err := s.notify(ctx, tx, a.AgentPrincipalID, webhookEvent(store.ApprovalExpired), data); err != nil {
		return err
	}
	return tx.Put(a)
}

// ExpireApprovals records the requests that have run out without an answer, and returns how many there were.
func (s *Service) ExpireApprovals(ctx context.Context) (int, error) {
	pending, err := store.Find[store.Approval](ctx, s.store, store.ByStatus(store.Pending))
	if err != nil {
		return 0, unavailable(err)
	}
	n := 0
	for _, p := range pending {
		if p.ExpiresAt.After(s.Now()) {
			continue
		}
		err := s.update(ctx, func(tx store.Tx) error {
			a, err := store.Get[store.Approval](ctx, tx, p.ID)
			if err != nil || a.Status != store.Pending {
				return err
			}
			return s.expire(ctx, tx, a)
		})
		if err != nil {
			return n, err
		}
		s.resolved.publish(p.ID)
		n++
	}
	return n, nil
}

// AgentApproval returns one of the agent's own requests. With wait > 0 it holds the answer until the
// request is resolved or expires, at most MaxWait.
func (s *Service) AgentApproval(ctx context.Context, a *Agent, id string, wait time.Duration) (AgentApproval, error) {
	read := func() (store.Approval, error) {
		approval, err := s.approval(ctx, id)
		if err == nil && approval.AgentPrincipalID != a.PrincipalID {
			return approval, fail(ApprovalRequestNotFound, "there is no approval request %q", id)
		}
		if err == nil {
			_, err = s.agent(ctx, a.AgentID) // it may have been revoked while it waited
		}
		return approval, err
	}
	if wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, min(wait, MaxWait))
		defer cancel()
		// Subscribed before reading, so that no change falls between.
		resolved, stop := s.resolved.subscribe(id)
		defer stop()
		for {
			approval, err := read()
			if err != nil || approval.Status != store.Pending {
				break
			}
			select {
			case <-resolved:
				continue
			case <-time.After(approval.ExpiresAt.Sub(s.Now())):
			case <-waiting.Done():
			}
			break
		}
	}
	approval, err := read()
	if err != nil {
		return AgentApproval{}, err
	}
	return s.agentApproval(ctx, approval)
}

func (s *Service) agentApproval(ctx context.Context, a store.Approval) (AgentApproval, error) {
	v := AgentApproval{ID: a.ID, Status: a.Status, DecisionID: a.DecisionID, ActionType: a.ActionType, ActionHash: a.ActionHash,
		Justification: a.Justification, DenyReason: a.DenyReason, CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt, ResolvedAt: a.ResolvedAt}
	if a.Status != store.Approved {
		return v, nil
	}
	token, err := s.approvalToken(ctx, a)
	if err != nil {
		return v, err
	}
	v.Token, v.TokenExpiresAt = token, a.TokenExpiresAt
	return v, nil
}

// approvalToken signs what is stored of an approved request; the same approval gives the same token.
func (s *Service) approvalToken(ctx context.Context, a store.Approval) (string, error) {
	owner, err := store.Get[store.Owner](ctx, s.store, a.OwnerID)
	if err != nil {
		return "", unavailable(err)
	}
	token, err := s.keys.Load().Mint(proof.PurposeApproval, proof.Claims{
		IssuedAt: *a.ResolvedAt, NotBefore: *a.ResolvedAt, ExpiresAt: *a.TokenExpiresAt, ID: a.ID,
		ApprovalRequestID: a.ID, OwnerType: owner.Type, OwnerID: a.OwnerID, AgentID: a.AgentID,
		ActionType: a.ActionType, ActionHash: a.ActionHash,
	})
	if err != nil {
		return "", unavailable(err)
	}
	return token, nil
}

// approval reads a request as it stands now: what ran out is EXPIRED, what was redeemed is CONSUMED.
func (s *Service) approval(ctx context.Context, id string) (store.Approval, error) {
	a, err := store.Get[store.Approval](ctx, s.store, id)
	if errors.Is(err, store.ErrNotFound) {
		return a, fail(ApprovalRequestNotFound, "there is no approval request %q", id)
	}
	if err != nil {
		return a, unavailable(err)
	}
	return s.standing(ctx, a)
}

func (s *Service) standing(ctx context.Context, a store.Approval) (store.Approval, error) {
	switch a.Status {
	case store.Pending:
		if !a.ExpiresAt.After(s.Now()) {
			a.Status = store.Expired
		}
	case store.Approved:
		consumed, err := s.store.Consumed(ctx, a.ID)
		switch {
		case err != nil:
			return a, unavailable(err)
		case consumed:
			a.Status = store.Consumed
		case !a.TokenExpiresAt.After(s.Now()):
			a.Status = store.Expired
		}
	}
	return a, nil
}

// presented returns the approval whose token an action request carries, if it may be redeemed for
// this very action; nil if it carries none.
func (s *Service) presented(ctx context.Context, a *Agent, action *proof.ParsedAction, now time.Time) (*store.Approval, error) {
	if action.ApprovalToken == "" {
		return nil, nil
	}
	claims, err := proof.Verify(action.ApprovalToken, s.keys.Load().Source(proof.PurposeApproval), proof.Expect{Purpose: proof.PurposeApproval, Now: now})
	if err != nil {
		return nil, &Error{Code: InvalidApprovalToken, Message: "the approval token does not hold: " + err.Error()}
	}
	approval, err := s.approval(ctx, claims.ApprovalRequestID)
	switch {
	case err != nil:
		return nil, err
	case approval.AgentPrincipalID != a.PrincipalID || claims.AgentID != a.AgentID:
		return nil, fail(ApprovalAgentMismatch, "the approval was given to another agent")
	case approval.ActionHash != action.Hash || claims.ActionHash != action.Hash:
		return nil, fail(ActionHashMismatch, "the approval was given for another action; ask again with exactly the action that was approved")
	case approval.Status == store.Consumed:
		return nil, fail(ApprovalTokenConsumed, "the approval was used before; it is good for one action")
	case approval.Status != store.Approved:
		return nil, fail(InvalidApprovalStatus, "the approval request is %s", approval.Status)
	}
	return &approval, nil
}

// ApprovalQuery selects approval requests. Zero fields do not restrict.
type ApprovalQuery struct {
	Status           store.Status
	AgentPrincipalID string
	ActionType       string
	Limit            int    // 1..500; 0 is 50
	Cursor           string // from an earlier page
}

// ApprovalPage is a page of approval requests, newest first.
type ApprovalPage struct {
	Items      []ApprovalView `json:"items"`
	NextCursor string         `json:"next_cursor,omitempty"`
}

// Approvals lists the caller's approval requests, newest first.
func (s *Service) Approvals(ctx context.Context, c Caller, q ApprovalQuery) (ApprovalPage, error) {
	terms := []string{store.ByOwner(c.OwnerID)}
	if q.AgentPrincipalID != "" {
		terms = append(terms, store.ByPrincipal(q.AgentPrincipalID))
	}
	if q.Status == store.Pending || q.Status == store.Denied { // the others are told only when they are looked at
		terms = append(terms, store.ByStatus(q.Status))
	}
	all, err := store.Find[store.Approval](ctx, s.store, terms...)
	if err != nil {
		return ApprovalPage{}, unavailable(err)
	}
	page := ApprovalPage{Items: []ApprovalView{}}
	for _, a := range slices.Backward(all) {
		if (q.Cursor != "" && a.ID >= q.Cursor) || (q.ActionType != "" && a.ActionType != q.ActionType) {
			continue
		}
		if a, err = s.standing(ctx, a); err != nil {
			return ApprovalPage{}, err
		}
		if q.Status != "" && a.Status != q.Status {
			continue
		}
		if len(page.Items) == pageLimit(q.Limit) {
			page.NextCursor = page.Items[len(page.Items)-1].ID
			break
		}
		page.Items = append(page.Items, ApprovalView{a})
	}
	return page, nil
}

// Approval returns one of the caller's approval requests.
func (s *Service) Approval(ctx context.Context, c Caller, id string) (ApprovalView, error) {
	a, err := s.approval(ctx, id)
	if err == nil && a.OwnerID != c.OwnerID {
		return ApprovalView{}, fail(ApprovalRequestNotFound, "there is no approval request %q", id)
	}
	return ApprovalView{a}, err
}

// ApproveInput is what an approval needs: a step-up its owner's TOTP code, a deposit its reference.
type ApproveInput struct {
	TOTPCode         string `json:"totp_code"`
	DepositReference string `json:"deposit_reference"`
}

// ApprovalGrant is an approved request with the token that redeems it.
type ApprovalGrant struct {
	ID             string       `json:"approval_request_id"`
	Status         store.Status `json:"status"`
	Token          string       `json:"approval_token"`
	TokenExpiresAt time.Time    `json:"approval_token_expires_at"`
}

// Approve says yes to a pending request.
func (s *Service) Approve(ctx context.Context, c Caller, id string, in ApproveInput) (ApprovalGrant, error) {
	if len(in.DepositReference) > 200 {
		return ApprovalGrant{}, fail(InvalidRequest, "deposit_reference is at most 200 bytes")
	}
	var approved store.Approval
	err := s.resolve(ctx, c, id, store.ApprovalApproved, func(tx store.Tx, a *store.Approval) error {
		if owes(*a, compiler.StepUpAuth) {
			if o := unreachable(*a); o != nil {
				return fail(InvalidStatus, "the policy asks for more assurance than a code from the authenticator gives: %s", o.Details)
			}
			owner, err := get[store.Owner](ctx, tx, c.OwnerID, "owner")
			if err != nil {
				return err
			}
			if owner.TOTP == nil || !owner.TOTP.Confirmed {
				return fail(TOTPRequired, "a step-up is approved with an authenticator code; switch TOTP on first")
			}
			if in.TOTPCode == "" {
				return fail(TOTPRequired, "a step-up is approved with a code from the authenticator")
			}
			if owner, err = s.useCode(owner, in.TOTPCode); err != nil {
				return err
			}
			if err := tx.Put(owner); err != nil {
				return err
			}
			a.AssuranceLevel = totpLevel
		}
		if owes(*a, compiler.Deposit) {
			if in.DepositReference == "" {
				return fail(DepositRequired, "a deposit is approved with its reference")
			}
			a.DepositReference = in.DepositReference
		}
		expires := s.Now().Add(s.adjusted.Load().TokenTTL)
		a.Status, a.TokenExpiresAt = store.Approved, &expires
		approved = *a
		return nil
	})
	if owes(approved, compiler.StepUpAuth) || CodeOf(err) == InvalidTOTP {
		s.countCode(c.OwnerID, err)
	}
	if err != nil {
		return ApprovalGrant{}, err
	}
	token, err := s.approvalToken(ctx, approved)
	return ApprovalGrant{approved.ID, approved.Status, token, *approved.TokenExpiresAt}, err
}

func owes(a store.Approval, obligation string) bool {
	return slices.ContainsFunc(a.Obligations, func(o store.Obligation) bool { return o.Type == obligation && o.Status == "PENDING" })
}

// totpLevel is the assurance that a code from the authenticator gives.
const totpLevel = "SUBSTANTIAL"

// unreachable is a step-up that a code from the authenticator does not settle; nil if there is none.
func unreachable(a store.Approval) *store.Obligation {
	for i, o := range a.Obligations {
		if o.Type == compiler.StepUpAuth && !rego.Satisfies(compiler.Obligation{Type: o.Type, Params: o.Details}, totpLevel) {
			return &a.Obligations[i]
		}
	}
	return nil
}

// DenyApproval says no to a pending request.
func (s *Service) DenyApproval(ctx context.Context, c Caller, id, reason string) (ApprovalView, error) {
	var denied store.Approval
	err := s.resolve(ctx, c, id, store.ApprovalDenied, func(_ store.Tx, a *store.Approval) error {
		a.Status, a.DenyReason = store.Denied, clip(reason, maxJustification)
		denied = *a
		return nil
	})
	return ApprovalView{denied}, err
}

// resolve moves one pending request of the caller on, logs it and tells the agent, in one transaction.
func (s *Service) resolve(ctx context.Context, c Caller, id string, t store.EventType, change func(store.Tx, *store.Approval) error) error {
	err := s.update(ctx, func(tx store.Tx) error {
		a, err := store.Get[store.Approval](ctx, tx, id)
		if errors.Is(err, store.ErrNotFound) || (err == nil && a.OwnerID != c.OwnerID) {
			return fail(ApprovalRequestNotFound, "there is no approval request %q", id)
		}
		if err != nil {
			return err
		}
		now := s.Now()
		switch {
		case a.Status != store.Pending:
			return fail(InvalidStatus, "the approval request is %s already", a.Status)
		case !a.ExpiresAt.After(now):
			return fail(RequestExpired, "the approval request expired at %s", a.ExpiresAt.Format(time.RFC3339))
		}
		a.ResolvedAt, a.ResolvedBy = &now, c.By()
		if err := change(tx, &a); err != nil {
			return err
		}
		data := map[string]any{"approval_request_id": a.ID, "decision_id": a.DecisionID, "by": c.By()}
		if a.DenyReason != "" {
			data["reason"] = a.DenyReason
		}
		tx.Append(s.agentEvent(t, store.Agent{OwnerID: a.OwnerID, AgentID: a.AgentID, PrincipalID: a.AgentPrincipalID}, data))
		if err := s.notify(ctx, tx, a.AgentPrincipalID, webhookEvent(t), data); err != nil {
			return err
		}
		return tx.Put(a)
	})
	if err == nil {
		s.resolved.publish(id)
	}
	return err
}
