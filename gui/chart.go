package gui

import (
	"strconv"
	"time"
)

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
	out.Summary = sum.words(a.You)
	for i, d := range a.Days {
		c := &out.Columns[i]
		c.Title = d.Start.Format("2 January") + ": " + d.words(a.You)
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
	out.Max = amount(top, most.Currency)
	out.Summary = amount(most.Minor, most.Currency) + " spent"
	for i, d := range a.Days {
		c := &out.Columns[i]
		c.Title = d.Start.Format("2 January") + ": " + amount(d.Spent[most.Currency], most.Currency)
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
