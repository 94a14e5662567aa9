package leash

import (
	"context"
	"iter"

	"github.com/openleash/openleash-go/store"
)

// LastSeq is where a stream begins that tells only of what is to come.
func (s *Service) LastSeq() uint64 { return s.store.LastSeq() }

// Stream yields the caller's log entries after a sequence number, then those to come, until ctx ends.
// What an entry tells of can be read once it is there.
func (s *Service) Stream(ctx context.Context, c Caller, afterSeq uint64) iter.Seq2[store.Entry, error] {
	if c.OwnerID == "" {
		return refusal(fail(Forbidden, "the log of all owners is for the admin"))
	}
	return s.follow(ctx, c.OwnerID, afterSeq)
}

// StreamAll is Stream for the entries of all owners. It is for the admin.
func (s *Service) StreamAll(ctx context.Context, c Caller, afterSeq uint64) iter.Seq2[store.Entry, error] {
	if !c.Admin {
		return refusal(fail(Forbidden, "the log of all owners is for the admin"))
	}
	return s.follow(ctx, "", afterSeq)
}

func refusal(err error) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, err) }
}

func (s *Service) follow(ctx context.Context, ownerID string, afterSeq uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.store.Follow(ctx, ownerID, afterSeq) {
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
