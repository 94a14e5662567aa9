package leash

import (
	"context"
	"errors"

	"github.com/openleash/openleash-go/store"
)

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
