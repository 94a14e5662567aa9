package leash_test

import (
	"context"
	"testing"

	"github.com/openleash/openleash-go/leash"
)

func TestHold(t *testing.T) {
	s := newWorld(t, func(c *leash.Config) { c.MaxHeld, c.MaxHeldEach = 3, 2 })
	take := func(who string) (context.Context, func()) {
		ctx, leave, err := s.Hold(t.Context(), who)
		if err != nil && leash.CodeOf(err) != leash.RateLimited {
			t.Error(err)
		}
		return ctx, leave
	}
	first, leave := take("a")
	second, _ := take("a")
	if _, leave := take("a"); leave != nil {
		t.Error("one client took three of two places")
	}
	if _, leave := take("b"); leave == nil {
		t.Error("another client got none")
	}
	if _, leave := take("c"); leave != nil {
		t.Error("a fourth of three places")
	}
	leave()
	if first.Err() == nil || second.Err() != nil {
		t.Error("who leaves ends, and nobody else")
	}
	if _, leave := take("c"); leave == nil || s.Held() != 3 {
		t.Error("a place that was given back is not free")
	}
	s.Release()
	<-second.Done()
	if !s.Releasing() {
		t.Error("it is not releasing")
	}
}
