package leash_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// BenchmarkAuthorize is a signed request from authentication to proof, with one budget charged and the
// log entry durable, 32 at once. Signing is the client's work and not counted.
func BenchmarkAuthorize(b *testing.B) {
	w := newWorld(b)
	w.policy(budgeted(1<<52, "deny"))
	a := w.agent("shopper")
	requests := make([]leash.Request, b.N)
	for i := range requests {
		body := []byte(fmt.Sprintf(`{"action_id":"00000000-0000-4000-8000-%012d","action_type":"purchase.order","principal":{"agent_id":"shopper"},`+
			`"relying_party":{"domain":"shop.example.com","trust_profile":"LOW"},"payload":{"amount_minor":4500,"currency":"USD",`+
			`"merchant_domain":"shop.example.com","category":"office_supplies","order_reference":"PO-2026-000184"}}`, i))
		requests[i] = leash.Request{Method: "POST", Path: "/v1/authorize", Body: body,
			Headers: proof.SignRequest(a.key, a.id, "POST", "/v1/authorize", w.clock.Now(), fmt.Sprint("nonce", i), body)}
	}
	var next atomic.Int64
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := requests[next.Add(1)-1]
			agent, err := w.Authenticate(b.Context(), r)
			if err != nil {
				b.Error(err)
				return
			}
			answer, err := w.Authorize(b.Context(), agent, r.Body)
			if err != nil || answer.Result != store.Allow || answer.ProofToken == nil {
				b.Errorf("%+v, %v", answer, err)
				return
			}
		}
	})
}
