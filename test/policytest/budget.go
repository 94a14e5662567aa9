package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// account is one budget of the ledger that a test runs on.
type account struct {
	rego.LayerBudget
	spent int64
}

// open makes the ledger: the budgets of all layers, as the test seeds them. A budget per group does not
// count for an agent without groups; the groups of one agent are seeded alike, so one account serves.
func (t *trial) open(subject rego.Subject) compiler.Diagnostics {
	var ids []string
	for _, b := range t.layers.Budgets() {
		ids = append(ids, b.ID)
		if b.Per == "group" && len(subject.Groups) == 0 {
			continue
		}
		a := account{LayerBudget: b}
		for _, seed := range t.test.Budgets {
			if seed.ID == b.ID && seed.Spent != nil {
				a.spent = *seed.Spent
			}
		}
		t.ledger = append(t.ledger, a)
	}
	var ds compiler.Diagnostics
	for _, b := range slices.Concat(t.test.Budgets, t.test.Expect.Budgets) {
		if !slices.Contains(ids, b.ID) {
			ds = append(ds, compiler.Diagnostic{Code: "unknown_budget", Pos: b.Pos,
				Message: fmt.Sprintf("no policy that applies has a budget %q; they have %s", b.ID, orNone(strings.Join(ids, ", ")))})
		}
	}
	return ds
}

func (a account) reading() rego.BudgetReading {
	return rego.BudgetReading{PolicyID: a.PolicyID, ID: a.ID, Limit: a.Limit, Spent: a.spent, Remaining: a.Limit - a.spent}
}

// readings are how the budgets stand.
func (t *trial) readings() []rego.BudgetReading {
	var out []rego.BudgetReading
	for _, a := range t.ledger {
		out = append(out, a.reading())
	}
	return out
}

// charge takes what the action takes from all budgets, or refuses it. A decision that waits for its
// owner charges nothing, but is refused if it would not fit.
func (t *trial) charge(d rego.Decision) rego.Decision {
	charges, refusal := t.layers.Charges(d, t.action.ActionType)
	if refusal != nil {
		return refused(d, *refusal)
	}
	var full []rego.BudgetReading
	after := slices.Clone(t.ledger)
	for _, c := range charges {
		for i, a := range t.ledger {
			if a.PolicyID != c.PolicyID || a.ID != c.ID {
				continue
			}
			if c.Amount > a.Limit-a.spent {
				full = append(full, a.reading())
			}
			after[i].spent += c.Amount
		}
	}
	switch {
	case len(full) > 0:
		return refused(d, t.layers.Exceeded(full))
	case d.Result == rego.Allow:
		t.ledger = after
	}
	return d
}

// refused is a decision after budgets turned it down.
func refused(d rego.Decision, r rego.Refusal) rego.Decision {
	d.Result, d.Reason, d.Proof = r.Result, r.Reason, compiler.ProofSpec{}
	if r.Result == rego.Deny {
		d.PolicyID, d.RuleID, d.Obligations = r.PolicyID, "", nil
		return d
	}
	if rego.ResultOf(d.Obligations) != rego.RequireApproval {
		d.Obligations = append(slices.Clone(d.Obligations), compiler.Obligation{Type: compiler.HumanApproval})
	}
	return d
}
