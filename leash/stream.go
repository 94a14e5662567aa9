package leash

import (
	"context"
	"iter"

	"github.com/openleash/openleash-go/store"
)

// StreamAll yields the log entries of all owners after a sequence number, then those to come, until
// ctx ends. It is for the admin.
func (s *Service) StreamAll(ctx context.Context, c Caller, afterSeq uint64) iter.Seq2[store.Entry, error] {
	if !c.Admin {
		return func(yield func(store.Entry, error) bool) {
			yield(store.Entry{}, fail(Forbidden, "the log of all owners is for the admin"))
		}
	}
	return s.store.Follow(ctx, afterSeq)
}
