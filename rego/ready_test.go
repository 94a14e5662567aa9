package rego

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Policies that nobody asks are dropped, and made again when somebody does: with the same answers, and
// never more of them than there is room for.
func TestPoliciesAreReadyWhenAsked(t *testing.T) {
	const policies, room = 40, 10
	s := NewSet(Options{Deadline: time.Minute})
	var files []File
	for i := range policies {
		files = append(files, File{Path: fmt.Sprintf("p%d.yaml", i), Text: fmt.Appendf(nil,
			"id: p%02d\napplies_to: {agents: [a%02d]}\nrules:\n  - {action: buy, effect: allow, constraints: {amount_max: %d, currency: USD}}\n", i, i, 100+i)})
	}
	_, ds := compileFile(files[0])
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	s.ready.limit = room * (len(files[0].Text) + 200)
	load(t, s, files)
	ready := func() (n int) {
		for _, p := range s.Engine("o").Policies() {
			if p.ready.compiler.Load() != nil {
				n++
			}
		}
		return n
	}
	if n := ready(); n > room || n == 0 {
		t.Fatalf("%d policies are ready", n)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 5 * policies {
				i = (i*7 + worker) % policies
				l := s.Engine("o").Layers(Subject{AgentID: fmt.Sprintf("a%02d", i), OwnerID: "o"})
				for amount, want := range map[int]Result{100 + i: Allow, 101 + i: Deny} {
					d := l.Decide(t.Context(), Input{ActionType: "buy", Now: time.Unix(1, 0),
						Action: fmt.Appendf(nil, `{"action_type":"buy","payload":{"amount_minor":%d,"currency":"USD"}}`, amount)})
					if d.Result != want || d.Err != nil {
						t.Errorf("agent %d, %d: %s, %v", i, amount, d.Result, d.Err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := ready(); n > room+1 {
		t.Errorf("%d policies are ready", n)
	}
	busy := s.Engine("o").Policy("p00")
	if _, err := busy.compiler(); err != nil {
		t.Fatal(err)
	}
	big := File{Path: "big.yaml", Text: []byte("id: big\nrules:\n" + strings.Repeat("  - {action: buy, effect: deny, constraints: {amount_max: 1, currency: USD}}\n", 200))}
	load(t, s, []File{big})
	if n := ready(); n != 1 { // it alone has no room, and is ready all the same
		t.Errorf("%d policies are ready beside one that takes all the room", n)
	}
}

// load adds files to the policies of owner "o".
func load(t *testing.T, s *Set, files []File) {
	t.Helper()
	var policies []*Policy
	for _, f := range files {
		p, ds := s.Try(f)
		if p == nil {
			t.Fatal(ds)
		}
		policies = append(policies, p)
	}
	s.Swap("o", s.Next("o", nil, policies))
}
