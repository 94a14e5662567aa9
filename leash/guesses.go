package leash

import (
	"sync"
	"time"
)

const (
	freeGuesses  = 5                // wrong ones before any wait
	maxGuessWait = 30 * time.Second // so that a stranger cannot keep an owner out for long
	maxGuessers  = 10_000           // bounds memory
)

// guesses slows wrong passphrases and codes: after five, each further wrong one doubles the wait
// before the next try, up to 30 s.
type guesses struct {
	clock func() time.Time
	mu    sync.Mutex
	byKey map[string]guess
}

type guess struct {
	wrong int
	next  time.Time
}

func (g *guesses) admit(key string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.byKey[key].next.Sub(g.clock()); wait > 0 {
		return &Error{Code: RateLimited, Message: "too many wrong tries; wait a moment",
			Details: map[string]int{"retry_after_seconds": int(wait/time.Second) + 1}}
	}
	return nil
}

func (g *guesses) wrong(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	if g.byKey == nil {
		g.byKey = map[string]guess{}
	}
	if _, known := g.byKey[key]; !known && len(g.byKey) >= maxGuessers {
		g.evict()
	}
	v := g.byKey[key]
	v.wrong++
	if over := v.wrong - freeGuesses; over >= 0 {
		v.next = now.Add(min(time.Second<<min(over, 10), maxGuessWait))
	}
	g.byKey[key] = v
}

func (g *guesses) right(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.byKey, key)
}

// evict forgets the guesser whose wait ended first.
func (g *guesses) evict() {
	var oldest string
	for k, v := range g.byKey {
		if oldest == "" || v.next.Before(g.byKey[oldest].next) {
			oldest = k
		}
	}
	delete(g.byKey, oldest)
}
