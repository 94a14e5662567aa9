package leash

import (
	"context"

	"github.com/openleash/openleash-go/store"
)

// Waiting counts what waits for an owner.
type Waiting struct {
	Approvals int `json:"approvals"`
	Drafts    int `json:"policy_drafts"`
	Agents    int `json:"agents"`
}

// Waiting counts what waits for the caller now. It is cheap enough for every page.
func (s *Service) Waiting(ctx context.Context, c Caller) (Waiting, error) {
	var w Waiting
	mine := []string{store.ByOwner(c.OwnerID), store.ByStatus(store.Pending)}
	for rec, err := range s.store.Find(ctx, store.KindApproval, mine...) {
		if err != nil {
			return w, unavailable(err)
		}
		if rec.(store.Approval).ExpiresAt.After(s.Now()) {
			w.Approvals++
		}
	}
	for kind, n := range map[store.Kind]*int{store.KindDraft: &w.Drafts, store.KindAgent: &w.Agents} {
		for _, err := range s.store.Find(ctx, kind, mine...) {
			if err != nil {
				return w, unavailable(err)
			}
			*n++
		}
	}
	return w, nil
}
