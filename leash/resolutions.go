package leash

import "sync"

// resolutions wake those who wait for an approval request to be resolved. They carry no content: a
// woken waiter reads the state anew, so a missed wake-up cannot lose anything.
type resolutions struct {
	mu      sync.Mutex
	waiters map[string]map[chan struct{}]struct{} // by the id of the request
}

func (r *resolutions) subscribe(id string) (resolved <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiters == nil {
		r.waiters = map[string]map[chan struct{}]struct{}{}
	}
	if r.waiters[id] == nil {
		r.waiters[id] = map[chan struct{}]struct{}{}
	}
	r.waiters[id][ch] = struct{}{}
	return ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiters[id], ch)
		if len(r.waiters[id]) == 0 {
			delete(r.waiters, id)
		}
	}
}

func (r *resolutions) publish(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.waiters[id] {
		select {
		case ch <- struct{}{}:
		default: // it will look anyway
		}
	}
}
