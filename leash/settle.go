package leash

import (
	"context"
	"errors"

	"github.com/openleash/openleash-go/compiler"
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
// amount, it changes nothing the second time. An agent lowers a charge only where its owner wrote so
// (settle_by); otherwise the error is SettlementNotAllowed, and the log records the attempt.
func (s *Service) Settle(ctx context.Context, a *Agent, decisionID, kind string, in SettleInput) (SettleAnswer, error) {
	var out SettleAnswer
	err := s.unchangedFor(ctx, a, func(a *Agent) (err error) {
		out, err = s.settle(ctx, kind, in, store.Settlement{DecisionID: decisionID, AgentPrincipalID: a.PrincipalID,
			Generation: a.generation, MayLower: s.mayLower(a.OwnerID, compiler.SettlerAgent),
			Entry: s.agentEvent(store.ChargeSettled, a.Agent, nil)})
		return err
	})
	if CodeOf(err) == SettlementNotAllowed {
		refused := s.agentEvent(store.SettlementRefused, a.Agent, map[string]any{"decision_id": decisionID, "kind": kind, "amount_minor": in.AmountMinor})
		if e := s.store.Append(ctx, refused); e != nil {
			return out, unavailable(e)
		}
	}
	return out, err
}

// SettleAsOwner is Settle for a decision of any of the caller's agents.
func (s *Service) SettleAsOwner(ctx context.Context, c Caller, decisionID, kind string, in SettleInput) (SettleAnswer, error) {
	var out SettleAnswer
	err := s.unchanged(ctx, func(g store.Generation) (err error) {
		out, err = s.settle(ctx, kind, in, store.Settlement{DecisionID: decisionID, OwnerID: c.OwnerID,
			Generation: g, MayLower: s.mayLower(c.OwnerID, compiler.SettlerOwner),
			Entry: s.event(store.ChargeSettled, c.OwnerID, nil)})
		return err
	})
	return out, err
}

func (s *Service) settle(ctx context.Context, kind string, in SettleInput, st store.Settlement) (SettleAnswer, error) {
	if st.Kind = kind; kind != store.Release {
		if in.AmountMinor == nil || *in.AmountMinor < 0 {
			return SettleAnswer{}, fail(InvalidRequest, "amount_minor must be a whole number of minor units, 0 or more")
		}
		st.Amount = *in.AmountMinor
	}
	recorded, err := s.store.Settle(ctx, st)
	switch {
	case errors.Is(err, store.ErrChanged):
		return SettleAnswer{}, err
	case errors.Is(err, store.ErrNotFound):
		return SettleAnswer{}, fail(NotFound, "there is no allowed decision %q here", st.DecisionID)
	case errors.Is(err, store.ErrNotAllowed):
		return SettleAnswer{}, fail(SettlementNotAllowed, "%v; settle_by of the budget says who may", err)
	case errors.Is(err, store.ErrSettled), errors.Is(err, store.ErrSettlement):
		return SettleAnswer{}, fail(CannotSettle, "%v", err)
	case err != nil:
		return SettleAnswer{}, unavailable(err)
	}
	return SettleAnswer{st.DecisionID, kind, recorded.Budgets}, nil
}

// Settleable is what became of the charge of a decision, and how its owner can settle it now.
type Settleable struct {
	Last  *store.Settled // the latest settlement; nil if there is none
	Net   []int64        // what each charge comes to
	Kinds []string       // of commit, release and refund, those that are possible
}

// Settleable says how the caller can settle a decision, which is the entry e. A commit may be possible only to more
// than was charged, where settle_by of a budget does not name the owner.
func (s *Service) Settleable(ctx context.Context, c Caller, e store.Entry) (Settleable, error) {
	if e.Decision == nil || e.OwnerID != c.OwnerID || e.Decision.Result != store.Allow || len(e.Charges) == 0 {
		return Settleable{}, nil
	}
	fate, err := s.store.Fate(ctx, e.Decision.ID)
	if errors.Is(err, store.ErrNotFound) {
		return Settleable{}, nil
	}
	if err != nil {
		return Settleable{}, unavailable(err)
	}
	out := Settleable{Last: fate.Last, Net: store.NetCharges(e.Charges, fate.Last)}
	money := int64(-1) // what one of the charges of money comes to; -1 if there is none
	for i, charge := range e.Charges {
		if charge.Budget.Key.Measure != store.MeasureCount {
			money = out.Net[i]
		}
	}
	try := map[string]int64{store.Release: 0}
	if money >= 0 {
		try[store.Commit] = money
	}
	if money > 0 {
		try[store.Refund] = 1
	}
	for _, kind := range []string{store.Commit, store.Refund, store.Release} {
		amount, tried := try[kind]
		st := store.Settlement{DecisionID: e.Decision.ID, Kind: kind, Amount: amount, MayLower: s.mayLower(c.OwnerID, compiler.SettlerOwner)}
		if !tried || kind != store.Refund && fate.Last != nil {
			continue
		}
		if _, _, done, err := store.SettleCharges(e.Decision, e.Charges, fate.Last, st); err == nil || done {
			out.Kinds = append(out.Kinds, kind)
		}
	}
	return out, nil
}

// mayLower says of which budgets of an owner somebody may lower a charge, by the policies that are active now. Of a
// budget that is gone, those may who may by default.
func (s *Service) mayLower(ownerID, settler string) func(store.BudgetKey) bool {
	return func(key store.BudgetKey) bool {
		may := true
		found := false
		for _, p := range s.policies.Engine(ownerID).Policies() {
			for _, b := range p.Budgets {
				if (p.ID == key.PolicyID || p.RenamedFrom == key.PolicyID) && (b.ID == key.BudgetID || b.RenamedFrom == key.BudgetID) {
					found = true
					may = may && b.MayLower(settler)
				}
			}
		}
		if !found {
			return compiler.Budget{}.MayLower(settler)
		}
		return may
	}
}
