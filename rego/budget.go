package rego

import (
	"fmt"
	"slices"

	"github.com/openleash/openleash-go/compiler"
)

// LayerCharge is what one action takes from a budget.
type LayerCharge struct {
	LayerBudget
	Amount int64 // minor units, or 1 where actions are counted
}

// Refusal is what budgets make of an action that the policies let pass.
type Refusal struct {
	Result   Result // Deny or RequireApproval
	PolicyID string // whose budget it is
	Reason   string
}

// Charges is what a decided action takes from the budgets that count it, in order. One that cannot
// count it refuses it. Whether it fits is for the ledger to say.
func (l *Layers) Charges(d Decision, actionType string) ([]LayerCharge, *Refusal) {
	var out []LayerCharge
	for _, b := range l.budgets {
		if !slices.ContainsFunc(b.Actions, func(p string) bool { return compiler.MatchesAction(p, actionType) }) {
			continue
		}
		amount, err := d.Charge(b.Budget)
		if err != nil {
			return nil, &Refusal{Deny, b.PolicyID, fmt.Sprintf("budget_uncountable: the budget %s cannot count this action: %v", b.ID, err)}
		}
		out = append(out, LayerCharge{b, amount})
	}
	return out, nil
}

// Exceeded is what budgets that are too full for an action make of it: approval, if all of them ask for
// it, and a denial otherwise. There is at least one.
func (l *Layers) Exceeded(full []BudgetReading) Refusal {
	reason := fmt.Sprintf("the budget %s has %d left of %d", full[0].ID, full[0].Remaining, full[0].Limit)
	for _, b := range full {
		if l.OnExceed(b.PolicyID, b.ID) != "require_approval" {
			return Refusal{Deny, b.PolicyID, "budget_exceeded: " + reason}
		}
	}
	return Refusal{RequireApproval, full[0].PolicyID, reason}
}

// OnExceed is what a budget does when it is full: deny or require_approval.
func (l *Layers) OnExceed(policyID, budgetID string) string {
	for _, b := range l.budgets {
		if b.PolicyID == policyID && b.ID == budgetID {
			return b.OnExceed
		}
	}
	return "deny"
}
