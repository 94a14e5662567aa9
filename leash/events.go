package leash

import "sync"

// events wakes those who wait for something of an owner to change. It carries no content: a woken
// waiter reads the state anew, so a missed wake-up cannot lose anything.
type events struct {
	mu      sync.Mutex
	waiters map[string]map[chan struct{}]struct{}
}

func (e *events) subscribe(ownerID string) (changed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiters == nil {
		e.waiters = map[string]map[chan struct{}]struct{}{}
	}
	if e.waiters[ownerID] == nil {
		e.waiters[ownerID] = map[chan struct{}]struct{}{}
	}
	e.waiters[ownerID][ch] = struct{}{}
	return ch, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.waiters[ownerID], ch)
		if len(e.waiters[ownerID]) == 0 {
			delete(e.waiters, ownerID)
		}
	}
}

func (e *events) publish(ownerID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for ch := range e.waiters[ownerID] {
		select {
		case ch <- struct{}{}:
		default: // it will look anyway
		}
	}
}
