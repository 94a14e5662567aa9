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
		for seq := uint64(1); seq <= last; {
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return
			}
			g, place := s.log.segmentOf(seq)
			rs, err := g.records(place, min(chunk, int(last-seq)+1))
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for i := range rs {
				if !f.match(&rs[i]) {
					continue
				}
				e, ok, err := g.matching(place+i, &q, text)
				if (ok || err != nil) && !yield(e, err) || err != nil {
					return
				}
			}
			seq += uint64(len(rs))
		}
	}
}
