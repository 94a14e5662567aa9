package file

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/openleash/openleash-go/store"
)

// Count says what reading the log says: over several segments, reopened or not, and for one agent.
func TestCount(t *testing.T) {
	ctx, c, dir := context.Background(), start(), t.TempDir()
	options := Options{Clock: c.Now, SegmentSize: 8 << 10}
	s := openStore(t, dir, options)
	all := []store.Result{store.Allow, store.Deny, store.RequireApproval, store.RequireStepUp, store.RequireDeposit}
	for i := range 120 {
		c.now = c.now.Add(23 * time.Minute)
		d := decision(i, c.now)
		d.Result = all[i%7%len(all)]
		d.AgentPrincipalID = fmt.Sprint("agt_", i%3)
		if _, err := s.Record(ctx, d, nil); err != nil {
			t.Fatal(err)
		}
	}
	since := c.now.Add(-30 * time.Hour)
	for _, agent := range []string{"", "agt_1"} {
		want := map[time.Time]store.Counts{}
		page, err := s.Audit(ctx, store.AuditQuery{OwnerID: "usr_1", AgentPrincipalID: agent, Since: since, Limit: 500,
			Types: []store.EventType{store.DecisionCreated}})
		if err != nil || len(page.Items) == 0 {
			t.Fatal(page, err)
		}
		for _, e := range page.Items {
			hour := e.Time.Truncate(time.Hour)
			if want[hour] == nil {
				want[hour] = store.Counts{}
			}
			want[hour][e.Decision.Result]++
		}
		for _, reopened := range []bool{false, true} {
			if reopened {
				s.Close()
				s = openStore(t, dir, options)
			}
			got, err := s.Count(ctx, "usr_1", agent, since)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range got {
				maps.DeleteFunc(n, func(_ store.Result, n int) bool { return n == 0 })
			}
			if !maps.EqualFunc(got, want, maps.Equal) {
				t.Errorf("agent %q, reopened %v: got %v, want %v", agent, reopened, got, want)
			}
		}
	}
	if got, err := s.Count(ctx, "usr_2", "", since); err != nil || len(got) != 0 {
		t.Errorf("of another owner: %v, %v", got, err)
	}
}
