package leash

import (
	"context"
	"errors"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// AuditPage is a page of the log, newest first.
type AuditPage struct {
	Items      []store.Entry `json:"items"`
	NextCursor string        `json:"next_cursor,omitempty"`
}

// Audit reads the caller's part of the log, newest first. The admin without an owner reads all of it.
func (s *Service) Audit(ctx context.Context, c Caller, q store.AuditQuery) (AuditPage, error) {
	q.OwnerID = c.OwnerID
	if q.OwnerID == "" && !c.everybodys() {
		return AuditPage{}, fail(Forbidden, "the log of all owners is for the admin")
	}
	q.Limit = pageLimit(q.Limit)
	page, err := s.store.Audit(ctx, q)
	if err != nil {
		return AuditPage{}, unavailable(err)
	}
	out := AuditPage{Items: page.Items, NextCursor: page.NextCursor}
	if out.Items == nil {
		out.Items = []store.Entry{}
	}
	return out, nil
}

// Decision returns one decision of the caller's agents as the log has it.
func (s *Service) Decision(ctx context.Context, c Caller, id string) (store.Entry, error) {
	e, err := s.store.Decision(ctx, id)
	if errors.Is(err, store.ErrNotFound) || (err == nil && e.OwnerID != c.OwnerID) {
		return store.Entry{}, fail(NotFound, "there is no decision %q", id)
	}
	if err != nil {
		return store.Entry{}, unavailable(err)
	}
	return e, nil
}

// Count adds up the decisions of the caller's agents, of one or of all, by the hour and the result.
func (s *Service) Count(ctx context.Context, c Caller, agentPrincipalID string, since time.Time) (map[time.Time]store.Counts, error) {
	counts, err := s.store.Count(ctx, c.OwnerID, agentPrincipalID, since)
	if err != nil {
		return nil, unavailable(err)
	}
	return counts, nil
}

// Entry returns one entry of the caller's part of the log, by its id or by that of its decision.
func (s *Service) Entry(ctx context.Context, c Caller, id string) (store.Entry, error) {
	e, err := s.store.Entry(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && e.OwnerID != c.OwnerID && !c.everybodys() {
		return store.Entry{}, fail(NotFound, "there is no entry %q in your log", id)
	}
	if err != nil {
		return store.Entry{}, unavailable(err)
	}
	return e, nil
}

// Redact takes values out of the payload of one log entry, for ever; commitments to them stay, so the
// chain stays whole. id is that of the entry or of its decision; paths are such as $.payload.email. It
// returns the paths that were taken out.
func (s *Service) Redact(ctx context.Context, c Caller, id string, paths []string) ([]string, error) {
	if !c.Admin {
		return nil, fail(Forbidden, "only the admin redacts the log")
	}
	if len(paths) == 0 {
		return nil, fail(InvalidRequest, "name the paths to take out, such as $.payload.email")
	}
	removed, err := s.store.Redact(ctx, id, paths, c.By())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, fail(NotFound, "there is no log entry %q", id)
	case err != nil:
		return nil, unavailable(err)
	}
	return removed, nil
}

// DecisionProof returns the claims of the proof that a recorded decision of the caller's agents came
// with, but for the kid of the key that was active then; nil if it came with none.
func (s *Service) DecisionProof(ctx context.Context, c Caller, decisionID string) (*proof.Claims, error) {
	e, err := s.Decision(ctx, c, decisionID)
	if err != nil {
		return nil, err
	}
	if e.Decision.Result != store.Allow || e.Decision.ProofID == "" {
		return nil, nil
	}
	owner, err := get[store.Owner](ctx, s.store, e.OwnerID, "owner")
	if err != nil {
		return nil, err
	}
	action, err := proof.ParseAction(e.Action)
	if err != nil {
		return nil, fail(NotFound, "the action of %q was redacted, and with it the claims", decisionID)
	}
	d := *e.Decision
	d.Time, d.OwnerID, d.AgentID = e.Time, e.OwnerID, e.AgentID
	claims := proofClaims(d, owner.Type, action)
	claims.Issuer, claims.Purpose = proof.Issuer, proof.PurposeProof
	return &claims, nil
}

// BudgetView is how one budget stands for one subject.
type BudgetView struct {
	store.BudgetState
	// AgentID names the agent that a per-agent budget stands for.
	AgentID string `json:"agent_id,omitempty"`
}

// Budgets says how the budgets of the caller's active agents stand now: one line for each budget and
// subject. An agentPrincipalID restricts it to those that one agent's actions go to.
func (s *Service) Budgets(ctx context.Context, c Caller, agentPrincipalID string) ([]BudgetView, error) {
	terms := []string{store.ByOwner(c.OwnerID), store.ByStatus(store.Active)}
	agents, err := store.Find[store.Agent](ctx, s.store, terms...)
	if err != nil {
		return nil, unavailable(err)
	}
	var budgets []store.Budget
	names := map[string]string{}
	seen := map[store.BudgetKey]bool{}
	for _, rec := range agents {
		if agentPrincipalID != "" && rec.PrincipalID != agentPrincipalID {
			continue
		}
		a, err := s.agent(ctx, rec.AgentID)
		if err != nil {
			return nil, err
		}
		names[a.PrincipalID] = a.AgentID
		for _, b := range a.layers.Budgets() {
			for _, account := range accounts(a, b) {
				if !seen[account.Key] {
					seen[account.Key] = true
					budgets = append(budgets, account)
				}
			}
		}
	}
	states, err := s.store.Budgets(ctx, budgets, s.Now())
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]BudgetView, len(states))
	for i, st := range states {
		out[i] = BudgetView{st, names[st.Subject]}
	}
	return out, nil
}

// SettleInput settles the charge of an ALLOW.
type SettleInput struct {
	AmountMinor *int64 `json:"amount_minor"`
}

// SettleAnswer is what the budgets are after a settlement.
type SettleAnswer struct {
	DecisionID string              `json:"decision_id"`
	Kind       string              `json:"settled"` // commit, release or refund
	Budgets    []store.BudgetState `json:"budgets"`
}

// Settle changes what one of the agent's own ALLOWs charged: commit replaces the charge by the actual
// amount, release drops it, refund takes an amount off what was committed. Asked twice with the same
// amount, it changes nothing the second time.
func (s *Service) Settle(ctx context.Context, a *Agent, decisionID, kind string, in SettleInput) (SettleAnswer, error) {
	var amount int64
	if kind != "release" {
		if in.AmountMinor == nil || *in.AmountMinor < 0 {
			return SettleAnswer{}, fail(InvalidRequest, "amount_minor must be a whole number of minor units, 0 or more")
		}
		amount = *in.AmountMinor
	}
	entry := s.agentEvent(store.ChargeSettled, a.Agent, map[string]any{"decision_id": decisionID, "kind": kind, "amount_minor": amount})
	recorded, err := s.store.Settle(ctx, store.Settlement{DecisionID: decisionID, AgentPrincipalID: a.PrincipalID,
		Kind: kind, Amount: amount, Entry: entry})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return SettleAnswer{}, fail(NotFound, "there is no allowed decision %q of this agent", decisionID)
	case errors.Is(err, store.ErrSettled), errors.Is(err, store.ErrSettlement):
		return SettleAnswer{}, fail(CannotSettle, "%v", err)
	case err != nil:
		return SettleAnswer{}, unavailable(err)
	}
	return SettleAnswer{decisionID, kind, recorded.Budgets}, nil
}
