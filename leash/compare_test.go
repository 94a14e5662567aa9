package leash_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// outcomes are the examples of a comparison, as "BEFORE AFTER ACTION".
func outcomes(c leash.Comparison) []string {
	var out []string
	for _, e := range c.Examples {
		out = append(out, string(e.Before)+" "+string(e.After)+" "+string(e.Action))
	}
	return out
}

// What an edit changes is seen before anybody has asked for it.
func TestCompareTriesExamples(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	if a := b.ask(action("a", `{"amount":120}`)); a.Result != store.RequireApproval {
		t.Fatal(a.Result)
	}
	edited := strings.Replace(strings.Replace(spending, "value: 100", "value: 200", 1), "value: 100", "value: 200", 1)
	got, err := w.Compare(t.Context(), w.owner, "pol_spending_limit", edited, "")
	must(t, err)
	if got.Replayed != 1 || len(got.Changes) != 1 || got.Changes[0].Before != store.RequireApproval || got.Changes[0].After != store.Allow {
		t.Errorf("replayed %d: %+v", got.Replayed, got.Changes)
	}
	want := []string{
		`REQUIRE_APPROVAL ALLOW {"action_type":"purchase","payload":{"amount":199}}`,
		`REQUIRE_APPROVAL ALLOW {"action_type":"purchase","payload":{"amount":100}}`,
	}
	slices.Sort(want)
	outcome := outcomes(got)
	slices.Sort(outcome)
	if !slices.Equal(outcome, want) || got.Tried < 6 {
		t.Errorf("tried %d, got\n%s", got.Tried, strings.Join(outcome, "\n"))
	}
	same, err := w.Compare(t.Context(), w.owner, "pol_spending_limit", spending, "")
	must(t, err)
	if len(same.Examples)+len(same.Changes) != 0 || same.Tried == 0 {
		t.Errorf("the same text: tried %d, %+v", same.Tried, same)
	}
	_, err = w.Compare(t.Context(), w.owner, "pol_spending_limit", spending, "agt_nobody")
	wantCode(t, err, leash.NotFound)
	_, err = w.Compare(t.Context(), w.owner, "pol_spending_limit", "rules: [{action: x, effect: alow}]", "")
	wantCode(t, err, leash.InvalidPolicy)
	_, err = w.Compare(t.Context(), w.owner, "pol_spending_limit", "owner: usr_other\n"+spending, "")
	wantCode(t, err, leash.InvalidPolicy)
}

// A draft is compared as its approval would bind it: for its agent, whatever it claims.
func TestCompareDraft(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	w.agent("other")
	draft, err := w.SubmitDraft(t.Context(), b.signedIn(), leash.DraftInput{
		PolicyYAML: "id: pol_spending_limit\napplies_to: {agents: [other]}\nrules: [{action: '*', effect: allow}]"})
	must(t, err)
	got, err := w.CompareDraft(t.Context(), w.owner, draft.ID)
	must(t, err)
	want := []string{`DENY ALLOW {"action_type":"something"}`, `DENY ALLOW {"action_type":"purchase","payload":{"amount":501}}`}
	for _, o := range want {
		if !slices.Contains(outcomes(got), o) {
			t.Errorf("no %s; there are\n%s", o, strings.Join(outcomes(got), "\n"))
		}
	}
	_, err = w.CompareDraft(t.Context(), leash.Caller{OwnerID: "usr_other"}, draft.ID)
	wantCode(t, err, leash.NotFound)
}
