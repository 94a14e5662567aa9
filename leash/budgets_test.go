package leash_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// Of many budgets the fullest are found, the same as in the list of all.
func TestFullestBudgets(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(1000, "deny"))
	var bots []*bot
	for i, minor := range []int{300, 900, 0, 600, 100} {
		b := w.agent(fmt.Sprint("bot-", i))
		bots = append(bots, b)
		if minor > 0 {
			if a := b.ask(usd("a", minor)); a.Result != store.Allow {
				t.Fatal(a.Result)
			}
		}
	}
	fullest := func(n int) []string {
		t.Helper()
		all, err := w.Budgets(t.Context(), w.owner, "")
		must(t, err)
		got, err := w.FullestBudgets(t.Context(), w.owner, n)
		must(t, err)
		var names []string
		for _, b := range got {
			names = append(names, fmt.Sprint(b.AgentID, " ", b.Spent))
			if !slices.ContainsFunc(all, func(o leash.BudgetView) bool {
				return o.Subject == b.Subject && o.Spent == b.Spent && o.Limit == b.Limit
			}) {
				t.Errorf("%+v is not in the list of all", b)
			}
		}
		return names
	}
	if got, want := fullest(3), []string{"bot-1 900", "bot-3 600", "bot-0 300"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := fullest(9), []string{"bot-1 900", "bot-3 600", "bot-0 300", "bot-4 100"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Who can spend no more is not shown.
	_, err := w.SetAgentStatus(t.Context(), w.owner, bots[1].id, store.Revoked)
	must(t, err)
	if got, want := fullest(2), []string{"bot-3 600", "bot-0 300"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	w.policy("id: pol_budget\nrules: [{action: x, effect: allow}]")
	if got := fullest(2); len(got) != 0 {
		t.Errorf("without a budget: %q", got)
	}
}
