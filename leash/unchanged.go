package leash

import (
	"context"
	"errors"

	"github.com/openleash/openleash-go/store"
)

// maxChanges is how often something is decided again because owners, agents, policies or keys changed meanwhile.
const maxChanges = 16

// unchanged calls do with the state of the store, again for as long as it returns [store.ErrChanged]. So nothing is
// recorded behind a revocation or a new policy that it did not see.
func (s *Service) unchanged(ctx context.Context, do func(store.Generation) error) error {
	for range maxChanges {
		generation, err := s.store.Generation(ctx)
		if err != nil {
			return unavailable(err)
		}
		if err := do(generation); !errors.Is(err, store.ErrChanged) {
			return err
		}
	}
	return unavailable(store.ErrChanged)
}

// unchangedFor is unchanged for an authenticated agent: do gets it as it is in the state that it decides in. As a rule
// nothing changed since it was authenticated.
func (s *Service) unchangedFor(ctx context.Context, a *Agent, do func(*Agent) error) error {
	if err := do(a); !errors.Is(err, store.ErrChanged) {
		return err
	}
	return s.unchanged(ctx, func(store.Generation) error {
		now, err := s.again(ctx, a)
		if err != nil {
			return err
		}
		return do(now)
	})
}

// again is an authenticated agent as it is now: the same one with the same key, and still active.
func (s *Service) again(ctx context.Context, a *Agent) (*Agent, error) {
	now, err := s.agent(ctx, a.AgentID)
	if err != nil {
		return nil, err
	}
	if now.PrincipalID != a.PrincipalID || now.PublicKeyB64 != a.PublicKeyB64 || now.Status != store.Active || now.Owner.Status != store.Active {
		return nil, fail(AgentInactive, "the agent %q is not active", a.AgentID)
	}
	same := *now
	same.nonce = a.nonce
	return &same, nil
}
