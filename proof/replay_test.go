package proof_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
)

func reasonOf(err error) proof.Reason {
	var invalid *proof.VerifyError
	if errors.As(err, &invalid) {
		return invalid.Reason
	}
	return ""
}

// Promise 28: a verifier refuses a token that it has seen.
func TestPromise28_ProofIsAcceptedOnce(t *testing.T) {
	ring := newRing(t)
	c := proofClaims()
	c.ID = "prf_once"
	token := mint(t, ring, proof.PurposeProof, c)
	verify := func(e proof.Expect) proof.Reason {
		e.Purpose = proof.PurposeProof
		if e.Now.IsZero() {
			e.Now = epoch
		}
		_, err := proof.Verify(token, ring.PublicKeys().Source(), e)
		return reasonOf(err)
	}
	var own, other proof.ReplayCache
	for i, step := range []struct {
		expect proof.Expect
		want   proof.Reason
	}{
		// What is refused for another reason is not remembered.
		{proof.Expect{Replays: &own, Audience: "other.example"}, proof.AudienceMismatch},
		{proof.Expect{Replays: &own, Now: epoch.Add(-time.Hour)}, proof.NotYetValid},
		{proof.Expect{Replays: &own, AllowReplay: true}, ""},
		{proof.Expect{Replays: &own}, ""},
		{proof.Expect{Replays: &own}, proof.AlreadyRedeemed},
		{proof.Expect{Replays: &own, Online: true}, proof.AlreadyRedeemed},
		{proof.Expect{Replays: &own, AllowReplay: true}, ""},
		{proof.Expect{Replays: &own, Audience: "other.example"}, proof.AudienceMismatch},
		{proof.Expect{Replays: &other}, ""},
		{proof.Expect{}, ""}, // who names no cache has that of the process
		{proof.Expect{}, proof.AlreadyRedeemed},
	} {
		if got := verify(step.expect); got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}

// Promise 28: also when it is shown many times at once.
func TestPromise28_OneOfManyWins(t *testing.T) {
	ring := newRing(t)
	token := mint(t, ring, proof.PurposeProof, proofClaims())
	var cache proof.ReplayCache
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := proof.Verify(token, ring.PublicKeys().Source(), proof.Expect{Purpose: proof.PurposeProof, Now: epoch, Replays: &cache}); err == nil {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	if n := accepted.Load(); n != 1 {
		t.Errorf("accepted %d times", n)
	}
}

// Promise 28: a full cache forgets nothing that is still valid.
func TestPromise28_FullCacheRefuses(t *testing.T) {
	var cache proof.ReplayCache
	at := func(id int, expires, now time.Duration) proof.Reason {
		c := proof.Claims{ID: fmt.Sprint(id), KID: "key", ExpiresAt: epoch.Add(expires)}
		return cache.Record(&c, epoch.Add(now))
	}
	for i := range proof.MaxReplays {
		expires := time.Hour
		if i < 10 {
			expires = time.Minute
		}
		if r := at(i, expires, 0); r != "" {
			t.Fatalf("%d: %s", i, r)
		}
	}
	for i, step := range []struct {
		id   int
		now  time.Duration
		want proof.Reason
	}{
		{proof.MaxReplays, 59 * time.Second, proof.ReplayCacheFull},
		{5, 59 * time.Second, proof.AlreadyRedeemed},
		{proof.MaxReplays, time.Minute, ""}, // ten have expired
		{proof.MaxReplays, time.Minute, proof.AlreadyRedeemed},
		{20, time.Minute, proof.AlreadyRedeemed},
	} {
		if got := at(step.id, time.Hour, step.now); got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}
