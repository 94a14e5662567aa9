package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/openleash/openleash-go/store"
)

// clock is one that tests set.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func start() *clock { return &clock{time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)} }

func openStore(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Clock == nil {
		o.Clock = start().Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func decision(n int, at time.Time) store.Decision {
	return store.Decision{
		ID: fmt.Sprintf("dec_%d", n), Time: at, OwnerID: "usr_1", AgentID: "bot", AgentPrincipalID: "agt_1",
		ActionID: fmt.Sprintf("act-%d", n), ActionType: "purchase.order", ActionHash: fmt.Sprintf("hash-%d", n),
		Action: []byte(fmt.Sprintf(`{"action_id":"act-%d","action_type":"purchase.order","payload":{"amount_minor":%d,"currency":"USD","email":"a@example.com"}}`, n, n)),
		Result: store.Allow, PolicyID: "pol", RuleID: "rule_1", Nonce: fmt.Sprintf("nonce-%d", n),
	}
}

func budget(limit int64, w store.Window) store.Budget {
	return store.Budget{
		Key:   store.BudgetKey{OwnerID: "usr_1", PolicyID: "pol", BudgetID: "b", Subject: "agt_1", Measure: store.MeasureAmount, Currency: "USD"},
		Limit: limit, Window: w, Per: store.PerAgent,
	}
}

var daily = store.Window{Calendar: store.Day}

func TestRecordSurvivesReopening(t *testing.T) {
	dir, c, ctx := t.TempDir(), start(), context.Background()
	s := openStore(t, dir, Options{Clock: c.Now})
	b := budget(100, daily)
	r, err := s.Record(ctx, decision(1, c.now), []store.Charge{{Budget: b, Amount: 60}})
	if err != nil || r.Budgets[0].Remaining != 40 {
		t.Fatal(r, err)
	}
	var full *store.ExceededError
	if _, err := s.Record(ctx, decision(2, c.now), []store.Charge{{Budget: b, Amount: 41}}); !errors.As(err, &full) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{Clock: c.Now})
	if r, err = s.Record(ctx, decision(1, c.now), []store.Charge{{Budget: b, Amount: 60}}); err != nil || !r.Replayed || r.Budgets[0].Remaining != 40 {
		t.Fatal(r, err)
	}
	other := decision(1, c.now)
	other.ActionHash = "another"
	if _, err := s.Record(ctx, other, nil); !errors.Is(err, store.ErrActionIDReused) {
		t.Fatal(err)
	}
	page, err := s.Audit(ctx, store.AuditQuery{OwnerID: "usr_1"})
	if err != nil || len(page.Items) != 1 || page.Items[0].Decision.ID != "dec_1" {
		t.Fatal(page, err)
	}
	settle := store.Settlement{DecisionID: "dec_1", AgentPrincipalID: "agt_1", Kind: store.Commit, Amount: 10, MayLower: anyBudget}
	if r, err = s.Settle(ctx, settle); err != nil || r.Budgets[0].Spent != 10 {
		t.Fatal(r, err)
	}
	if r, err = s.Settle(ctx, settle); err != nil || !r.Replayed || r.Budgets[0].Spent != 10 {
		t.Fatal(r, err)
	}
}

// anyBudget is a settlement's MayLower that permits all.
func anyBudget(store.BudgetKey) bool { return true }

// Without permission a charge is raised and never lowered; a redemption then leaves it as it is.
func TestSettleMayNotLower(t *testing.T) {
	c, ctx := start(), t.Context()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now})
	charge := store.Charge{Budget: budget(1000, daily), Amount: 100}
	if _, err := s.Record(ctx, decision(1, c.now), []store.Charge{charge}); err != nil {
		t.Fatal(err)
	}
	settle := func(kind string, amount int64) (store.Recorded, error) {
		return s.Settle(ctx, store.Settlement{DecisionID: "dec_1", Kind: kind, Amount: amount})
	}
	for kind, amount := range map[string]int64{store.Commit: 99, store.Release: 0} {
		if _, err := settle(kind, amount); !errors.Is(err, store.ErrNotAllowed) {
			t.Errorf("%s %d: %v", kind, amount, err)
		}
	}
	if r, err := settle(store.Commit, 150); err != nil || r.Budgets[0].Spent != 150 {
		t.Fatalf("commit of more: %+v, %v", r.Budgets, err)
	}
	if _, err := settle(store.Refund, 1); !errors.Is(err, store.ErrNotAllowed) {
		t.Errorf("refund: %v", err)
	}
	r, err := settle(store.Redeem, 10)
	if err != nil || r.Budgets[0].Spent != 150 || r.RedeemedAt.IsZero() {
		t.Fatalf("redemption: %+v, %v", r, err)
	}
	if again, err := settle(store.Redeem, 10); !errors.Is(err, store.ErrRedeemed) || !again.RedeemedAt.Equal(r.RedeemedAt) {
		t.Errorf("a second redemption: %+v, %v", again, err)
	}
}

// A decision is settled at most maxSettlements times. To repeat the last one changes nothing, and it can be redeemed.
func TestSettlementsAreBounded(t *testing.T) {
	c, ctx := start(), t.Context()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now})
	if _, err := s.Record(ctx, decision(1, c.now), []store.Charge{{Budget: budget(1000, daily), Amount: 1000}}); err != nil {
		t.Fatal(err)
	}
	settle := func(kind string, amount int64) error {
		_, err := s.Settle(ctx, store.Settlement{DecisionID: "dec_1", Kind: kind, Amount: amount, MayLower: anyBudget})
		return err
	}
	if err := settle(store.Commit, 1000); err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n < maxSettlements; n++ {
		if err := settle(store.Refund, 1+n%2); err != nil {
			t.Fatalf("refund %d: %v", n, err)
		}
	}
	last := int64(1 + (maxSettlements-1)%2)
	if err := settle(store.Refund, last); err != nil {
		t.Errorf("the last one again: %v", err)
	}
	if err := settle(store.Refund, 3-last); !errors.Is(err, store.ErrSettlement) {
		t.Errorf("one too many: %v", err)
	}
	if err := settle(store.Redeem, 1000); err != nil {
		t.Errorf("a redemption: %v", err)
	}
}

// Refunds of a decision that charged only budgets of counts add up to at most what was committed.
func TestRefundOfCountsIsBounded(t *testing.T) {
	c, ctx := start(), t.Context()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now})
	b := budget(10, daily)
	b.Key.Measure, b.Key.Currency = store.MeasureCount, ""
	if _, err := s.Record(ctx, decision(1, c.now), []store.Charge{{Budget: b, Amount: 1}}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		kind   string
		amount int64
		want   error
	}{{store.Commit, 100, nil}, {store.Refund, 60, nil}, {store.Refund, 41, store.ErrSettlement}, {store.Refund, 40, nil}, {store.Refund, 1, store.ErrSettlement}} {
		_, err := s.Settle(ctx, store.Settlement{DecisionID: "dec_1", Kind: step.kind, Amount: step.amount, MayLower: anyBudget})
		if !errors.Is(err, step.want) || step.want == nil && err != nil {
			t.Errorf("%s %d: %v, want %v", step.kind, step.amount, err, step.want)
		}
	}
}
