package rego

import (
	"fmt"
	"slices"
	"strings"

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

// Charges is what a decided action takes from the budgets of the layers, in order. Of the budgets of one
// policy that match the action, it charges those that count actions and those of its own currency; if there
// are only budgets of other currencies, or one cannot read the amount, the action is refused. Whether it fits
// is for the ledger to say.
func (l *Layers) Charges(d Decision, actionType string) ([]LayerCharge, *Refusal) {
	var out []LayerCharge
	matching := slices.DeleteFunc(slices.Clone(l.budgets), func(b LayerBudget) bool { return !b.counts(actionType) })
	if i := slices.IndexFunc(matching, func(b LayerBudget) bool { return b.Per == "group" && l.groupless }); i >= 0 {
		b := matching[i]
		return nil, &Refusal{Deny, b.PolicyID, "budget_uncountable: the budget " + b.ID + " counts groups, and this agent is in none"}
	}
	for len(matching) > 0 {
		n := slices.IndexFunc(matching, func(b LayerBudget) bool { return b.PolicyID != matching[0].PolicyID })
		if n < 0 {
			n = len(matching)
		}
		charges, err := d.charges(matching[:n])
		if err != nil {
			return nil, &Refusal{Deny, matching[0].PolicyID, "budget_uncountable: " + err.Error()}
		}
		out = append(out, charges...)
		matching = matching[n:]
	}
	return out, nil
}

// counts says whether the budget counts actions of a type.
func (b LayerBudget) counts(actionType string) bool {
	return slices.ContainsFunc(b.Actions, func(p string) bool { return compiler.MatchesAction(p, actionType) })
}

// Exceeded is what budgets that are too full for an action make of it: approval, if all of them ask for
// it, and a denial otherwise. There is at least one.
func (l *Layers) Exceeded(full []BudgetReading) Refusal {
	first := l.budget(full[0])
	left, _, _ := strings.Cut(first.Measured(full[0].Remaining), " ") // the unit follows the limit
	reason := fmt.Sprintf("the budget %s has %s left of %s", full[0].ID, left, first.Measured(full[0].Limit))
	for _, b := range full {
		if l.budget(b).OnExceed != "require_approval" {
			return Refusal{Deny, b.PolicyID, "budget_exceeded: " + reason}
		}
	}
	return Refusal{RequireApproval, full[0].PolicyID, reason}
}

// budget is the budget that was read; one that denies if no layer has it any more.
func (l *Layers) budget(r BudgetReading) LayerBudget {
	for _, b := range l.budgets {
		if b.PolicyID == r.PolicyID && b.ID == r.ID {
			return b
		}
	}
	return LayerBudget{PolicyID: r.PolicyID, Budget: compiler.Budget{ID: r.ID, OnExceed: "deny"}}
}

// OnExceed is what a budget does when it is full: deny or require_approval.
func (l *Layers) OnExceed(policyID, budgetID string) string {
	return l.budget(BudgetReading{PolicyID: policyID, ID: budgetID}).OnExceed
}
