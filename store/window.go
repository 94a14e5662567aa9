package store

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"time"
)

// Window is the time over which a budget adds up. Exactly one of Calendar and Sliding is set.
type Window struct {
	// Calendar is "day", "week", "month", "year" or "lifetime".
	Calendar string
	// Zone is the IANA name of the calendar's time zone; empty is UTC.
	Zone string
	// WeekStart is the first day of a calendar week.
	WeekStart time.Weekday
	// Sliding is the length of a window that ends now; its charges age out one by one. Whole
	// seconds, at most MaxSliding.
	Sliding time.Duration
}

// The calendar windows.
const (
	Day      = "day"
	Week     = "week"
	Month    = "month"
	Year     = "year"
	Lifetime = "lifetime"
)

// MaxSliding bounds a sliding window: longer ones lose nothing by being calendar years.
const MaxSliding = 10 * 366 * 24 * time.Hour

// windowJSON is a Window as it stands in the log. Seconds, because nanoseconds of a long window
// are beyond what a JSON number holds exactly.
type windowJSON struct {
	Calendar  string       `json:"calendar,omitempty"`
	Sliding   int64        `json:"sliding_seconds,omitempty"`
	WeekStart time.Weekday `json:"week_start,omitempty"`
	Zone      string       `json:"zone,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (w Window) MarshalJSON() ([]byte, error) {
	return json.Marshal(windowJSON{w.Calendar, int64(w.Sliding / time.Second), w.WeekStart, w.Zone})
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *Window) UnmarshalJSON(b []byte) error {
	var j windowJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if j.Sliding < 0 || j.Sliding > int64(MaxSliding/time.Second) {
		return fmt.Errorf("sliding window of %d seconds: out of range", j.Sliding)
	}
	*w = Window{j.Calendar, j.Zone, j.WeekStart, time.Duration(j.Sliding) * time.Second}
	return nil
}

// Validate says what is wrong with a window, its zone apart. Nothing can be charged in a broken one.
func (w Window) Validate() error {
	if (w.Calendar == "") == (w.Sliding == 0) {
		return fmt.Errorf("a window is either a calendar one or a sliding one")
	}
	if w.Sliding != 0 {
		if w.Sliding < time.Second || w.Sliding > MaxSliding || w.Sliding%time.Second != 0 {
			return fmt.Errorf("sliding window of %s: want whole seconds up to %s", w.Sliding, MaxSliding)
		}
		return nil
	}
	if w.WeekStart < time.Sunday || w.WeekStart > time.Saturday {
		return fmt.Errorf("week start %d is no weekday", w.WeekStart)
	}
	switch w.Calendar {
	case Day, Week, Month, Year, Lifetime:
	default:
		return fmt.Errorf("unknown calendar window %q", w.Calendar)
	}
	return nil
}

// Bounds returns the calendar window that holds t: start <= t < end. A lifetime has neither. It
// must not be called on a sliding window.
func (w Window) Bounds(t time.Time) (start, end time.Time, err error) {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return start, end, fmt.Errorf("time zone of a budget: %w", err)
	}
	return w.bounds(t, zone)
}

func (w Window) bounds(t time.Time, zone *time.Location) (start, end time.Time, err error) {
	if w.Calendar == Lifetime {
		return time.UnixMilli(math.MinInt64 + 1), time.UnixMilli(math.MaxInt64), nil
	}
	first, err := w.firstDate(t.In(zone))
	if err != nil {
		return start, end, err
	}
	start, end = startOf(first, zone), startOf(w.dateAfter(first, 1), zone)
	// Where clocks change at midnight, the last hour of a date may come twice, the second time
	// after the next date has begun. It stays in that one: windows are instants, not labels.
	for !t.Before(end) {
		first = w.dateAfter(first, 1)
		start, end = end, startOf(w.dateAfter(first, 1), zone)
	}
	for t.Before(start) {
		first = w.dateAfter(first, -1)
		start, end = startOf(first, zone), start
	}
	return start, end, nil
}

// firstDate is the date on which the window of t begins, as midnight UTC.
func (w Window) firstDate(t time.Time) (time.Time, error) {
	y, m, d := t.Date()
	switch w.Calendar {
	case Day:
	case Week:
		d -= (int(t.Weekday()) - int(w.WeekStart) + 7) % 7
	case Month:
		d = 1
	case Year:
		m, d = time.January, 1
	default:
		return time.Time{}, fmt.Errorf("unknown calendar window %q", w.Calendar)
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), nil
}

// dateAfter is the first date of the window n windows after that of first.
func (w Window) dateAfter(first time.Time, n int) time.Time {
	switch w.Calendar {
	case Week:
		return first.AddDate(0, 0, 7*n)
	case Month:
		return first.AddDate(0, n, 0)
	case Year:
		return first.AddDate(n, 0, 0)
	default:
		return first.AddDate(0, 0, n)
	}
}

// startOf returns the first instant in a zone whose local time is at or after midnight of date, which
// is given as midnight UTC.
func startOf(date time.Time, zone *time.Location) time.Time {
	guess := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone).UTC()
	offset := offsetAt(guess, zone)
	if guess.Add(offset).Equal(date) && offset == offsetAt(guess.Add(-3*time.Hour), zone) && offset == offsetAt(guess.Add(3*time.Hour), zone) {
		return guess
	}
	// The clocks change around midnight: time.Date may then return an instant of the day before, or
	// the second of two midnights. (Time.ZoneBounds is of no use: on the last day of a leap year it
	// returns an end that is past.) No zone is 16 hours from UTC.
	at := date.Add(-16 * time.Hour)
	const step = 15 * time.Minute
	for at.Add(step).Add(offsetAt(at.Add(step), zone)).Before(date) {
		at = at.Add(step)
	}
	seconds := sort.Search(int(step/time.Second), func(n int) bool {
		t := at.Add(time.Duration(n) * time.Second)
		return !t.Add(offsetAt(t, zone)).Before(date)
	})
	return at.Add(time.Duration(seconds) * time.Second)
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
