package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/store"
)

// model is a ledger so simple that it is plainly right: the list of all that was charged.
type model struct {
	left   map[string]int64 // of what was committed, by decision
	spends []spend
}

type spend struct {
	decision string
	key      store.BudgetKey
	at       time.Time
	amount   int64 // as it now stands
	state    string
}

// sum adds up what counts in the window of now.
func (m *model) sum(b store.Budget, now time.Time) (sum int64) {
	for _, s := range m.spends {
		if s.key != b.Key {
			continue
		}
		if w := b.Window; w.Sliding != 0 {
			if s.at.After(now.Add(-w.Sliding)) {
				sum += s.amount
			}
			continue
		}
		start, end, err := b.Window.Bounds(now)
		if err != nil {
			panic(err)
		}
		if !s.at.Before(start) && s.at.Before(end) {
			sum += s.amount
		}
	}
	return sum
}

// Security promise 25: charges, settlements, edits of limits, clock steps both ways, restarts and
// crashes in any order; the store is never over a limit, and loses and doubles nothing.
func TestLedgerAgainstModel(t *testing.T) {
	windows := []store.Window{
		{Calendar: store.Day, Zone: "Europe/Amsterdam"}, {Calendar: store.Week, WeekStart: time.Monday},
		{Calendar: store.Month, Zone: "America/New_York"}, {Calendar: store.Year}, {Calendar: store.Lifetime},
		{Sliding: 90 * time.Minute}, {Sliding: 24 * time.Hour},
	}
	base := t.TempDir()
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		dir := fmt.Sprintf("%s/%d", base, round)
		c, m, ctx := start(), &model{}, context.Background()
		var s *Store
		open := func() {
			var err error
			if s, err = Open(ctx, dir, Options{Clock: c.Now, Log: slog.New(slog.DiscardHandler), disk: noSync{osDisk{}}, SegmentSize: 8 << 10}); err != nil {
				t.Fatal(err)
			}
		}
		open()
		defer func() { s.Close() }()
		budgets := make([]store.Budget, rapid.IntRange(1, 3).Draw(t, "budgets"))
		for i := range budgets {
			budgets[i] = budget(rapid.Int64Range(0, 300).Draw(t, "limit"), rapid.SampledFrom(windows).Draw(t, "window"))
			budgets[i].Key.BudgetID = fmt.Sprint(i)
			if rapid.IntRange(0, 3).Draw(t, "counts") == 0 {
				budgets[i].Key.Measure = store.MeasureCount
			}
			budgets[i].AlertAt = []int{50, 100}
		}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"charge": func(t *rapid.T) {
				n++
				amount := rapid.Int64Range(0, 120).Draw(t, "amount")
				overage := rapid.IntRange(0, 9).Draw(t, "overage") == 0
				fits := true
				var charges []store.Charge
				for _, b := range budgets {
					a := amount
					if b.Key.Measure == store.MeasureCount {
						a = 1
					}
					charges = append(charges, store.Charge{Budget: b, Amount: a, Overage: overage})
					fits = fits && (overage || a == 0 || m.sum(b, c.now)+a <= b.Limit)
				}
				r, err := s.Record(ctx, decision(n, c.now), charges)
				var full *store.ExceededError
				if fits != (err == nil) || err != nil && !errors.As(err, &full) {
					t.Fatalf("fits: %v, got %v", fits, err)
				}
				if err != nil {
					return
				}
				for i, ch := range charges {
					m.spends = append(m.spends, spend{fmt.Sprintf("dec_%d", n), ch.Budget.Key, c.now, ch.Amount, ""})
					if want := m.sum(ch.Budget, c.now); r.Budgets[i].Spent != want {
						t.Fatalf("spent %d, want %d", r.Budgets[i].Spent, want)
					}
				}
			},
			"again": func(t *rapid.T) {
				if len(m.spends) == 0 {
					t.Skip()
				}
				sp := rapid.SampledFrom(m.spends).Draw(t, "decision")
				var k int
				fmt.Sscanf(sp.decision, "dec_%d", &k)
				if r, err := s.Record(ctx, decision(k, c.now), nil); err != nil || !r.Replayed || r.Decision.ID != sp.decision {
					t.Fatal(r, err)
				}
			},
			"settle": func(t *rapid.T) {
				if len(m.spends) == 0 {
					t.Skip()
				}
				id := rapid.SampledFrom(m.spends).Draw(t, "decision").decision
				kind := rapid.SampledFrom([]string{store.Commit, store.Release, store.Refund}).Draw(t, "kind")
				amount := rapid.Int64Range(0, 150).Draw(t, "amount")
				_, err := s.Settle(ctx, store.Settlement{DecisionID: id, AgentPrincipalID: "agt_1", Kind: kind, Amount: amount, MayLower: anyBudget})
				m.settle(t, id, kind, amount, err)
			},
			"edit": func(t *rapid.T) {
				i := rapid.IntRange(0, len(budgets)-1).Draw(t, "budget")
				budgets[i].Limit = rapid.Int64Range(0, 300).Draw(t, "limit")
			},
			"rename": func(t *rapid.T) {
				n++
				b := &budgets[rapid.IntRange(0, len(budgets)-1).Draw(t, "budget")]
				from := b.Key
				b.Key.BudgetID = fmt.Sprintf("renamed_%d", n)
				rename(t, s, from, b.Key)
				for i := range m.spends {
					if m.spends[i].key == from {
						m.spends[i].key = b.Key
					}
				}
			},
			"clock": func(t *rapid.T) {
				c.now = c.now.Add(time.Duration(rapid.Int64Range(-2*24*60, 3*24*60).Draw(t, "minutes")) * time.Minute)
			},
			"restart": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				open()
			},
			"": func(t *rapid.T) {
				states, err := s.Budgets(ctx, budgets, c.now)
				if err != nil {
					t.Fatal(err)
				}
				for i, b := range budgets {
					want := m.sum(b, c.now)
					if st := states[i]; st.Spent != want || st.Remaining != max(0, b.Limit-want) {
						t.Fatalf("%v: %+v, want %d spent", b.Window, st, want)
					}
				}
			},
		})
	})
}

// rename makes two budgets the same one.
func rename(t interface{ Fatal(...any) }, s *Store, from, to store.BudgetKey) {
	data, err := json.Marshal(store.Renamed{From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(context.Background(), store.Entry{Type: store.BudgetRenamed, OwnerID: from.OwnerID, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// settle does to the model what the store should have done.
func (m *model) settle(t *rapid.T, id, kind string, amount int64, err error) {
	first := slices.IndexFunc(m.spends, func(s spend) bool { return s.decision == id })
	state := m.spends[first].state
	if kind == store.Release {
		amount = 0
	}
	now := fmt.Sprint(kind, amount)
	if kind == store.Refund && m.left[id] < amount && state != now && state != "" && !strings.HasPrefix(state, store.Release) {
		if err == nil {
			t.Fatalf("a refund of %d from %d", amount, m.left[id])
		}
		return
	}
	if state == now {
		if err != nil {
			t.Fatalf("the same again: %v", err)
		}
		return
	}
	settled, released := state != "", len(state) >= 7 && state[:7] == store.Release
	possible := kind == store.Refund && settled && !released || kind != store.Refund && !settled
	for _, s := range m.spends {
		if s.decision == id && kind == store.Refund && s.key.Measure == store.MeasureAmount && amount > s.amount {
			possible = false
		}
	}
	if possible != (err == nil) {
		t.Fatalf("%s %d after %q: %v", kind, amount, state, err)
	}
	if err != nil {
		return
	}
	if m.left == nil {
		m.left = map[string]int64{}
	}
	if kind == store.Refund {
		m.left[id] -= amount
	} else {
		m.left[id] = amount
	}
	for i := range m.spends {
		s := &m.spends[i]
		if s.decision != id {
			continue
		}
		s.state = now
		counts := s.key.Measure == store.MeasureCount
		switch {
		case kind == store.Release:
			s.amount = 0
		case kind == store.Commit && !counts:
			s.amount = amount
		case kind == store.Refund && !counts:
			s.amount -= amount
		}
	}
}

// Editing a window keeps what the old one knows; it may round up, never down.
func TestEditedWindowForgivesNothing(t *testing.T) {
	ctx, c := context.Background(), start()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now})
	windows := []store.Window{daily, {Sliding: 24 * time.Hour}, {Calendar: store.Week}, {Calendar: store.Lifetime}, {Calendar: store.Month}, daily, {Sliding: time.Hour}}
	var sum int64
	for i, w := range windows {
		b := budget(1000, w)
		r, err := s.Record(ctx, decision(i, c.now), []store.Charge{{Budget: b, Amount: 10}})
		if err != nil {
			t.Fatal(err)
		}
		if sum += 10; r.Budgets[0].Spent != sum {
			t.Errorf("%+v: spent %d, want %d", w, r.Budgets[0].Spent, sum)
		}
		c.now = c.now.Add(time.Minute)
	}
}

func TestAlertsOncePerWindow(t *testing.T) {
	ctx, c, dir := context.Background(), start(), t.TempDir()
	s := openStore(t, dir, Options{Clock: c.Now})
	b := budget(100, daily)
	b.AlertAt = []int{50, 80, 100}
	n := 0
	charge := func(amount int64) (percents []int) {
		t.Helper()
		n++
		r, err := s.Record(ctx, decision(n, c.now), []store.Charge{{Budget: b, Amount: amount}})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range r.Alerts {
			percents = append(percents, a.Percent)
		}
		return percents
	}
	for _, step := range []struct {
		amount int64
		want   []int
		then   func()
	}{
		{49, nil, nil},
		{1, []int{50}, nil},
		{1, nil, func() {
			s.Close()
			s = openStore(t, dir, Options{Clock: c.Now})
		}},
		{49, []int{80, 100}, func() { b.Limit = 200 }},
		{80, nil, func() { c.now = c.now.AddDate(0, 0, 1) }}, // once a window, whatever the limit becomes
		{200, []int{50, 80, 100}, nil},
	} {
		if got := charge(step.amount); !slices.Equal(got, step.want) {
			t.Errorf("charging %d alerts at %v, want %v", step.amount, got, step.want)
		}
		if step.then != nil {
			step.then()
		}
	}
	page, err := s.Audit(ctx, store.AuditQuery{Types: []store.EventType{store.BudgetAlert}})
	if err != nil || len(page.Items) != 6 {
		t.Errorf("%d alerts in the log, %v", len(page.Items), err)
	}
}

func contains(s, part string) bool { return strings.Contains(s, part) }
