package leash

import (
	"context"
	"errors"

	"github.com/openleash/openleash-go/store"
)

// maxChanges is how often something is decided again because owners, agents, policies or keys changed meanwhile.
const maxChanges = 16

// unchanged calls do until what it decides with is still in force when it is recorded: as long as it returns
// [store.ErrChanged]. So nothing is recorded behind a revocation or a new policy that it did not see.
func unchanged(do func() error) error {
	var err error
	for range maxChanges {
		if err = do(); !errors.Is(err, store.ErrChanged) {
			return err
		}
	}
	return unavailable(err)
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
