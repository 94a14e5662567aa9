package gui

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/openleash/openleash-go/leash"
)

// budgetView is a budget as a bar.
type budgetView struct {
	leash.BudgetView
	Policy  string
	Percent float64 // of the limit, at most 100
	Class   string
	// Next is how far an action that waits would take it, in percent; 0 if none does.
	Next float64
}

// budgetBar turns a budget into a picture.
func budgetBar(b leash.BudgetView, policy string) budgetView {
	out := budgetView{BudgetView: b, Policy: policy}
	out.Percent = percent(b.Spent, b.Limit)
	switch {
	case b.Spent >= b.Limit:
		out.Class = "full"
	case out.Percent >= 80:
		out.Class = "high"
	}
	return out
}

func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 100
	}
	return min(100, 100*float64(part)/float64(whole))
}

// budgets are the owner's budgets that one agent's actions go to, or all of them; the fullest first.
func (v *visit) budgets(agentPrincipalID string) ([]budgetView, error) {
	all, err := v.svc.Budgets(v.ctx(), v.caller, agentPrincipalID)
	return v.budgetBars(all), err
}

// fullestShown is how many budgets a page of them shows.
const fullestShown = 20

// fullestBudgets shows the budgets nearest to their limits: some on the first page, more on their own.
func fullestBudgets(v *visit) error {
	n := fullestShown
	if v.fragment() {
		n = homeBudgets
	}
	fullest, err := v.svc.FullestBudgets(v.ctx(), v.caller, n)
	if err != nil {
		return err
	}
	if v.fragment() {
		return v.part("budgets", "fullest", v.budgetBars(fullest))
	}
	return v.render(http.StatusOK, "budgets", "Budgets", v.budgetBars(fullest))
}

// budgetBars turns budgets into pictures, the fullest first.
func (v *visit) budgetBars(all []leash.BudgetView) []budgetView {
	names := v.policyNames()
	var out []budgetView
	for _, b := range all {
		out = append(out, budgetBar(b, cmp.Or(names[b.PolicyID], b.PolicyID)))
	}
	slices.SortStableFunc(out, func(a, b budgetView) int { return cmp.Compare(b.Percent, a.Percent) })
	return out
}

// policyNames are the names of the owner's policies by id.
func (v *visit) policyNames() map[string]string {
	names := map[string]string{}
	for _, p := range v.svc.Engine(v.caller).Policies() {
		names[p.ID] = cmp.Or(p.Name, p.ID)
	}
	return names
}
