package compiler

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/openleash/openleash-go/internal/money"
)

var slidingForm = regexp.MustCompile(`^([1-9][0-9]{0,6})(m|h|d)$`)

// maxSliding bounds a sliding window; a calendar year or a lifetime serves for longer ones.
const maxSliding = 366 * 24 * time.Hour

// The words of a budget.
var (
	calendars = []string{"day", "week", "month", "year", "lifetime"}
	measures  = []string{"amount", "count"}
	holders   = []string{"agent", "owner", "group"}
	excesses  = []string{"deny", "require_approval"}
	settlers  = []string{SettlerOwner, SettlerGateway, SettlerCounterparty, SettlerAgent}
)

// Who may lower a charge: see Budget.SettleBy.
const (
	SettlerOwner        = "owner"
	SettlerGateway      = "gateway"      // a credential that the owner bound to the agent
	SettlerCounterparty = "counterparty" // by redeeming the proof
	SettlerAgent        = "agent"
)

// defaultSettlers are those of a budget that names none. An agent is not trusted to lower what counts against it.
var defaultSettlers = []string{SettlerOwner, SettlerGateway, SettlerCounterparty}

// MayLower reports whether somebody may lower what was charged to the budget.
func (b Budget) MayLower(settler string) bool {
	if b.SettleBy == nil {
		return slices.Contains(defaultSettlers, settler)
	}
	return slices.Contains(b.SettleBy, settler)
}

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func (r *reader) budgets(n *yaml.Node) []Budget {
	var out []Budget
	r.list(n, "budgets", false, func(n *yaml.Node) {
		if len(out) == MaxBudgets {
			r.errorf(n, "too_many_budgets", "a policy has at most %d budgets", MaxBudgets)
			return
		}
		b := r.budget(n)
		if slices.ContainsFunc(out, func(o Budget) bool { return o.ID == b.ID && b.ID != "" }) {
			r.errorf(n, "duplicate_id", "the budget id %q stands twice", b.ID)
		}
		out = append(out, b)
	})
	for _, b := range out {
		if b.RenamedFrom != "" && slices.ContainsFunc(out, func(o Budget) bool { return o.ID == b.RenamedFrom }) {
			r.report(Diagnostic{Code: "renamed_from_present", Pos: b.Pos,
				Message: fmt.Sprintf("the policy still has a budget %s; renamed_from of %s is the id that it had before", b.RenamedFrom, b.ID)})
		}
	}
	return out
}

func (r *reader) budget(n *yaml.Node) Budget {
	b := Budget{Measure: "amount", Amount: amountPath, Per: "agent", Actions: []string{"*"}, OnExceed: "deny",
		WeekStart: time.Monday, Pos: r.at(n)}
	seen, ok := r.mapping(n, "a budget",
		field{"id", func(n *yaml.Node) { b.ID = r.form(n, "id", idForm, "1 to 64 letters, digits, _ and -") }},
		field{"limit", func(n *yaml.Node) { b.Limit, _ = r.integer(n, "limit", 0, maxSafeInteger) }},
		field{"currency", func(n *yaml.Node) {
			b.Currency = r.form(n, "currency", currencyForm, "three capital letters, such as USD")
		}},
		field{"measure", func(n *yaml.Node) { b.Measure, _ = r.word(n, "measure", "unknown_measure", false, measures...) }},
		field{"amount", func(n *yaml.Node) { b.Amount = r.path(n, "amount") }},
		field{"window", func(n *yaml.Node) { r.window(n, &b) }},
		field{"timezone", func(n *yaml.Node) { b.Zone = r.zone(n) }},
		field{"week_starts", func(n *yaml.Node) {
			if word, ok := r.word(n, "week_starts", "unknown_day", true, weekdays...); ok {
				b.WeekStart = time.Weekday(slices.Index(weekdays, word))
			}
		}},
		field{"per", func(n *yaml.Node) { b.Per, _ = r.word(n, "per", "unknown_per", false, holders...) }},
		field{"actions", func(n *yaml.Node) { b.Actions = r.actions(n, "actions") }},
		field{"on_exceed", func(n *yaml.Node) {
			b.OnExceed, _ = r.word(n, "on_exceed", "unknown_on_exceed", false, excesses...)
		}},
		field{"settle_by", func(n *yaml.Node) {
			r.list(n, "settle_by", true, func(n *yaml.Node) {
				word, ok := r.word(n, "settle_by", "unknown_settler", false, settlers...)
				if ok && slices.Contains(b.SettleBy, word) {
					r.errorf(n, "duplicate_name", "%q is named twice", word)
				}
				b.SettleBy = append(b.SettleBy, word)
			})
		}},
		field{"renamed_from", func(n *yaml.Node) { b.RenamedFrom = r.formerID(n) }},
		field{"alert_at", func(n *yaml.Node) {
			r.list(n, "alert_at", true, func(n *yaml.Node) {
				percent, _ := r.integer(n, "alert_at", 1, 100)
				b.AlertAt = append(b.AlertAt, int(percent))
			})
		}})
	if !ok {
		return b
	}
	slices.Sort(b.AlertAt)
	b.AlertAt = slices.Compact(b.AlertAt)
	for _, key := range []string{"id", "limit", "window"} {
		if seen[key] == nil {
			r.errorf(n, "missing_key", "a budget needs %s", key)
		}
	}
	switch {
	case b.Measure == "amount" && seen["currency"] == nil:
		r.errorf(n, "missing_key", "a budget of amounts needs a currency")
	case b.Measure == "count" && (seen["currency"] != nil || seen["amount"] != nil):
		r.errorf(n, "count_currency", "a budget that counts actions has no currency and no amount")
	case b.Sliding != 0 && (seen["timezone"] != nil || seen["week_starts"] != nil):
		r.errorf(n, "sliding_calendar", "timezone and week_starts are for calendar windows")
	}
	return b
}

// window reads a calendar word or a sliding duration.
func (r *reader) window(n *yaml.Node, b *Budget) {
	s, ok := r.text(n, "window")
	if !ok {
		return
	}
	if slices.Contains(calendars, s) {
		b.Calendar = s
		return
	}
	m := slidingForm.FindStringSubmatch(s)
	if m == nil {
		r.unknown(n, "unknown_window", &unknownWord{what: "window", word: s, known: append(slices.Clone(calendars), "24h", "30d")})
		return
	}
	count, _ := strconv.Atoi(m[1])
	b.Sliding = time.Duration(count) * map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[m[2]]
	if b.Sliding > maxSliding {
		r.errorf(n, "out_of_range", "a sliding window is at most 366d")
	}
}

// Measured writes a number that the budget counts for people: money in its currency, or actions.
func (b Budget) Measured(n int64) string {
	switch {
	case b.Measure == "amount":
		return money.Format(n, b.Currency)
	case n == 1:
		return "1 action"
	}
	return money.Group(n) + " actions"
}

// windowText spells a budget's window as the policy did.
func (b Budget) windowText() string {
	if b.Sliding == 0 {
		return b.Calendar
	}
	switch h := b.Sliding; {
	case h%(24*time.Hour) == 0:
		return strconv.Itoa(int(h/(24*time.Hour))) + "d"
	case h%time.Hour == 0:
		return strconv.Itoa(int(h/time.Hour)) + "h"
	}
	return strconv.Itoa(int(b.Sliding/time.Minute)) + "m"
}
