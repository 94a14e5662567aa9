package file

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/openleash/openleash-go/store"
)

// Count adds up the decisions of an owner, of one agent or of all, by the hour and the result, from
// since on. It reads the index and no line of the log: a million entries take some milliseconds.
func (s *Store) Count(ctx context.Context, ownerID, agentPrincipalID string, since time.Time) (map[time.Time]store.Counts, error) {
	f := s.log.hasher.filter(&store.AuditQuery{OwnerID: ownerID, AgentPrincipalID: agentPrincipalID,
		Types: []store.EventType{store.DecisionCreated}, Since: since})
	t := countsByHour{filter: &f, hours: map[int64]*[len(results) + 1]int{}}
	s.log.segmentsMu.RLock()
	segments := slices.Clone(s.log.segments)
	s.log.segmentsMu.RUnlock()
	for _, g := range slices.Backward(segments) {
		if err := g.countInto(ctx, &t); err != nil {
			return nil, err
		}
		if t.passed(since) {
			break
		}
	}
	out := make(map[time.Time]store.Counts, len(t.hours))
	for hour, n := range t.hours {
		counts := store.Counts{}
		for i, r := range results {
			counts[r] = n[i+1]
		}
		out[time.UnixMilli(hour*hourMillis).UTC()] = counts
	}
	return out, nil
}

const hourMillis = int64(time.Hour / time.Millisecond)

// countsByHour are decisions by Unix hour and result code.
type countsByHour struct {
	filter *filter
	hours  map[int64]*[len(results) + 1]int
	newest int64 // time of the newest record of the stretch that was read last
}

// passed says that what comes before was recorded well before since. The clock may have stepped back;
// a picture forgives what it then leaves out.
func (t *countsByHour) passed(since time.Time) bool {
	return t.newest < since.Add(-24*time.Hour).UnixMilli()
}

func (t *countsByHour) add(at int64, result uint8) {
	n := t.hours[at/hourMillis]
	if n == nil {
		n = new([len(results) + 1]int)
		t.hours[at/hourMillis] = n
	}
	n[min(int(result), len(results))]++
}

// countInto counts a segment's records, from the newest back until they are passed.
func (g *segment) countInto(ctx context.Context, t *countsByHour) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	t.newest = minTime
	for i := range g.tail {
		t.newest = max(t.newest, g.tail[i].time)
		if r := &g.tail[i]; t.filter.match(r) {
			t.add(r.time, r.result)
		}
	}
	since := time.UnixMilli(t.filter.since)
	buf := make([]byte, chunk*recordSize)
	for end := g.flushed; end > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		first := max(0, end-chunk)
		b := buf[:(end-first)*recordSize]
		if _, err := g.index.ReadAt(b, int64(first)*recordSize); err != nil {
			return fmt.Errorf("reading the index of %s: %w", filepath.Base(g.path), err)
		}
		t.newest = minTime
		for ; len(b) > 0; b = b[recordSize:] {
			at := int64(binary.LittleEndian.Uint64(b[8:]))
			t.newest = max(t.newest, at)
			if t.filter.matchRaw(b) {
				t.add(at, b[49])
			}
		}
		if t.passed(since) {
			return nil
		}
		end = first
	}
	return nil
}
