package gui

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// functions are what templates can call.
func functions(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset":     a.url,
		"icon":      func(name string) template.HTML { return icon(a, name, "icon") },
		"icon_s":    func(name string) template.HTML { return icon(a, name, "icon icon-small") },
		"inert":     inert,
		"short":     short,
		"money":     amount,
		"plural":    plural,
		"json":      indented,
		"sentence":  sentence,
		"highlight": highlight,
		"decides":   decides,
		"deref":     func(s *string) string { return *s },
		"clock":     func(t time.Time) template.HTML { return timeTag(t, t.UTC().Format("15:04")) },
		"once":      once,
		"row":       func(i int, r conditionRow, ops []choice) conditionView { return conditionView{i, r, ops} },
		"emptyRow":  func() conditionRow { return conditionRow{} },
		"what":      readAction,
		"when":      when,
		"at":        at,
		"pill":      func(s any) template.HTML { return pill(fmt.Sprint(s)) },
		"event":     eventName,
		"tone":      tone,
		"initials":  initials,
		"limit":     limitOf,
		"pair":      func(a, b any) [2]any { return [2]any{a, b} },
		"add":       func(a, b int) int { return a + b },
	}
}

// icon draws a symbol of icons.svg. Names come from templates alone.
func icon(a *assets, name, class string) template.HTML {
	return template.HTML(`<svg class="` + class + `" aria-hidden="true"><use href="` + a.url("icons.svg") + "#" + name + `"/></svg>`) //nolint:gosec // G203: words of ours
}

// when says a time relative to now; the exact one stands in its title.
func when(now, t time.Time) template.HTML {
	return timeTag(t, ago(now, t))
}

// at says a time exactly, in UTC.
func at(t time.Time) template.HTML { return timeTag(t, t.UTC().Format("2 Jan 2006, 15:04:05 UTC")) }

func timeTag(t time.Time, text string) template.HTML {
	utc := t.UTC()
	//nolint:gosec // G203: times and words of ours
	return template.HTML(`<time class="nowrap" datetime="` + utc.Format("2006-01-02T15:04:05.000Z") + `" title="` +
		utc.Format("2 Jan 2006, 15:04:05 UTC") + `">` + text + `</time>`)
}

// pills are the words and colours of results and statuses.
var pills = map[string][2]string{ // kind, word
	"ALLOW":            {"good", "Allowed"},
	"DENY":             {"bad", "Denied"},
	"REQUIRE_APPROVAL": {"ask", "Asks you"},
	"REQUIRE_STEP_UP":  {"ask", "Asks for a code"},
	"REQUIRE_DEPOSIT":  {"ask", "Asks for a deposit"},
	"PENDING":          {"ask", "Waiting"},
	"APPROVED":         {"good", "Approved"},
	"DENIED":           {"bad", "Denied"},
	"EXPIRED":          {"", "Expired"},
	"CONSUMED":         {"good", "Approved and used"},
	"ACTIVE":           {"good", "Active"},
	"REVOKED":          {"bad", "Revoked"},
	"REDEEMED":         {"good", "Used"},
}

// pill draws a result or a status.
func pill(s string) template.HTML {
	p, ok := pills[s]
	if !ok {
		return template.HTML(`<span class="pill">` + template.HTMLEscapeString(short(s)) + `</span>`) //nolint:gosec // G203: escaped
	}
	//nolint:gosec // G203: words of ours
	return template.HTML(`<span class="pill ` + p[0] + `">` + p[1] + `</span>`)
}

// tone is the class of a sentence that says what a policy does.
func tone(sentence string) string {
	switch s := strings.ToLower(sentence); {
	case strings.HasPrefix(s, "allow"):
		return "allow"
	case strings.HasPrefix(s, "den"), strings.HasPrefix(s, "refus"), strings.HasPrefix(s, "never"):
		return "deny"
	case strings.HasPrefix(s, "ask"), strings.HasPrefix(s, "require"):
		return "ask"
	}
	return ""
}

func initials(name string) string {
	for _, r := range strings.ToUpper(strings.TrimSpace(inert(name))) {
		return string(r)
	}
	return "?"
}

// limitOf writes an amount of a budget: money, or a number of actions.
func limitOf(b store.BudgetState, n int64) string {
	if b.Measure == store.MeasureCount {
		return plural(int(n), "action")
	}
	return amount(n, b.Currency)
}

// decides says whether a rule that matches is the one that decided.
func decides(r leash.TraceRule, a *leash.PlaygroundAnswer) bool {
	return a.MatchedRuleID != nil && *a.MatchedRuleID == r.RuleID
}
