package store

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWindowBounds(t *testing.T) {
	for _, c := range []struct {
		name, at, start, end string
		window               Window
	}{
		{"a day", "2026-04-10T12:00:00Z", "2026-04-10T00:00:00Z", "2026-04-11T00:00:00Z", Window{Calendar: Day}},
		{"a day in a zone", "2026-04-10T23:00:00Z", "2026-04-10T22:00:00Z", "2026-04-11T22:00:00Z", Window{Calendar: Day, Zone: "Europe/Amsterdam"}},
		{"23 hours in spring", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", Window{Calendar: Day, Zone: "Europe/Amsterdam"}},
		{"25 hours in autumn", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", Window{Calendar: Day, Zone: "Europe/Amsterdam"}},
		{"a day that begins at one", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", Window{Calendar: Day, Zone: "America/Sao_Paulo"}},
		{"midnight twice: the first", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z", Window{Calendar: Day, Zone: "America/Sao_Paulo"}},
		{"an hour after midnight twice", "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", Window{Calendar: Day, Zone: "America/Havana"}},
		{"a date that never was", "2011-12-31T00:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", Window{Calendar: Day, Zone: "Pacific/Apia"}},
		{"a week from Sunday", "2026-04-10T12:00:00Z", "2026-04-05T00:00:00Z", "2026-04-12T00:00:00Z", Window{Calendar: Week}},
		{"a week from Monday", "2026-04-10T12:00:00Z", "2026-04-06T00:00:00Z", "2026-04-13T00:00:00Z", Window{Calendar: Week, WeekStart: time.Monday}},
		{"the last of a month", "2026-01-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", Window{Calendar: Month}},
		{"a leap February", "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z", Window{Calendar: Month}},
		{"the last of a leap year", "2048-12-31T12:00:00Z", "2048-12-30T23:00:00Z", "2048-12-31T23:00:00Z", Window{Calendar: Day, Zone: "Europe/Amsterdam"}},
		{"clocks go back a minute after midnight", "2010-11-07T02:30:30Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z", Window{Calendar: Day, Zone: "America/St_Johns"}},
		{"a year", "2026-12-31T23:30:00Z", "2026-12-31T23:00:00Z", "2027-12-31T23:00:00Z", Window{Calendar: Year, Zone: "Europe/Amsterdam"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			start, end, err := c.window.Bounds(at)
			if err != nil {
				t.Fatal(err)
			}
			if s, e := start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339); s != c.start || e != c.end {
				t.Errorf("got %s to %s, want %s to %s", s, e, c.start, c.end)
			}
		})
	}
}

// Windows hold their instant and follow each other without gap or overlap, in every zone.
func TestWindowsTile(t *testing.T) {
	zones := []string{"", "UTC", "Europe/Amsterdam", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Africa/Cairo",
		"Pacific/Apia", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Asia/Gaza", "America/Toronto"}
	rapid.Check(t, func(t *rapid.T) {
		w := Window{
			Calendar:  rapid.SampledFrom([]string{Day, Week, Month, Year}).Draw(t, "calendar"),
			Zone:      rapid.SampledFrom(zones).Draw(t, "zone"),
			WeekStart: time.Weekday(rapid.IntRange(0, 6).Draw(t, "week start")),
		}
		at := time.UnixMilli(rapid.Int64Range(-1e12, 4e12).Draw(t, "at"))
		start, end, err := w.Bounds(at)
		if err != nil {
			t.Fatal(err)
		}
		if at.Before(start) || !at.Before(end) {
			t.Fatalf("%v is not in %v to %v", at.UTC(), start, end)
		}
		for _, probe := range []time.Time{start, end.Add(-time.Millisecond)} {
			if s, e, _ := w.Bounds(probe); !s.Equal(start) || !e.Equal(end) {
				t.Fatalf("%v is in %v to %v, and %v in %v to %v", at.UTC(), start, end, probe.UTC(), s, e)
			}
		}
		if s, _, _ := w.Bounds(end); !s.Equal(end) {
			t.Fatalf("the window after %v begins at %v", end, s)
		}
	})
}

func TestBrokenWindows(t *testing.T) {
	for _, w := range []Window{
		{}, {Calendar: Day, Sliding: time.Hour}, {Calendar: "fortnight"}, {Sliding: -time.Hour},
		{Sliding: time.Millisecond}, {Sliding: MaxSliding + time.Second}, {Calendar: Week, WeekStart: 7},
	} {
		if err := w.Validate(); err == nil {
			t.Errorf("%+v is valid", w)
		}
	}
	l := NewLedger()
	b := Budget{Limit: 100, Window: Window{Calendar: Day, Zone: "Nowhere/Land"}}
	if err := l.Check([]Charge{{Budget: b, Amount: 1}}, time.Now()); err == nil {
		t.Error("a budget in an unknown zone was charged")
	}
	if st := l.State(b, time.Now()); st.Remaining != 0 {
		t.Errorf("it has %d left", st.Remaining)
	}
}
