package server

import (
	"math"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	maxAddresses = 8192 // remembered by a limiter; the one unseen for longest is forgotten
	burst        = 20   // seconds' worth of requests that may come at once
)

// limiter bounds how often one address may ask.
type limiter struct {
	perSecond rate.Limit
	clock     func() time.Time
	buckets   *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newLimiters(l Limits, clock func() time.Time) (map[weight]*limiter, error) {
	out := map[weight]*limiter{}
	for w, perSecond := range map[weight]float64{reads: l.Reads, writes: l.Writes, hashes: l.Hashes} {
		buckets, err := lru.New[netip.Prefix, *rate.Limiter](maxAddresses)
		if err != nil {
			return nil, err
		}
		out[w] = &limiter{rate.Limit(perSecond), clock, buckets}
	}
	return out, nil
}

// network is what clients are counted by: the address, or the /64 of an IPv6 address, within which a client has as
// many as it likes. It is the zero prefix if there is no address.
func network(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // bits fits
	return p
}

// admit takes one request of an address; if it is one too many, it says how many seconds to wait.
func (l *limiter) admit(addr netip.Addr) (wait int) {
	key := network(addr)
	b, known := l.buckets.Get(key)
	if !known {
		b = rate.NewLimiter(l.perSecond, max(1, int(l.perSecond*burst)))
		if earlier, raced, _ := l.buckets.PeekOrAdd(key, b); raced {
			b = earlier
		}
	}
	now := l.clock()
	if b.AllowN(now, 1) {
		return 0
	}
	return max(1, int(math.Ceil((1-b.TokensAt(now))/float64(l.perSecond))))
}
