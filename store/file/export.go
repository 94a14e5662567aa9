package file

import (
	"context"
	"iter"

	"github.com/openleash/openleash-go/store"
)

// Export yields the entries that match a query, oldest first, up to the last one that is durable
// when it begins. Limit and Cursor of the query do not count. See store.WriteJSONLines and WriteCSV.
func (s *Store) Export(ctx context.Context, q store.AuditQuery) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		f, text, last := s.log.hasher.filter(&q), lower(q.Text), s.log.last()
		buf := make([]byte, chunk*recordSize)
		for seq := uint64(1); seq <= last; {
			g, place := s.log.segmentOf(seq)
			n := min(chunk, int(last-seq)+1, g.count()-place)
			found, err := g.candidates(place, n, &f, buf)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for _, c := range found {
				e, ok, err := g.matching(c.place, &q, text)
				if (ok || err != nil) && !yield(e, err) || err != nil {
					return
				}
			}
			seq += uint64(n)
		}
	}
}
