package leash_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// TestNothingIsAllowedBehindAChange: agents ask while one of them is revoked, or everything is denied. The log has no
// ALLOW behind the change.
func TestNothingIsAllowedBehindAChange(t *testing.T) {
	for name, change := range map[string]struct {
		logged store.EventType
		make   func(w *world, b *bot) error
	}{
		"the agent is revoked": {store.AgentRevoked, func(w *world, b *bot) error {
			_, err := w.SetAgentStatus(w.t.Context(), w.owner, b.id, store.Revoked)
			return err
		}},
		"everything is denied": {store.PolicyUpdated, func(w *world, _ *bot) error {
			_, err := w.PutPolicy(w.t.Context(), w.owner, "", leash.PolicyInput{Text: "id: stop\nguardrail: true\nrules: [{action: '*', effect: deny}]\n"})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.policy("id: p\nrules: [{action: '*', effect: allow}]\n")
			b := w.agent("bot")
			stop := make(chan struct{})
			var asking, begun sync.WaitGroup
			for client := range 4 {
				begun.Add(1)
				asking.Go(func() {
					for n := 0; ; n++ {
						a, err := b.authenticate(uuid.NewString())
						if err == nil {
							_, _ = b.Service.Authorize(t.Context(), a, []byte(action(fmt.Sprintf("a%d-%d", client, n), "{}")))
						}
						if n == 5 {
							begun.Done()
						}
						select {
						case <-stop:
							return
						default:
						}
					}
				})
			}
			begun.Wait()
			err := change.make(w, b)
			close(stop)
			asking.Wait()
			must(t, err)
			page, err := w.store.Audit(t.Context(), store.AuditQuery{Limit: 500})
			must(t, err)
			for _, e := range page.Items { // newest first
				if e.Type == change.logged {
					return
				}
				if e.Decision != nil && e.Decision.Result == store.Allow {
					t.Fatalf("entry %d allows behind %s", e.Seq, change.logged)
				}
			}
			t.Fatalf("no %s", change.logged)
		})
	}
}
