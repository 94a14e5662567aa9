package file

import (
	"context"
	"fmt"
	"slices"

	"github.com/openleash/openleash-go/store"
)

// generation is the number of the state that decisions are made in. While a transaction changes that state, it is
// the new number already, so that nothing decided before is recorded behind the change; nobody is given the new
// number until what follows from the change is active. auditLog.mu guards it.
type generation struct {
	now      store.Generation
	changing chan struct{} // closed when the change is over; nil if there is none
}

// decisive reports whether a transaction changes what decisions depend on.
func (t *tx) decisive() bool {
	kinds := []store.Kind{store.KindOwner, store.KindAgent, store.KindKey, store.KindPolicy, store.KindPolicyRecord}
	return t.then != nil || slices.ContainsFunc(kinds, func(k store.Kind) bool { return len(t.changes[k]) > 0 })
}

// beginChange starts the next generation. end makes it known; both are called once, by one goroutine at a time.
func (l *auditLog) beginChange() (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changing := make(chan struct{})
	l.generation.now++
	l.generation.changing = changing
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.generation.changing = nil
		close(changing)
	}
}

// Generation returns the state to decide in. It waits while that state changes, at most until ctx ends.
func (s *Store) Generation(ctx context.Context) (store.Generation, error) {
	for {
		s.log.mu.Lock()
		now, changing := s.log.generation.now, s.log.generation.changing
		s.log.mu.Unlock()
		if changing == nil {
			return now, nil
		}
		select {
		case <-changing:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// check refuses what was decided in another state. The caller holds mu.
func (g *generation) check(decidedIn store.Generation) error {
	if decidedIn != 0 && decidedIn != g.now {
		return fmt.Errorf("decided in generation %d, now %d: %w", decidedIn, g.now, store.ErrChanged)
	}
	return nil
}
