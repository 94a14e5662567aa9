package store

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testBudget(limit int64, w Window) Budget {
	return Budget{Key: BudgetKey{OwnerID: "o", PolicyID: "p", BudgetID: "b", Subject: "s", Measure: MeasureAmount}, Limit: limit, Window: w}
}

// charged applies one charge, as a decision of its own.
func charged(l *Ledger, seq uint64, b Budget, amount int64, at time.Time) error {
	charges := []Charge{{Budget: b, Amount: amount}}
	if err := l.Check(charges, at); err != nil {
		return err
	}
	return l.Apply(&Entry{Seq: seq, Type: DecisionCreated, Time: at, Decision: &Decision{}, Charges: charges})
}

// What an account forgets, to stay small, never makes room: with thousands of charges and a clock
// that steps, it tells at least what was spent.
func TestForgettingNeverForgives(t *testing.T) {
	windows := []Window{{Sliding: time.Hour}, {Sliding: 30 * 24 * time.Hour}, {Calendar: Day}, {Calendar: Week}}
	rapid.Check(t, func(t *rapid.T) {
		l := NewLedger()
		w := rapid.SampledFrom(windows).Draw(t, "window")
		b := testBudget(math.MaxInt64, w)
		step := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, 24 * time.Hour}).Draw(t, "step")
		back := rapid.IntRange(0, 50).Draw(t, "back")
		now := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
		var at []time.Time
		for i := range rapid.IntRange(1, 4000).Draw(t, "charges") {
			now = now.Add(step * time.Duration(i*7919%11))
			if i%100 < back {
				now = now.Add(-step * 6)
			}
			if err := charged(l, uint64(i), b, 1, now); err == nil {
				at = append(at, now)
			}
			if i%50 != 0 {
				continue
			}
			probe := now.Add(-step * time.Duration(rapid.IntRange(-100, 100).Draw(t, "probe")))
			var sum int64
			for _, a := range at {
				if w.Sliding != 0 {
					if a.After(probe.Add(-w.Sliding)) {
						sum++
					}
					continue
				}
				start, end, err := w.Bounds(probe)
				if err != nil {
					t.Fatal(err)
				}
				if !a.Before(start) && a.Before(end) {
					sum++
				}
			}
			if st := l.State(b, probe); st.Spent < sum {
				t.Fatalf("after %d charges: %d spent at %v, and it tells %d", len(at), sum, probe, st.Spent)
			}
		}
		for _, a := range l.accounts {
			for _, v := range a.views {
				if len(v.cells) > maxAges+1 {
					t.Fatalf("%d cells", len(v.cells))
				}
			}
		}
	})
}

func TestSlidingChargesAgeOutOneByOne(t *testing.T) {
	l, start := NewLedger(), time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	b := testBudget(100, Window{Sliding: 90 * time.Minute})
	for i := range 3 {
		if err := charged(l, uint64(i+1), b, 30, start.Add(time.Duration(i)*10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		after  time.Duration
		spent  int64
		resets time.Duration // from start; 0 is never
	}{
		{20 * time.Minute, 90, 90 * time.Minute},
		{90*time.Minute - time.Millisecond, 90, 90 * time.Minute},
		{90 * time.Minute, 60, 100 * time.Minute},
		{100 * time.Minute, 30, 110 * time.Minute},
		{110 * time.Minute, 0, 0},
	} {
		st := l.State(b, start.Add(c.after))
		if st.Spent != c.spent || st.Remaining != 100-c.spent {
			t.Errorf("after %v: %+v", c.after, st)
		}
		if (st.ResetsAt == nil) != (c.resets == 0) || st.ResetsAt != nil && !st.ResetsAt.Equal(start.Add(c.resets)) {
			t.Errorf("after %v: resets at %v", c.after, st.ResetsAt)
		}
	}
}

func TestLimits(t *testing.T) {
	now := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	day := Window{Calendar: Day}
	twice := func(amount int64) []Charge {
		b := testBudget(100, day)
		return []Charge{{Budget: b, Amount: amount}, {Budget: b, Amount: amount}}
	}
	for _, c := range []struct {
		name    string
		before  int64 // spent, approved by the owner
		charges []Charge
		fits    bool
		broken  bool // no charge at all
	}{
		{"up to the limit", 40, []Charge{{Budget: testBudget(100, day), Amount: 60}}, true, false},
		{"one over", 40, []Charge{{Budget: testBudget(100, day), Amount: 61}}, false, false},
		{"nothing, on a full budget", 100, []Charge{{Budget: testBudget(100, day), Amount: 0}}, true, false},
		{"nothing, over a lowered limit", 100, []Charge{{Budget: testBudget(50, day), Amount: 0}}, true, false},
		{"one, over a lowered limit", 100, []Charge{{Budget: testBudget(50, day), Amount: 1}}, false, false},
		{"a limit of nothing", 0, []Charge{{Budget: testBudget(0, day), Amount: 1}}, false, false},
		{"a negative limit", 0, []Charge{{Budget: testBudget(-5, day), Amount: 1}}, false, false},
		{"the same account twice", 0, twice(51), false, false},
		{"the same account twice, fitting", 0, twice(50), true, false},
		{"an approved overage", 100, []Charge{{Budget: testBudget(100, day), Amount: 60, Overage: true}}, true, false},
		{"the largest amount", 0, []Charge{{Budget: testBudget(math.MaxInt64, day), Amount: MaxAmount}}, true, false},
		{"beyond it", 0, []Charge{{Budget: testBudget(math.MaxInt64, day), Amount: MaxAmount + 1}}, false, true},
		{"a negative amount", 0, []Charge{{Budget: testBudget(100, day), Amount: -1}}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger()
			if c.before > 0 {
				if err := charged(l, 1, testBudget(math.MaxInt64, day), c.before, now); err != nil {
					t.Fatal(err)
				}
			}
			err := l.Check(c.charges, now)
			var full *ExceededError
			if (err == nil) != c.fits || err != nil && errors.As(err, &full) == c.broken {
				t.Errorf("got %v", err)
			}
			if st := l.State(testBudget(1000, day), now); st.Spent != c.before {
				t.Errorf("checking changed what is spent to %d", st.Spent)
			}
		})
	}
}

// Sums stop at the largest int64 rather than wrap around into room.
func TestSumsDoNotWrap(t *testing.T) {
	l, now := NewLedger(), time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	b := testBudget(math.MaxInt64, Window{Calendar: Lifetime})
	for i := range 1100 {
		err := charged(l, uint64(i), b, MaxAmount, now)
		if st := l.State(b, now); st.Spent < 0 || st.Remaining < 0 || err == nil && st.Spent < int64(min(i+1, 1024))*MaxAmount/2 {
			t.Fatalf("after %d: %+v", i+1, st)
		}
	}
	over := []Charge{{Budget: b, Amount: MaxAmount, Overage: true}}
	if err := l.Check(over, now); err == nil {
		t.Error("an overage wraps around")
	}
}

// Applying and reverting entries, last first, leaves the ledger as it was.
func TestRevertUndoesApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, now := NewLedger(), time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
		b := testBudget(math.MaxInt64, rapid.SampledFrom([]Window{{Calendar: Day}, {Sliding: time.Hour}, {Calendar: Lifetime}}).Draw(t, "window"))
		var entries []*Entry
		var spent []int64
		for i := range rapid.IntRange(1, 30).Draw(t, "entries") {
			now = now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "minutes")) * time.Minute)
			e := &Entry{Seq: uint64(i), Type: DecisionCreated, Time: now, Decision: &Decision{Result: Allow, ApprovalID: fmt.Sprint(i)},
				Charges: []Charge{{Budget: b, Amount: rapid.Int64Range(0, 100).Draw(t, "amount")}}}
			spent = append(spent, l.State(b, now).Spent)
			if err := l.Apply(e); err != nil {
				t.Fatal(err)
			}
			entries = append(entries, e)
		}
		for i := len(entries) - 1; i >= 0; i-- {
			if err := l.Revert(entries[i]); err != nil {
				t.Fatal(err)
			}
			if st := l.State(b, entries[i].Time); st.Spent != spent[i] || l.Consumed(fmt.Sprint(i)) {
				t.Fatalf("entry %d: %d spent, want %d", i, st.Spent, spent[i])
			}
		}
	})
}

// A charge at a time that the account has forgotten does not fit, however the clock got there.
func TestForgottenTimesAreFull(t *testing.T) {
	noon := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		fill    func(l *Ledger)
		window  Window
		at      time.Time
		refused bool
	}{
		{"fifty days ago", func(l *Ledger) {
			for i := range 51 {
				charged(l, uint64(i), testBudget(100, Window{Calendar: Day}), 1, noon.AddDate(0, 0, i))
			}
		}, Window{Calendar: Day}, noon, true},
		{"thirty days ago", func(l *Ledger) {
			for i := range 51 {
				charged(l, uint64(i), testBudget(100, Window{Calendar: Day}), 1, noon.AddDate(0, 0, i))
			}
		}, Window{Calendar: Day}, noon.AddDate(0, 0, 20), false},
		{"three sliding windows and thousands of charges ago", func(l *Ledger) {
			for i := range 4000 {
				charged(l, uint64(i), testBudget(1e6, Window{Sliding: time.Hour}), 1, noon.Add(time.Duration(i)*3*time.Second))
			}
		}, Window{Sliding: time.Hour}, noon, true},
		{"one sliding window and thousands of charges ago", func(l *Ledger) {
			for i := range 4000 {
				charged(l, uint64(i), testBudget(1e6, Window{Sliding: time.Hour}), 1, noon.Add(time.Duration(i)*3*time.Second))
			}
		}, Window{Sliding: time.Hour}, noon.Add(4000*3*time.Second - 50*time.Minute), false},
		{"before the window was edited", func(l *Ledger) {
			charged(l, 1, testBudget(1e6, Window{Calendar: Day}), 1, noon)
			charged(l, 2, testBudget(1e6, Window{Calendar: Week}), 1, noon)
		}, Window{Calendar: Week}, noon.AddDate(0, 0, -7), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger()
			c.fill(l)
			b := testBudget(1e6, c.window)
			if err := l.Check([]Charge{{Budget: b, Amount: 1}}, c.at); (err != nil) != c.refused {
				t.Errorf("got %v", err)
			}
			if st := l.State(b, c.at); (st.Remaining == 0) != c.refused {
				t.Errorf("%+v", st)
			}
		})
	}
}
