package gui

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	safe "github.com/openleash/openleash-go/internal/inert"
	"github.com/openleash/openleash-go/internal/money"
)

// maxShown bounds a value in a list, in runes; where a thing has a page of its own, it is whole there.
const maxShown = 160

// inert makes text of agents and other strangers safe to read.
func inert(s string) string { return safe.Text(s) }

// deceptive says whether a character changes how others look, or is not seen.
func deceptive(r rune) bool { return safe.Deceptive(r) }

// short is inert text on one line, at most maxShown runes of it.
func short(s string) string {
	s = inert(strings.Join(strings.Fields(clipBytes(s, 4*maxShown)), " "))
	if utf8.RuneCountInString(s) <= maxShown {
		return s
	}
	runes := []rune(s)
	return string(runes[:maxShown-1]) + "…"
}

// clipBytes cuts text at a rune.
func clipBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// amount writes minor units of a currency whose code may come from an agent.
func amount(minor int64, code string) string { return money.Format(minor, short(code)) }

// ago says how far a time is from now, roughly.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	if d < 10*time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

// span is a duration in its greatest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(int(math.Ceil(d.Seconds())), "second")
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour")
	default:
		return plural(int(d.Hours()/24), "day")
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ay") {
		noun = strings.TrimSuffix(noun, "y") + "ie"
	}
	return money.Group(int64(n)) + " " + noun + "s"
}

// indented prints JSON for people; what is no JSON is printed as it is.
func indented(raw json.RawMessage) string {
	var v any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return inert(string(raw))
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return inert(string(raw))
	}
	return inert(strings.TrimSpace(b.String()))
}

// words splits a list that an owner typed: by commas and blanks.
func words(s string) []string {
	list := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	slices.Sort(list)
	return slices.Compact(list)
}
