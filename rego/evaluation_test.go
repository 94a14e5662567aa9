package rego

import (
	"testing"
	"time"
)

// A machine that stands still for once costs an evaluation a part of its time; a policy that goes on
// and on, all of it.
func TestTimeOfAnEvaluation(t *testing.T) {
	const limit = 100 * time.Millisecond
	stalled, slow := newEvaluation(t.Context(), limit), newEvaluation(t.Context(), limit)
	at := stalled.looked
	for range 3 {
		if at = at.Add(time.Second); stalled.timeIsUp(at) {
			t.Fatal("three stalls end it")
		}
		if at = at.Add(time.Millisecond); stalled.timeIsUp(at) {
			t.Fatal("three stalls and a little work end it")
		}
	}
	at = slow.looked
	for n := range 100 {
		at = at.Add(time.Millisecond)
		if up := slow.timeIsUp(at); up != (n == 99) {
			t.Fatalf("after %d ms: %t", n+1, up)
		}
	}
}
