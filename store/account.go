package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Bounds on what one account remembers. What is forgotten raises a floor, and a charge at or below
// the floor is refused: forgetting never forgives.
const (
	maxWindows = 40   // calendar windows per view; clocks step, so the latest alone is not enough
	maxAges    = 1024 // charges of a sliding window before neighbours are merged into the later one
	maxViews   = 8    // windows under which one budget is added up, for owners who edit them

	// A new sliding view reaches this much further back, for requests that overtake each other.
	slack = int64(2 * time.Minute / time.Millisecond)
)

// An account is what was charged under one BudgetKey, seen through every window that its budget had:
// an owner who edits a window forgives nothing that the old one can still tell.
type account struct {
	seq   uint64 // of the last log entry that changed it
	views []*view
}

// A view adds up one account by one window. Its cells are calendar windows (time is the start), or
// single charges (time is when they were made), ascending and without duplicates.
type view struct {
	window Window
	zone   *time.Location
	cells  []cell
	floor  int64 // Unix ms; what lies at or before is forgotten
	alerts []mark
	// The calendar window asked for last: nearly always the one asked for next.
	start, end int64
}

type cell struct {
	time   int64 // Unix ms
	amount int64 // minor units or actions; a settled charge may make it smaller, never negative
}

// A mark remembers that an alert was raised.
type mark struct {
	percent int
	time    int64 // the start of the calendar window, or when a sliding one was full
}

func newView(w Window, zones zones) (*view, error) {
	if err := w.Validate(); err != nil {
		return nil, fmt.Errorf("window of a budget: %w", err)
	}
	zone, err := zones.load(w.Zone)
	if err != nil {
		return nil, fmt.Errorf("window of a budget: %w", err)
	}
	return &view{window: w, zone: zone, floor: math.MinInt64, start: 1, end: 0}, nil
}

// zones keeps the time zones in use: the standard library reads a file each time.
type zones map[string]*time.Location

func (z zones) load(name string) (*time.Location, error) {
	if zone := z[name]; zone != nil {
		return zone, nil
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		z[name] = zone
	}
	return zone, err
}

// locate returns the cell time that a charge at t belongs to.
func (v *view) locate(t int64) (int64, error) {
	if v.window.Sliding != 0 {
		return t, nil
	}
	if v.start <= t && t < v.end {
		return v.start, nil
	}
	start, end, err := v.window.bounds(time.UnixMilli(t), v.zone)
	if err != nil {
		return 0, err
	}
	v.start, v.end = start.UnixMilli(), end.UnixMilli()
	return v.start, nil
}

// spent is the sum in the window of t. known is false if part of that window was forgotten.
func (v *view) spent(t int64) (sum int64, known bool, err error) {
	at, err := v.locate(t)
	if err != nil {
		return 0, false, err
	}
	if v.window.Sliding == 0 {
		i, found := v.find(at)
		if found {
			sum = v.cells[i].amount
		}
		return sum, at > v.floor, nil
	}
	// Charges later than t count too: the clock stepped back, and they are spent all the same.
	from := t - v.window.Sliding.Milliseconds()
	i, found := v.find(from)
	if found {
		i++
	}
	for _, c := range v.cells[i:] {
		sum = addSat(sum, c.amount)
	}
	return sum, from >= v.floor, nil
}

func (v *view) find(t int64) (int, bool) {
	// Nearly every charge is in the last cell or behind it.
	if n := len(v.cells); n > 0 && v.cells[n-1].time <= t {
		if v.cells[n-1].time == t {
			return n - 1, true
		}
		return n, false
	}
	return slices.BinarySearchFunc(v.cells, t, func(c cell, t int64) int {
		return cmp.Compare(c.time, t)
	})
}

// add changes what was charged at t; amount is negative when a charge is settled for less or undone.
func (v *view) add(t, amount int64) error {
	at, err := v.locate(t)
	if err != nil {
		return err
	}
	if at <= v.floor {
		return nil // forgotten, and counted as full
	}
	i, found := v.find(at)
	switch {
	case found, v.window.Sliding != 0 && amount < 0 && i < len(v.cells):
		// A merged charge stands in the next later cell.
		v.cells[i].amount = max(0, addSat(v.cells[i].amount, amount))
	case amount > 0:
		v.cells = slices.Insert(v.cells, i, cell{at, amount})
		v.shrink()
	}
	return nil
}

// shrink keeps a view within its bounds.
func (v *view) shrink() {
	if v.window.Sliding == 0 {
		if len(v.cells) > maxWindows {
			v.forget(1)
		}
		return
	}
	if len(v.cells) <= maxAges {
		return
	}
	// Two windows back from the latest charge is older than any clock that is only a little wrong.
	old := v.cells[len(v.cells)-1].time - 2*v.window.Sliding.Milliseconds()
	if n, _ := v.find(old); n > 0 {
		v.forget(n)
	}
	if len(v.cells) > maxAges {
		v.merge()
	}
}

func (v *view) forget(n int) {
	v.floor = max(v.floor, v.cells[n-1].time)
	v.cells = slices.Delete(v.cells, 0, n)
}

// merge joins the charges in every 2·window/maxAges into the latest of them, so that they age out a
// little late and never early.
func (v *view) merge() {
	step := max(1, 2*v.window.Sliding.Milliseconds()/(maxAges/2))
	kept := v.cells[:0]
	for _, c := range v.cells {
		if n := len(kept); n > 0 && floorDiv(kept[n-1].time, step) == floorDiv(c.time, step) {
			kept[n-1] = cell{c.time, addSat(kept[n-1].amount, c.amount)}
			continue
		}
		kept = append(kept, c)
	}
	v.cells = kept
}

// resets says when a calendar window ends, or when the oldest charge of a sliding one ages out.
func (v *view) resets(t int64) *time.Time {
	var at time.Time
	switch {
	case v.window.Calendar == Lifetime:
		return nil
	case v.window.Sliding == 0:
		if _, err := v.locate(t); err != nil {
			return nil
		}
		at = time.UnixMilli(v.end)
	default:
		w := v.window.Sliding.Milliseconds()
		i, found := v.find(t - w)
		if found {
			i++
		}
		if i == len(v.cells) {
			return nil
		}
		at = time.UnixMilli(v.cells[i].time + w)
	}
	at = at.UTC()
	return &at
}

// alerted says whether the threshold was reached before in the window of t.
func (v *view) alerted(t int64, percent int) bool {
	at, err := v.locate(t)
	return err != nil || slices.ContainsFunc(v.alerts, func(m mark) bool {
		if m.percent != percent {
			return false
		}
		if v.window.Sliding != 0 {
			return m.time > t-v.window.Sliding.Milliseconds()
		}
		return m.time == at
	})
}

func (v *view) mark(t int64, percent int) {
	at, err := v.locate(t)
	if err != nil || v.alerted(t, percent) {
		return
	}
	v.alerts = append(v.alerts, mark{percent, at})
	if len(v.alerts) > maxWindows {
		v.alerts = slices.Delete(v.alerts, 0, 1)
	}
}

func (v *view) unmark(t int64, percent int) {
	at, err := v.locate(t)
	if err != nil {
		return
	}
	v.alerts = slices.DeleteFunc(v.alerts, func(m mark) bool { return m == mark{percent, at} })
}

// view returns the view through w. If the budget was never charged under w, the view is new, and
// starts from what the account's other views tell about the window of t, rounded up.
func (a *account) view(w Window, t int64, zones zones) (v *view, isNew bool, err error) {
	for _, v := range a.views {
		if v.window == w {
			return v, false, nil
		}
	}
	v, err = newView(w, zones)
	if err != nil {
		return nil, false, err
	}
	at, err := v.locate(t)
	if err != nil || len(a.views) == 0 {
		return v, true, err
	}
	from := at
	if w.Sliding != 0 {
		from = t - w.Sliding.Milliseconds() - slack
	}
	if sum := a.atMost(from); sum > 0 {
		v.cells = append(v.cells, cell{at, sum})
	}
	v.floor = from - 1
	return v, true, nil
}

// atMost is the tightest upper bound that the views give for what was charged from t on.
func (a *account) atMost(t int64) int64 {
	var bound, partial int64
	sure := false // whether some view covers all the time since t
	for _, v := range a.views {
		sum := v.since(t)
		switch {
		case v.floor >= t:
			partial = max(partial, sum)
		case !sure:
			bound, sure = sum, true
		default:
			bound = min(bound, sum)
		}
	}
	if sure {
		return bound
	}
	return partial
}

// since is the sum of every cell that reaches beyond t.
func (v *view) since(t int64) int64 {
	var sum int64
	for i, c := range v.cells {
		end := int64(math.MaxInt64)
		switch {
		case v.window.Sliding != 0:
			end = c.time
		case i+1 < len(v.cells):
			end = v.cells[i+1].time - 1
		}
		if end >= t {
			sum = addSat(sum, c.amount)
		}
	}
	return sum
}

// adopt keeps a new view, in place of the oldest if there are too many.
func (a *account) adopt(v *view) {
	if len(a.views) == maxViews {
		a.views = slices.Delete(a.views, 0, 1)
	}
	a.views = append(a.views, v)
}

func (a *account) add(t, amount int64) error {
	for _, v := range a.views {
		if err := v.add(t, amount); err != nil {
			return err
		}
	}
	return nil
}

func addSat(a, b int64) int64 {
	switch s := a + b; {
	case b > 0 && s < a:
		return math.MaxInt64
	case b < 0 && s > a:
		return math.MinInt64
	default:
		return s
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
