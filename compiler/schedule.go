package compiler

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // schedules and budgets mean the same on every machine

	"gopkg.in/yaml.v3"
)

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var hoursForm = regexp.MustCompile(`^([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])$`)

// schedule reads days, hours and a time zone. Hours that end before they begin run over midnight and
// belong to the day on which they began.
func (r *reader) schedule(n *yaml.Node) (Schedule, bool) {
	r.condition(n, scheduleParts)
	s := Schedule{Zone: "UTC", Pos: r.at(n)}
	before := len(r.ds)
	seen, ok := r.mapping(n, "schedule",
		field{"days", func(n *yaml.Node) {
			r.list(n, "days", false, func(n *yaml.Node) {
				if word, ok := r.word(n, "day", "unknown_day", true, dayNames...); ok {
					s.Days = append(s.Days, time.Weekday(slices.Index(dayNames, word)))
				}
			})
		}},
		field{"hours", func(n *yaml.Node) {
			text, ok := r.text(n, "hours")
			if !ok {
				return
			}
			if s.Start, s.End, ok = hours(text); !ok {
				r.errorf(n, "invalid_hours", "hours are written 09:00-17:00, from 00:00 to 24:00, and differ")
			}
		}},
		field{"timezone", func(n *yaml.Node) { s.Zone = r.zone(n) }})
	if ok && seen["days"] == nil && seen["hours"] == nil {
		r.errorf(n, "missing_key", "a schedule names days or hours")
	}
	slices.Sort(s.Days)
	s.Days = slices.Compact(s.Days)
	return s, len(r.ds) == before
}

func hours(text string) (start, end int, ok bool) {
	m := hoursForm.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	minutes := func(h, m string) int {
		hh, _ := strconv.Atoi(h)
		mm, _ := strconv.Atoi(m)
		return 60*hh + mm
	}
	start, end = minutes(m[1], m[2]), minutes(m[3], m[4])
	return start, end, start < 24*60 && end <= 24*60 && start != end
}

// zone reads an IANA time zone.
func (r *reader) zone(n *yaml.Node) string {
	name, ok := r.text(n, "timezone")
	if !ok {
		return "UTC"
	}
	if _, err := time.LoadLocation(name); err != nil || name == "" || strings.EqualFold(name, "local") {
		r.errorf(n, "unknown_timezone", "%q is no IANA time zone, such as Europe/Amsterdam", clipped(name))
		return "UTC"
	}
	return name
}
