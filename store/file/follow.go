package file

import (
	"context"
	"iter"

	"github.com/openleash/openleash-go/store"
)

// followed is how many index records a follower looks at at once. There may be many followers.
const followed = 64

// LastSeq is the sequence number of the last durable entry; 0 if there is none.
func (s *Store) LastSeq() uint64 {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.durable
}

// Follow yields the durable entries of an owner ("" is all) after afterSeq, then those to come, until
// ctx ends. Entries of other owners neither wake it nor are read.
func (s *Store) Follow(ctx context.Context, ownerID string, afterSeq uint64) iter.Seq2[store.Entry, error] {
	q := store.AuditQuery{OwnerID: ownerID}
	f := s.log.hasher.filter(&q)
	return func(yield func(store.Entry, error) bool) {
		next := afterSeq + 1
		for ctx.Err() == nil {
			last, moved, err := s.log.progress(f.owner)
			for err == nil && next <= last {
				var found []store.Entry
				found, next, err = s.log.forward(&q, &f, next, last)
				for _, e := range found {
					if !yield(e, nil) {
						return
					}
				}
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			select {
			case <-moved:
			case <-ctx.Done():
			}
		}
	}
}

// progress returns the last durable sequence number, and a channel that is closed when there are more
// entries of an owner; 0 is anybody's.
func (l *auditLog) progress(owner uint32) (last uint64, moved <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, nil, errClosed
	}
	if l.moved[owner] == nil {
		l.moved[owner] = make(chan struct{})
	}
	return l.durable, l.moved[owner], nil
}

// wake tells those who follow of a batch that became durable. The caller holds mu.
func (l *auditLog) wake(b *batch) {
	if len(l.moved) == 0 {
		return
	}
	for i := range b.items {
		for _, owner := range [...]uint32{0, b.items[i].record.owner} {
			if moved := l.moved[owner]; moved != nil {
				close(moved)
				delete(l.moved, owner)
			}
		}
	}
}

// forward returns what matches among some entries from next to last, and where to go on.
func (l *auditLog) forward(q *store.AuditQuery, f *filter, next, last uint64) (found []store.Entry, behind uint64, err error) {
	g, place := l.segmentOf(next)
	if g == nil {
		return nil, next, store.ErrNotFound
	}
	n := min(followed, int(last-next+1), g.count()-place)
	if n <= 0 {
		return nil, next, store.ErrNotFound
	}
	candidates, err := g.candidates(place, n, f, make([]byte, n*recordSize))
	for _, c := range candidates {
		e, ok, err := g.matching(c.place, q, nil)
		if err != nil {
			return nil, next, err
		}
		if ok {
			found = append(found, e)
		}
	}
	return found, next + uint64(n), err
}
