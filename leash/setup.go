package leash

import (
	"context"
	"crypto/subtle"
	"sync"

	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/policies"
	"github.com/openleash/openleash-go/store"
)

// setupCode guards the set-up of the first owner in the portal. It lives only as long as the process
// and is gone once an owner exists.
type setupCode struct {
	mu   sync.Mutex
	code string
}

// SetupCode returns the one-time code with which the first owner is set up in the portal, or "" if
// there is an owner already.
func (s *Service) SetupCode(ctx context.Context) (string, error) {
	owners, err := store.Find[store.Owner](ctx, s.store)
	if err != nil {
		return "", unavailable(err)
	}
	s.setup.mu.Lock()
	defer s.setup.mu.Unlock()
	if len(owners) > 0 {
		s.setup.code = ""
	} else if s.setup.code == "" {
		s.setup.code, _ = s.newSecret()
	}
	return s.setup.code, nil
}

// FirstOwner is what the first owner chooses.
type FirstOwner struct {
	DisplayName string
	Passphrase  string
	Profile     string // a policy profile of package policies, or "none"
}

// SetUpFirst creates the first owner with its first policy. It needs the one-time code.
func (s *Service) SetUpFirst(ctx context.Context, code string, in FirstOwner) (OwnerProfile, error) {
	want, err := s.SetupCode(ctx)
	if err != nil {
		return OwnerProfile{}, err
	}
	if want == "" {
		return OwnerProfile{}, fail(InvalidStatus, "this server is set up already; log in")
	}
	if err := s.guesses.admit("setup"); err != nil {
		return OwnerProfile{}, err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(code)) != 1 {
		s.guesses.wrong("setup")
		return OwnerProfile{}, fail(InvalidCredentials, "the set-up code is wrong; it is printed on the server's terminal")
	}
	return s.CreateFirst(ctx, in)
}

// CreateFirst creates an owner with passphrase and first policy, if there is no owner yet.
func (s *Service) CreateFirst(ctx context.Context, in FirstOwner) (OwnerProfile, error) {
	if err := CheckName(in.DisplayName); err != nil {
		return OwnerProfile{}, err
	}
	policy, err := profilePolicy(in.Profile)
	if err != nil {
		return OwnerProfile{}, err
	}
	hash, err := s.hashPassphrase(ctx, in.Passphrase)
	if err != nil {
		return OwnerProfile{}, err
	}
	now := s.Now()
	owner := store.Owner{ID: s.newID("usr"), Type: "HUMAN", DisplayName: in.DisplayName, Status: store.Active,
		PassphraseHash: hash, CreatedAt: now, UpdatedAt: now}
	var changes []policybook.Change
	if policy != nil {
		changes = append(changes, policybook.Change{OwnerID: owner.ID, By: owner.ID, Via: policybook.Setup, Path: policy.Path, Text: policy.Text})
	}
	err = s.applyPolicies(ctx, changes, func(tx store.Tx) error {
		owners, err := store.Find[store.Owner](ctx, tx)
		if err != nil {
			return err
		}
		if len(owners) > 0 {
			return fail(Conflict, "there is an owner already")
		}
		tx.Append(s.event(store.OwnerCreated, owner.ID, map[string]any{"display_name": owner.DisplayName}))
		return tx.Insert(owner)
	})
	if err != nil {
		return OwnerProfile{}, err
	}
	return profile(owner), nil
}

// profilePolicy returns the policy file that a profile begins with; nil for "none".
func profilePolicy(name string) (*store.PolicyFile, error) {
	if name == "" || name == "none" {
		return nil, nil
	}
	text, err := policies.Profile(name)
	if err != nil {
		return nil, fail(InvalidRequest, "the policy profiles are conservative, balanced, autonomous and none")
	}
	return &store.PolicyFile{Path: name + ".yaml", Text: text}, nil
}
