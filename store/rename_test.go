package store

import (
	"encoding/json"
	"testing"
	"time"
)

func renamed(t *testing.T, l *Ledger, from, to string) {
	t.Helper()
	a, b := testBudget(0, Window{}).Key, testBudget(0, Window{}).Key
	a.BudgetID, b.BudgetID = from, to
	data, err := json.Marshal(Renamed{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(&Entry{Type: BudgetRenamed, Data: data}); err != nil {
		t.Fatal(err)
	}
}

func named(id string) Budget {
	b := testBudget(1000, Window{Calendar: Day})
	b.Key.BudgetID = id
	return b
}

// Whatever a budget is called, and in whatever order it is renamed, named back and charged, nothing is forgiven.
func TestNamesOfABudgetShareItsSum(t *testing.T) {
	noon := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		renames [][2]string
		charges map[string]int64 // before
		later   map[string]int64
		spent   map[string]int64
	}{
		{"once", [][2]string{{"a", "b"}}, map[string]int64{"a": 900}, nil, map[string]int64{"a": 900, "b": 900, "c": 0}},
		{"charged on", [][2]string{{"a", "b"}}, map[string]int64{"a": 500}, map[string]int64{"b": 300}, map[string]int64{"a": 800, "b": 800}},
		{"and back", [][2]string{{"a", "b"}, {"b", "a"}}, map[string]int64{"a": 500}, map[string]int64{"b": 300, "a": 100}, map[string]int64{"a": 900, "b": 900}},
		{"twice", [][2]string{{"a", "b"}, {"b", "c"}}, map[string]int64{"a": 500}, map[string]int64{"c": 300}, map[string]int64{"a": 800, "b": 800, "c": 800}},
		{"late", [][2]string{{"a", "b"}, {"c", "b"}}, map[string]int64{"a": 500, "c": 100}, map[string]int64{"b": 300}, map[string]int64{"a": 900, "b": 900, "c": 900}},
		{"to itself", [][2]string{{"a", "a"}}, map[string]int64{"a": 500}, nil, map[string]int64{"a": 500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger()
			seq := uint64(0)
			charge := func(charges map[string]int64) {
				for id, amount := range charges {
					seq++
					if err := charged(l, seq, named(id), amount, noon); err != nil {
						t.Fatal(err)
					}
				}
			}
			charge(c.charges)
			for _, r := range c.renames {
				renamed(t, l, r[0], r[1])
			}
			charge(c.later)
			saved := NewLedger()
			for _, key := range l.Keys() {
				if err := saved.Load(l.Save(key)); err != nil {
					t.Fatal(err)
				}
			}
			for _, class := range l.Names() {
				if err := saved.LoadNames(class); err != nil {
					t.Fatal(err)
				}
			}
			for id, want := range c.spent {
				if got := l.State(named(id), noon); got.Spent != want || got.Remaining != 1000-want {
					t.Errorf("%s: %d spent, want %d", id, got.Spent, want)
				}
				if got := saved.State(named(id), noon).Spent; got != want {
					t.Errorf("%s after a snapshot: %d spent, want %d", id, got, want)
				}
				if want > 0 && charged(l, seq+1, named(id), 1000-want+1, noon) == nil {
					t.Errorf("%s: goes over its limit", id)
				}
			}
		})
	}
}

// One action that is charged under two names of a budget counts twice, and never goes over the limit.
func TestOneActionUnderTwoNames(t *testing.T) {
	noon := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	l := NewLedger()
	renamed(t, l, "a", "b")
	if err := l.Check([]Charge{{Budget: named("a"), Amount: 501}, {Budget: named("b"), Amount: 500}}, noon); err == nil {
		t.Error("both together are over the limit, and fit")
	}
}

// Alerts are raised once, not once for each name.
func TestAlertsOfARenamedBudget(t *testing.T) {
	noon := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	l := NewLedger()
	charge := func(seq uint64, id string, amount int64) []Alert {
		t.Helper()
		b := named(id)
		b.AlertAt = []int{50, 80}
		if err := charged(l, seq, b, amount, noon); err != nil {
			t.Fatal(err)
		}
		alerts := l.Alerts([]Charge{{Budget: b, Amount: amount}}, noon)
		for _, a := range alerts {
			data, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Apply(&Entry{Seq: seq, Type: BudgetAlert, Data: data}); err != nil {
				t.Fatal(err)
			}
		}
		return alerts
	}
	if got := charge(1, "a", 600); len(got) != 1 || got[0].Percent != 50 {
		t.Errorf("%+v", got)
	}
	renamed(t, l, "a", "b")
	if got := charge(2, "b", 100); len(got) != 0 {
		t.Errorf("again: %+v", got)
	}
	if got := charge(3, "b", 100); len(got) != 1 || got[0].Percent != 80 {
		t.Errorf("%+v", got)
	}
}

// A budget that counts something else is no new name.
func TestRenamingKeepsWhatIsCounted(t *testing.T) {
	for _, change := range []func(k *BudgetKey){
		func(k *BudgetKey) { k.Currency = "EUR" },
		func(k *BudgetKey) { k.Measure = MeasureCount },
		func(k *BudgetKey) { k.OwnerID = "p" },
	} {
		from := named("a").Key
		to := from
		change(&to)
		if err := make(names).join(Renamed{from, to}); err == nil {
			t.Errorf("%+v is taken for %+v", to, from)
		}
	}
}
