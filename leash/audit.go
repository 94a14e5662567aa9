package leash

import (
	"context"
	"errors"

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
	if q.OwnerID == "" && !c.Admin {
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

// BudgetView is how one budget stands for one subject.
type BudgetView struct {
	store.BudgetState
	// AgentID names the agent that a per-agent budget stands for.
	AgentID string `json:"agent_id,omitempty"`
}

// Budgets says how the budgets of the caller's active agents stand now: one line for each budget and
// subject.
func (s *Service) Budgets(ctx context.Context, c Caller) ([]BudgetView, error) {
	agents, err := store.Find[store.Agent](ctx, s.store, store.ByOwner(c.OwnerID), store.ByStatus(store.Active))
	if err != nil {
		return nil, unavailable(err)
	}
	var budgets []store.Budget
	names := map[string]string{}
	seen := map[store.BudgetKey]bool{}
	for _, rec := range agents {
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
	case errors.Is(err, store.ErrCannotSettle):
		return SettleAnswer{}, fail(CannotSettle, "%v", err)
	case err != nil:
		return SettleAnswer{}, unavailable(err)
	}
	return SettleAnswer{decisionID, kind, recorded.Budgets}, nil
}
