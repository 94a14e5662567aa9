package leash

import (
	"context"
	"sync"
)

// Bounds on answers that are held open: long polls and streams. One costs some 20 KiB.
const (
	maxHeld     = 10_240
	maxHeldEach = 16 // of one agent or owner
)

// held counts the answers that are held open.
type held struct {
	mu    sync.Mutex
	taken int
	by    map[string]int

	stopping context.Context
	stop     context.CancelFunc
}

func newHeld() *held {
	h := &held{by: map[string]int{}}
	h.stopping, h.stop = context.WithCancel(context.Background())
	return h
}

// Hold takes a place for an answer that is held open for somebody, an agent or an owner. The context
// that it returns also ends once Release is called. leave ends it and gives the place back; to call it
// again does nothing.
func (s *Service) Hold(parent context.Context, who string) (ctx context.Context, leave func(), err error) {
	h := s.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken >= s.cfg.MaxHeld || h.by[who] >= s.cfg.MaxHeldEach {
		return nil, nil, &Error{Code: RateLimited, Message: "too many answers are held open; close one, or try again later",
			Details: map[string]int{"retry_after_seconds": 5}}
	}
	h.taken++
	h.by[who]++
	ctx, cancel := context.WithCancel(parent)
	unhook := context.AfterFunc(h.stopping, cancel)
	return ctx, sync.OnceFunc(func() {
		unhook()
		cancel()
		h.leave(who)
	}), nil
}

func (h *held) leave(who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken--
	if h.by[who]--; h.by[who] == 0 {
		delete(h.by, who)
	}
}

// Held is how many answers are held open.
func (s *Service) Held() int {
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	return s.held.taken
}

// Release ends what is held open, now and from now on. A server that stops calls it first.
func (s *Service) Release() { s.held.stop() }

// Releasing says whether Release was called.
func (s *Service) Releasing() bool { return s.held.stopping.Err() != nil }
