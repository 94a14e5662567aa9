package leash

import (
	"context"
	"slices"
	"time"

	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// accounts returns the ledger accounts of one declared budget that this agent's actions go to: one,
// or one for each of its groups.
func accounts(a *Agent, b rego.LayerBudget) []store.Budget {
	subjects := []string{a.PrincipalID}
	switch store.Per(b.Per) {
	case store.PerOwner:
		subjects = []string{a.OwnerID}
	case store.PerGroup:
		subjects = a.Groups
	}
	out := make([]store.Budget, len(subjects))
	for i, subject := range subjects {
		out[i] = account(b, a.OwnerID, subject)
	}
	return out
}

// account is the ledger account of one subject of a declared budget.
func account(b rego.LayerBudget, ownerID, subject string) store.Budget {
	return store.Budget{
		Key: store.BudgetKey{
			OwnerID: ownerID, PolicyID: b.PolicyID, BudgetID: b.ID, Subject: subject,
			Measure: store.Measure(b.Measure), Currency: b.Currency,
		},
		Per: store.Per(b.Per), Limit: b.Limit, AlertAt: b.AlertAt,
		Window: store.Window{Calendar: b.Calendar, Zone: b.Zone, WeekStart: b.WeekStart, Sliding: b.Sliding},
	}
}

// readings tells the policies how their budgets stand before the action, if one of them asks.
func (s *Service) readings(ctx context.Context, a *Agent, now time.Time) ([]rego.BudgetReading, error) {
	if !a.layers.ReadBudgets() {
		return nil, nil
	}
	var all []store.Budget
	for _, b := range a.layers.Budgets() {
		all = append(all, accounts(a, b)...)
	}
	states, err := s.store.Budgets(ctx, all, now)
	if err != nil {
		return nil, unavailable(err)
	}
	return asReadings(states), nil
}

func asReadings(states []store.BudgetState) []rego.BudgetReading {
	out := make([]rego.BudgetReading, len(states))
	for i, st := range states {
		out[i] = rego.BudgetReading{PolicyID: st.PolicyID, ID: st.ID, Limit: st.Limit, Spent: st.Spent, Remaining: st.Remaining}
	}
	return out
}

// charge works out what an action that may pass takes from its budgets, and turns the decision into
// a refusal where it cannot be counted or does not fit. A decision that waits for its owner charges
// nothing yet, but shows what it would exceed.
func (s *Service) charge(ctx context.Context, a *Agent, decided rego.Decision, d *store.Decision, approval *store.Approval) ([]store.Charge, error) {
	if d.Result == store.Deny {
		return nil, nil
	}
	taken, refusal := a.layers.Charges(decided, d.ActionType)
	if refusal != nil {
		deny(d, *refusal)
		return nil, nil
	}
	var charges []store.Charge
	var budgets []store.Budget
	for _, c := range taken {
		for _, account := range accounts(a, c.LayerBudget) {
			charges = append(charges, store.Charge{Budget: account, Amount: c.Amount})
			budgets = append(budgets, account)
		}
	}
	if len(charges) == 0 {
		return nil, nil
	}
	states, err := s.store.Budgets(ctx, budgets, d.Time)
	if err != nil {
		return nil, unavailable(err)
	}
	var full []store.BudgetState
	for i, st := range states {
		if charges[i].Amount <= st.Limit-st.Spent {
			continue
		}
		if approval != nil && shown(approval.Overages, st) && a.layers.OnExceed(st.PolicyID, st.ID) == "require_approval" {
			charges[i].Overage = true
			continue
		}
		full = append(full, st)
	}
	if len(full) > 0 {
		refuse(d, a.layers, full, s.newID)
		return nil, nil
	}
	if d.Result != store.Allow {
		return nil, nil
	}
	return charges, nil
}

// shown says whether the owner saw, when approving, that this very limit would be exceeded.
func shown(overages []store.BudgetState, st store.BudgetState) bool {
	return slices.ContainsFunc(overages, func(o store.BudgetState) bool {
		return o.PolicyID == st.PolicyID && o.ID == st.ID && o.Subject == st.Subject && o.Limit == st.Limit
	})
}

// refuse turns a decision that full budgets stand against into REQUIRE_APPROVAL, if all of them ask
// for it, and into DENY otherwise.
func refuse(d *store.Decision, layers *rego.Layers, full []store.BudgetState, newID func(string) string) {
	d.Overages = full
	refusal := layers.Exceeded(asReadings(full))
	if refusal.Result != rego.RequireApproval {
		deny(d, refusal)
		return
	}
	d.Result, d.Reason = store.RequireApproval, refusal.Reason
	d.ProofID, d.ProofTTL = "", 0
	if !slices.ContainsFunc(d.Obligations, func(o store.Obligation) bool {
		return o.Type == "HUMAN_APPROVAL" && o.Status == "PENDING"
	}) {
		d.Obligations = append(d.Obligations, store.Obligation{
			ID: newID("obl"), Type: "HUMAN_APPROVAL", Status: "PENDING", Details: []byte(`{"cause":"budget"}`)})
	}
}

func deny(d *store.Decision, r rego.Refusal) {
	d.Result, d.PolicyID, d.RuleID, d.Reason = store.Deny, r.PolicyID, "", r.Reason
	d.ProofID, d.ProofTTL, d.Obligations = "", 0, nil
}
