package file

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/openleash/openleash-go/store"
)

// Bounds of one page.
const (
	defaultPage = 50
	maxPage     = 500
	chunk       = 2048    // index records read at once
	maxScan     = 6 << 20 // bytes of lines read; then the page ends, with a cursor to go on from
)

// Audit reads a page of the log, newest first. A page may be short, or empty, and still have a
// cursor: searching for text goes through a bounded stretch of the log at a time.
func (s *Store) Audit(ctx context.Context, q store.AuditQuery) (store.AuditPage, error) {
	var page store.AuditPage
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	next := s.log.last()
	if q.Cursor != "" {
		c, err := strconv.ParseUint(q.Cursor, 10, 63)
		if err != nil {
			return page, fmt.Errorf("cursor %q: not one of this log: %w", q.Cursor, store.ErrNotFound)
		}
		next = min(next, c)
	}
	left := maxScan
	for e, err := range s.newestFirst(ctx, q, next, &left) {
		if err != nil {
			return page, err
		}
		if len(page.Items) == limit {
			page.NextCursor = strconv.FormatUint(e.Seq, 10)
			return page, nil
		}
		page.Items = append(page.Items, e)
	}
	if left < 0 {
		page.NextCursor = strconv.FormatUint(uint64(-left), 10)
	}
	return page, nil
}

// newestFirst yields the entries that match, from seq next down. When it has read *left bytes of
// lines it ends, and *left is then minus the sequence number to go on from.
func (s *Store) newestFirst(ctx context.Context, q store.AuditQuery, next uint64, left *int) iter.Seq2[store.Entry, error] {
	f := s.log.hasher.filter(&q)
	text := lower(q.Text)
	return func(yield func(store.Entry, error) bool) {
		buf := make([]byte, chunk*recordSize)
		for next > 0 {
			g, place := s.log.segmentOf(next)
			first := max(0, place+1-chunk)
			found, err := g.candidates(first, place+1-first, &f, buf)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, c := range slices.Backward(found) {
				if *left -= c.length; *left <= 0 {
					*left = -int(g.first + uint64(c.place))
					return
				}
				e, ok, err := g.matching(c.place, &q, text)
				if (ok || err != nil) && !yield(e, err) || err != nil {
					return
				}
			}
			next = g.first + uint64(first) - 1
		}
	}
}

func lower(text string) []byte { return bytes.ToLower([]byte(text)) }

// matching reads an entry and says whether it is really what the query asks for.
func (g *segment) matching(place int, q *store.AuditQuery, text []byte) (store.Entry, bool, error) {
	line, err := g.line(place)
	if err != nil {
		return store.Entry{}, false, err
	}
	if len(text) > 0 && !bytes.Contains(bytes.ToLower(line), text) {
		return store.Entry{}, false, nil
	}
	e, err := store.DecodeLine(line)
	if err != nil {
		return e, false, fmt.Errorf("entry %d: %w", g.first+uint64(place), err)
	}
	return e, matches(&e, q), nil
}

func matches(e *store.Entry, q *store.AuditQuery) bool {
	switch {
	case q.OwnerID != "" && e.OwnerID != q.OwnerID,
		q.AgentPrincipalID != "" && e.AgentPrincipalID != q.AgentPrincipalID,
		len(q.Types) > 0 && !slices.Contains(q.Types, e.Type),
		q.Result != "" && (e.Decision == nil || e.Decision.Result != q.Result),
		q.PolicyID != "" && (e.Decision == nil || e.Decision.PolicyID != q.PolicyID),
		!q.Since.IsZero() && e.Time.Before(q.Since),
		!q.Until.IsZero() && !e.Time.Before(q.Until):
		return false
	}
	return true
}
