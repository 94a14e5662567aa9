package gui

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

const (
	chartDays = 14
	// maxActivity bounds how many decisions one visit reads for a picture.
	maxActivity = 1000
)

// activity is what an owner's agents did in the last days.
type activity struct {
	Days    []day
	Today   day // the last 24 hours
	Partial bool
}

// day adds up decisions.
type day struct {
	Start            time.Time
	Allow, Ask, Deny int
	Spent            map[string]int64 // minor units by currency
}

func (d day) Sum() int { return d.Allow + d.Ask + d.Deny }

func (d day) words() string {
	return fmt.Sprintf("%d allowed, %d put to you, %d denied", d.Allow, d.Ask, d.Deny)
}

// Money is what was spent, the most first.
func (d day) Money() []spending {
	var out []spending
	for code, minor := range d.Spent {
		out = append(out, spending{code, minor})
	}
	slices.SortFunc(out, func(a, b spending) int {
		return cmp.Or(cmp.Compare(b.Minor, a.Minor), cmp.Compare(a.Currency, b.Currency))
	})
	return out
}

type spending struct {
	Currency string
	Minor    int64
}

func (d *day) count(e store.Entry) {
	switch e.Decision.Result {
	case store.Allow:
		d.Allow++
		if a := readAction(e.Action); a.Counts && a.Minor > 0 {
			d.spend(a.Currency, a.Minor)
		}
	case store.Deny:
		d.Deny++
	default:
		d.Ask++
	}
}

// tally adds up an owner's decisions by the hour. It is read forward from where it ended, and
// backward a stretch at a time until it reaches the beginning of the picture.
type tally struct {
	mu     sync.Mutex
	newest uint64 // sequence number up to which it has read
	older  string // cursor of what is not yet read behind it; empty if all is
	hours  map[int64]*day
}

// tallies are the tallies in use, by owner and agent.
type tallies struct {
	mu  sync.Mutex
	all map[[2]string]*tally
}

// maxTallies bounds how many pictures are kept; forgetting one costs reading it again.
const maxTallies = 512

func (t *tallies) of(owner, agent string) *tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{owner, agent}
	if t.all[key] == nil {
		if t.all == nil || len(t.all) >= maxTallies {
			t.all = map[[2]string]*tally{}
		}
		t.all[key] = &tally{hours: map[int64]*day{}}
	}
	return t.all[key]
}

// activity adds up the decisions of the last days, of one agent or of all.
func (v *visit) activity(agentPrincipalID string) (activity, error) {
	from := v.now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-chartDays)
	t := v.portal.tallies.of(v.owner.ID, agentPrincipalID)
	t.mu.Lock()
	defer t.mu.Unlock()
	q := store.AuditQuery{AgentPrincipalID: agentPrincipalID, Types: []store.EventType{store.DecisionCreated}, Since: from, Limit: 500}
	if err := v.readNew(t, q); err != nil {
		return activity{}, err
	}
	return t.picture(from, v.now), nil
}

// readNew brings a tally up to date, and reads on behind it; at most maxActivity decisions in all.
func (v *visit) readNew(t *tally, q store.AuditQuery) error {
	fresh, behind, met, err := v.readBack(q, maxActivity, t.newest)
	if err != nil {
		return err
	}
	if !met { // nothing was read before, or too much is new since: begin again
		t.hours, t.older = map[int64]*day{}, behind
	}
	for _, e := range fresh {
		t.newest = max(t.newest, e.Seq)
		t.count(e)
	}
	if left := maxActivity - len(fresh); met && t.older != "" && left > 0 {
		q.Cursor = t.older
		older, behind, _, err := v.readBack(q, left, 0)
		if err != nil {
			return err
		}
		for _, e := range older {
			t.count(e)
		}
		t.older = behind
	}
	return nil
}

// readBack reads decisions from the newest back to those already known, or about limit of them. behind
// is the cursor of the rest; met says whether it came to a known one, or to the end of a log of which
// all is known.
func (v *visit) readBack(q store.AuditQuery, limit int, known uint64) (read []store.Entry, behind string, met bool, err error) {
	for len(read) < limit {
		page, err := v.svc.Audit(v.ctx(), v.caller, q)
		if err != nil {
			return nil, "", false, err
		}
		for _, e := range page.Items {
			if e.Seq <= known {
				return read, "", true, nil
			}
			read = append(read, e)
		}
		if behind = page.NextCursor; behind == "" {
			return read, "", known > 0, nil
		}
		q.Cursor = behind
	}
	return read, behind, false, nil
}

func (t *tally) count(e store.Entry) {
	if e.Decision == nil {
		return
	}
	hour := e.Time.Unix() / 3600
	if t.hours[hour] == nil {
		t.hours[hour] = &day{Start: time.Unix(hour*3600, 0).UTC()}
	}
	t.hours[hour].count(e)
}

// picture adds the hours up to days, and forgets those before.
func (t *tally) picture(from, now time.Time) activity {
	out := activity{Partial: t.older != ""}
	for i := range chartDays {
		out.Days = append(out.Days, day{Start: from.AddDate(0, 0, i)})
	}
	for key, h := range t.hours {
		i := int(h.Start.Sub(from) / (24 * time.Hour))
		if h.Start.Before(from) {
			delete(t.hours, key)
			continue
		}
		if i < len(out.Days) {
			out.Days[i].add(*h)
		}
		if now.Sub(h.Start) <= 24*time.Hour {
			out.Today.add(*h)
		}
	}
	return out
}

func (d *day) add(o day) {
	d.Allow, d.Ask, d.Deny = d.Allow+o.Allow, d.Ask+o.Ask, d.Deny+o.Deny
	for code, minor := range o.Spent {
		d.spend(code, minor)
	}
}

// spend adds an amount; what does not fit into 64 bits stays at the greatest that does.
func (d *day) spend(code string, minor int64) {
	if d.Spent == nil {
		d.Spent = map[string]int64{}
	}
	if sum := d.Spent[code] + minor; sum >= d.Spent[code] {
		d.Spent[code] = sum
	} else {
		d.Spent[code] = math.MaxInt64
	}
}

// bars is a chart of one column a day, on a canvas of 1000 by 100.
type bars struct {
	Columns  []column
	Max      string // what the full height means
	From, To time.Time
	Summary  string
	Currency string
}

type column struct {
	X, Width float64
	Title    string
	Parts    []part
}

type part struct {
	Class     string
	Y, Height float64
}

// decisions draws how many were allowed, asked and denied.
func (a activity) Decisions() bars {
	top := 1
	var sum day
	for _, d := range a.Days {
		top = max(top, d.Sum())
		sum.Allow, sum.Ask, sum.Deny = sum.Allow+d.Allow, sum.Ask+d.Ask, sum.Deny+d.Deny
	}
	out := a.canvas()
	out.Max = strconv.Itoa(top)
	out.Summary = sum.words()
	for i, d := range a.Days {
		c := &out.Columns[i]
		c.Title = d.Start.Format("2 January") + ": " + d.words()
		c.pile("allow", d.Allow, top)
		c.pile("ask", d.Ask, top)
		c.pile("deny", d.Deny, top)
	}
	return out
}

// spend draws what was spent in the currency of which most was spent.
func (a activity) Spend() *bars {
	var total day
	for _, d := range a.Days {
		total.add(d)
	}
	if len(total.Spent) == 0 {
		return nil
	}
	most := total.Money()[0]
	out := a.canvas()
	out.Currency = most.Currency
	var top int64 = 1
	for _, d := range a.Days {
		top = max(top, d.Spent[most.Currency])
	}
	out.Max = money(top, most.Currency)
	out.Summary = money(most.Minor, most.Currency) + " spent"
	for i, d := range a.Days {
		c := &out.Columns[i]
		c.Title = d.Start.Format("2 January") + ": " + money(d.Spent[most.Currency], most.Currency)
		c.add("spend", 100*float64(d.Spent[most.Currency])/float64(top))
	}
	return &out
}

func (a activity) canvas() bars {
	step := 1000 / float64(len(a.Days))
	out := bars{From: a.Days[0].Start, To: a.Days[len(a.Days)-1].Start}
	for i := range a.Days {
		out.Columns = append(out.Columns, column{X: float64(i)*step + step*.14, Width: step * .72})
	}
	return out
}

func (c *column) pile(class string, n, top int) { c.add(class, 100*float64(n)/float64(top)) }

// add puts a part on top of a column.
func (c *column) add(class string, height float64) {
	if height <= 0 {
		return
	}
	y := 100.0
	if len(c.Parts) > 0 {
		y = c.Parts[len(c.Parts)-1].Y
	}
	c.Parts = append(c.Parts, part{class, y - height, height})
}

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
	if err != nil {
		return nil, err
	}
	names := v.policyNames()
	var out []budgetView
	for _, b := range all {
		out = append(out, budgetBar(b, cmp.Or(names[b.PolicyID], b.PolicyID)))
	}
	slices.SortStableFunc(out, func(a, b budgetView) int { return cmp.Compare(b.Percent, a.Percent) })
	return out, nil
}

// policyNames are the names of the owner's policies by id.
func (v *visit) policyNames() map[string]string {
	names := map[string]string{}
	for _, p := range v.svc.Engine(v.caller).Policies() {
		names[p.ID] = cmp.Or(p.Name, p.ID)
	}
	return names
}
