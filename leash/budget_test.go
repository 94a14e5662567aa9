package leash_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

func budgeted(limit int, onExceed string) string {
	return fmt.Sprintf(`
id: pol_budget
rules: [{action: "purchase.*", effect: allow}]
budgets:
  - {id: daily, limit: %d, currency: USD, window: day, on_exceed: %s}
`, limit, onExceed)
}

func usd(id string, minor int) string {
	return action(id, fmt.Sprintf(`{"amount_minor":%d,"currency":"USD"}`, minor))
}

func TestBudgetHolds(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(1000, "deny"))
	b := w.agent("shopper")
	if a := b.ask(usd("a", 600)); a.Result != store.Allow || a.Budgets[0].Remaining != 400 {
		t.Fatalf("got %s %+v", a.Result, a.Budgets)
	}
	if a := b.ask(usd("b", 401)); a.Result != store.Deny || a.ProofToken != nil {
		t.Fatalf("over the limit: %s", a.Result)
	}
	if a := b.ask(usd("c", 400)); a.Result != store.Allow {
		t.Fatalf("up to the limit: %s", a.Result)
	}
	for name, payload := range map[string]string{
		"no amount": `{"currency":"USD"}`, "a string": `{"amount_minor":"1","currency":"USD"}`, "negative": `{"amount_minor":-1,"currency":"USD"}`,
		"a fraction": `{"amount_minor":0.5,"currency":"USD"}`, "another currency": `{"amount_minor":1,"currency":"EUR"}`, "no currency": `{"amount_minor":1}`,
	} {
		if a := b.ask(action(strings.ReplaceAll(name, " ", "-"), payload)); a.Result != store.Deny {
			t.Errorf("%s: %s", name, a.Result)
		}
	}
}

// An action charges the budgets of its own currency, and is denied where none counts its currency.
func TestBudgetsOfSeveralCurrencies(t *testing.T) {
	w := newWorld(t)
	w.policy(`
id: two
rules: [{action: "*", effect: allow}]
budgets:
  - {id: eur_day, limit: 1000, currency: EUR, window: day}
  - {id: usd_day, limit: 2000, currency: USD, window: day}
  - {id: asks, limit: 100, measure: count, window: day}
`)
	b := w.agent("shopper")
	for i, c := range []struct{ payload, charged, reason string }{
		{`{"amount_minor":400,"currency":"EUR"}`, "eur_day 600, asks 99", ""},
		{`{"amount_minor":400,"currency":"USD"}`, "usd_day 1600, asks 98", ""},
		{`{"amount_minor":600,"currency":"EUR"}`, "eur_day 0, asks 97", ""},
		{`{"amount_minor":1,"currency":"EUR"}`, "", "budget_exceeded: the budget eur_day has 0.00 left of 10.00 EUR"},
		{`{"amount_minor":1600,"currency":"USD"}`, "usd_day 0, asks 96", ""},
		{`{"amount_minor":1,"currency":"GBP"}`, "", `budget_uncountable: the budgets of policy two count EUR and USD, and $.payload.currency is "GBP"`},
		{`{"amount_minor":1,"currency":"eur"}`, "", "budget_uncountable"},
		{`{"amount_minor":1,"currency":["EUR"]}`, "", "budget_uncountable"},
		{`{"amount_minor":1}`, "", "$.payload.currency is missing"},
		{`{"currency":"EUR"}`, "", "the budget eur_day cannot count this action: $.payload.amount_minor is missing"},
		{`{"amount_minor":"1","currency":"EUR"}`, "", "budget_uncountable"},
		{`{}`, "", "budget_uncountable"},
	} {
		a := b.ask(action(fmt.Sprint("a", i), c.payload))
		var charged []string
		for _, st := range a.Budgets {
			charged = append(charged, fmt.Sprint(st.ID, " ", st.Remaining))
		}
		switch {
		case c.reason == "" && (a.Result != store.Allow || strings.Join(charged, ", ") != c.charged):
			t.Errorf("%s: %s %s, %v, want ALLOW and %s", c.payload, a.Result, a.Reason, charged, c.charged)
		case c.reason != "" && (a.Result != store.Deny || !strings.Contains(a.Reason, c.reason)):
			t.Errorf("%s: %s %s, want DENY and %s", c.payload, a.Result, a.Reason, c.reason)
		}
	}
}

func TestSameActionIsChargedOnce(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(1000, "deny"))
	b := w.agent("shopper")
	first := b.ask(usd("a", 600))
	again := b.ask(usd("a", 600))
	if again.DecisionID != first.DecisionID || again.Result != store.Allow || *again.ProofToken != *first.ProofToken {
		t.Fatalf("asked again: %+v", again)
	}
	w.restart()
	if again = b.ask(usd("a", 600)); again.DecisionID != first.DecisionID {
		t.Fatalf("asked again after a restart: %+v", again)
	}
	if got := b.askErr(usd("a", 601)); got != leash.ActionIDReused {
		t.Fatalf("another action under the same id: %s", got)
	}
	if a := b.ask(usd("b", 400)); a.Result != store.Allow {
		t.Fatalf("what is left: %s", a.Result)
	}
}

func TestLastSlotIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(100, "deny"))
	b := w.agent("shopper")
	var allowed atomic.Int32
	var wg sync.WaitGroup
	for i := range 64 {
		a := b.signedIn()
		wg.Go(func() {
			answer, err := w.Authorize(t.Context(), a, []byte(usd(fmt.Sprint("a", i), 100)))
			if err != nil {
				t.Error(err)
			} else if answer.Result == store.Allow {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 1 {
		t.Fatalf("the last slot was taken %d times", allowed.Load())
	}
}

func TestApprovedOverage(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(100, "require_approval"))
	b := w.agent("shopper")
	act := usd("a", 150)
	req := b.requested(act)
	seen, err := w.Approval(t.Context(), w.owner, req.ID)
	must(t, err)
	if len(seen.Overages) != 1 || seen.Overages[0].Limit != 100 {
		t.Fatalf("the owner is shown %+v", seen.Overages)
	}
	grant, err := w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{})
	must(t, err)

	// The owner saw a limit of 100. At another limit the approval does not cover the overage.
	w.policy(budgeted(50, "require_approval"))
	if a := b.ask(withToken(usd("a", 150), grant.Token)); a.Result != store.RequireApproval {
		t.Fatalf("at another limit: %s", a.Result)
	}
	w.policy(budgeted(100, "require_approval"))
	a := b.ask(withToken(act, grant.Token))
	if a.Result != store.Allow || a.Budgets[0].Spent != 150 || a.Budgets[0].Remaining != 0 {
		t.Fatalf("redeemed: %s %+v", a.Result, a.Budgets)
	}
	if a := b.ask(usd("b", 1)); a.Result != store.RequireApproval {
		t.Fatalf("after the overage: %s", a.Result)
	}
}

// The owner lowers a charge, the agent only raises it.
func TestSettle(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(1000, "deny"))
	b := w.agent("shopper")
	d := b.ask(usd("a", 600))
	for kind, in := range map[string]leash.SettleInput{"commit": {AmountMinor: new(int64(599))}, "release": {}} {
		_, err := w.Settle(t.Context(), b.signedIn(), d.DecisionID, kind, in)
		wantCode(t, err, leash.SettlementNotAllowed)
	}
	if page, err := w.Audit(t.Context(), w.owner, store.AuditQuery{Types: []store.EventType{store.SettlementRefused}}); err != nil || len(page.Items) != 2 {
		t.Errorf("the log has %d refused settlements, %v", len(page.Items), err)
	}
	_, err := w.SettleAsOwner(t.Context(), leash.Caller{OwnerID: "usr_another"}, d.DecisionID, "release", leash.SettleInput{})
	wantCode(t, err, leash.NotFound)
	for range 2 {
		out, err := w.SettleAsOwner(t.Context(), w.owner, d.DecisionID, "commit", leash.SettleInput{AmountMinor: new(int64(200))})
		must(t, err)
		if out.Budgets[0].Spent != 200 {
			t.Fatalf("committed: %+v", out.Budgets)
		}
	}
	other := w.agent("other")
	_, err = w.Settle(t.Context(), other.signedIn(), d.DecisionID, "release", leash.SettleInput{})
	wantCode(t, err, leash.NotFound)
	if a := b.ask(usd("b", 800)); a.Result != store.Allow {
		t.Fatalf("what is left: %s", a.Result)
	}
}
