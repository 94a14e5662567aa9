package proof

import (
	"sync"
	"time"
)

// MaxReplays is how many proofs a ReplayCache remembers.
const MaxReplays = 100_000

// ReplayCache remembers the proofs that were accepted, by kid and jti, until they expire. It holds at most MaxReplays; when it
// is full it accepts nothing until one of them has expired. The zero value is empty and ready. It is safe for concurrent use.
//
// It knows what this process accepted, and no more: several processes, and several counterparties, redeem proofs online instead.
type ReplayCache struct {
	mu   sync.Mutex
	seen map[replay]time.Time // when it expires
	next time.Time            // no entry expires before this
}

type replay struct{ kid, jti string }

// processReplays is shared by everyone who names no cache, so that a verifier that is made anew for each request, or a
// second one beside it, remembers too.
var processReplays ReplayCache

// record remembers a proof whose claims were all checked, or says why it must not be accepted. Expired entries are dropped
// only when their room is needed, so that a clock that is set back does not let them in again.
func (r *ReplayCache) record(c *Claims, now time.Time) *VerifyError {
	key := replay{c.KID, c.ID}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.seen[key]; seen {
		return &VerifyError{Reason: AlreadyRedeemed, Message: "it was accepted here before"}
	}
	if len(r.seen) >= MaxReplays {
		r.dropExpired(now)
	}
	if len(r.seen) >= MaxReplays {
		return &VerifyError{Reason: ReplayCacheFull, Message: "no more proofs can be remembered here; redeem it online: POST /v1/redeem-proof"}
	}
	if r.seen == nil {
		r.seen = make(map[replay]time.Time)
	}
	r.seen[key] = c.ExpiresAt
	if len(r.seen) == 1 || c.ExpiresAt.Before(r.next) {
		r.next = c.ExpiresAt
	}
	return nil
}

func (r *ReplayCache) dropExpired(now time.Time) {
	if now.Before(r.next) {
		return
	}
	r.next = time.Time{}
	for key, expires := range r.seen {
		switch {
		case !now.Before(expires):
			delete(r.seen, key)
		case r.next.IsZero() || expires.Before(r.next):
			r.next = expires
		}
	}
}
