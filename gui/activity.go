package gui

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/openleash/openleash-go/store"
)

const (
	chartDays = 14
	// maxActivity bounds how many decisions one visit reads for a picture.
	maxActivity = 300
)

// activity is what an owner's agents did in the last days.
type activity struct {
	You     string // whom the agents ask, as the page calls them
	Days    []day
	Today   day  // the last 24 hours
	Partial bool // what was spent is not added up to the beginning yet
}

// day adds up decisions.
type day struct {
	Start            time.Time
	Allow, Ask, Deny int
	Spent            map[string]int64 // minor units by currency
}

func (d day) Sum() int { return d.Allow + d.Ask + d.Deny }

func (d day) words(you string) string {
	return fmt.Sprintf("%d allowed, %d put to %s, %d denied", d.Allow, d.Ask, you, d.Deny)
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

// tally adds up what an owner's agents spent by the hour: amounts stand in the log alone. It is read
// forward from where it ended, and backward a stretch at a time until it reaches the beginning of the
// picture.
type tally struct {
	mu     sync.Mutex
	newest uint64 // sequence number up to which it has read
	older  string // cursor of what is not yet read behind it; empty if all is
	hours  map[int64]*day

	counts  map[time.Time]store.Counts // decisions by the hour
	counted time.Time                  // when they were last brought up to date
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
		t.all[key] = &tally{hours: map[int64]*day{}, counts: map[time.Time]store.Counts{}}
	}
	return t.all[key]
}

// activity adds up the decisions of the last days, of one agent or of all.
func (v *visit) activity(agentPrincipalID string) (activity, error) {
	from := v.now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-chartDays)
	t := v.portal.tallies.of(v.caller.OwnerID, agentPrincipalID)
	t.mu.Lock()
	defer t.mu.Unlock()
	q := store.AuditQuery{AgentPrincipalID: agentPrincipalID, Types: []store.EventType{store.DecisionCreated}, Result: store.Allow, Since: from, Limit: 500}
	if err := v.readNew(t, q); err != nil {
		return activity{}, err
	}
	if err := v.countNew(t, agentPrincipalID, from); err != nil {
		return activity{}, err
	}
	out := t.picture(from, v.now)
	out.You = v.you()
	for hour, n := range t.counts {
		d := day{Start: hour, Allow: n[store.Allow], Deny: n[store.Deny]}
		d.Ask = n[store.RequireApproval] + n[store.RequireStepUp] + n[store.RequireDeposit]
		out.add(d, v.now)
	}
	return out, nil
}

// countNew counts the hours anew that may have changed since they were counted last.
func (v *visit) countNew(t *tally, agentPrincipalID string, from time.Time) error {
	since := t.counted
	if v.now.Before(since) { // the clock stepped back
		since = v.now
	}
	if since = since.Truncate(time.Hour); since.Before(from) {
		since = from
	}
	fresh, err := v.svc.Count(v.ctx(), v.caller, agentPrincipalID, since)
	if err != nil {
		return err
	}
	maps.DeleteFunc(t.counts, func(hour time.Time, _ store.Counts) bool { return hour.Before(from) || !hour.Before(since) })
	maps.Copy(t.counts, fresh)
	t.counted = v.now
	return nil
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
	a := readAction(e.Action)
	if e.Decision == nil || e.Decision.Result != store.Allow || !a.Counts || a.Minor <= 0 {
		return
	}
	hour := e.Time.Unix() / 3600
	if t.hours[hour] == nil {
		t.hours[hour] = &day{Start: time.Unix(hour*3600, 0).UTC()}
	}
	t.hours[hour].spend(a.Currency, a.Minor)
}

// picture adds the hours up to days, and forgets those before.
func (t *tally) picture(from, now time.Time) activity {
	out := activity{Partial: t.older != ""}
	for i := range chartDays {
		out.Days = append(out.Days, day{Start: from.AddDate(0, 0, i)})
	}
	for key, h := range t.hours {
		if h.Start.Before(from) {
			delete(t.hours, key)
			continue
		}
		out.add(*h, now)
	}
	return out
}

// add adds what happened in an hour to its day, and to the last 24 hours.
func (a *activity) add(hour day, now time.Time) {
	if i := int(hour.Start.Sub(a.Days[0].Start) / (24 * time.Hour)); i >= 0 && i < len(a.Days) {
		a.Days[i].add(hour)
	}
	if now.Sub(hour.Start) <= 24*time.Hour {
		a.Today.add(hour)
	}
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
