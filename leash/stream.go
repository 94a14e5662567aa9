package leash

import (
	"context"
	"iter"

	"github.com/openleash/openleash-go/store"
)

// Stream yields the caller's log entries after a sequence number, then those to come, until ctx ends.
// What an entry tells of can be read once it is there.
func (s *Service) Stream(ctx context.Context, c Caller, afterSeq uint64) iter.Seq2[store.Entry, error] {
	return s.follow(ctx, afterSeq, func(e store.Entry) bool { return e.OwnerID == c.OwnerID })
}

// StreamAll is Stream for the entries of all owners. It is for the admin.
func (s *Service) StreamAll(ctx context.Context, c Caller, afterSeq uint64) iter.Seq2[store.Entry, error] {
	if !c.Admin {
		return func(yield func(store.Entry, error) bool) {
			yield(store.Entry{}, fail(Forbidden, "the log of all owners is for the admin"))
		}
	}
	return s.follow(ctx, afterSeq, func(store.Entry) bool { return true })
}

func (s *Service) follow(ctx context.Context, afterSeq uint64, wanted func(store.Entry) bool) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.store.Follow(ctx, afterSeq) {
			if err == nil && !wanted(e) {
				continue
			}
			if err == nil && e.Type != store.DecisionCreated {
				err = s.settled(ctx)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// settled returns once the transactions under way are done: an entry is in the log a moment before the
// records of its transaction can be read.
func (s *Service) settled(ctx context.Context) error {
	return s.update(ctx, func(store.Tx) error { return nil })
}
