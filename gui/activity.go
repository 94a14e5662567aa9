package gui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

const (
	chartDays = 14
	// maxActivity bounds how many decisions a picture is drawn from.
	maxActivity = 2000
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
			if d.Spent == nil {
				d.Spent = map[string]int64{}
			}
			d.Spent[a.Currency] += a.Minor
		}
	case store.Deny:
		d.Deny++
	default:
		d.Ask++
	}
}

// activity adds up the decisions of the last days, of one agent or of all.
func (v *visit) activity(agentPrincipalID string) (activity, error) {
	today := v.now.UTC().Truncate(24 * time.Hour)
	var out activity
	for i := range chartDays {
		out.Days = append(out.Days, day{Start: today.AddDate(0, 0, i+1-chartDays)})
	}
	q := store.AuditQuery{AgentPrincipalID: agentPrincipalID, Types: []store.EventType{store.DecisionCreated},
		Since: out.Days[0].Start, Limit: 500}
	for read := 0; ; {
		page, err := v.svc.Audit(v.ctx(), v.caller, q)
		if err != nil {
			return out, err
		}
		for _, e := range page.Items {
			out.count(e, v.now)
		}
		if read += len(page.Items); page.NextCursor == "" {
			return out, nil
		}
		if read >= maxActivity {
			out.Partial = true
			return out, nil
		}
		q.Cursor = page.NextCursor
	}
}

func (a *activity) count(e store.Entry, now time.Time) {
	if e.Decision == nil {
		return
	}
	if i := int(e.Time.Sub(a.Days[0].Start) / (24 * time.Hour)); i >= 0 && i < len(a.Days) {
		a.Days[i].count(e)
	}
	if now.Sub(e.Time) <= 24*time.Hour {
		a.Today.count(e)
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
	total := day{Spent: map[string]int64{}}
	for _, d := range a.Days {
		for code, minor := range d.Spent {
			total.Spent[code] += minor
		}
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
