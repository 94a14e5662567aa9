package file

import (
	"sync"

	"github.com/openleash/openleash-go/store"
)

// nonces remembers used nonces by hash, in sets by the time at which they expire, so that forgetting
// is dropping a set.
type nonces struct {
	limit int // in all; one agent gets three quarters of it, so that it cannot lock the others out

	mu    sync.Mutex
	sets  map[int64]*nonceSet // by expiry / nonceSpan
	total int
	of    map[string]int // by agent
}

const nonceSpan = 10_000 // ms of expiry that share a set

type nonceSet struct {
	hashes map[uint64]struct{}
	of     map[string]int
}

func newNonces(limit int) *nonces {
	return &nonces{limit: limit, sets: make(map[int64]*nonceSet), of: make(map[string]int)}
}

// use remembers one nonce. Times are Unix ms.
func (n *nonces) use(hash uint64, agent string, expires, now int64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.expire(now)
	for _, s := range n.sets {
		if _, used := s.hashes[hash]; used {
			return store.ErrReplay
		}
	}
	if expires <= now {
		return store.ErrReplay // as good as used
	}
	if n.total >= n.limit || n.of[agent] >= n.limit/4*3 {
		return store.ErrFull
	}
	n.put(hash, agent, expires)
	return nil
}

func (n *nonces) put(hash uint64, agent string, expires int64) {
	s := n.sets[expires/nonceSpan]
	if s == nil {
		s = &nonceSet{hashes: make(map[uint64]struct{}), of: make(map[string]int)}
		n.sets[expires/nonceSpan] = s
	}
	if _, there := s.hashes[hash]; there {
		return
	}
	s.hashes[hash] = struct{}{}
	s.of[agent]++
	n.of[agent]++
	n.total++
}

// expire drops the sets in which everything has expired.
func (n *nonces) expire(now int64) {
	for at, s := range n.sets {
		if (at+1)*nonceSpan > now {
			continue
		}
		for agent, count := range s.of {
			if n.of[agent] -= count; n.of[agent] == 0 {
				delete(n.of, agent)
			}
		}
		n.total -= len(s.hashes)
		delete(n.sets, at)
	}
}
