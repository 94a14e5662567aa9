package rego

import (
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
)

// readiness is whether OPA can evaluate a policy at once. What it needs for that takes a hundred times
// the room of the policy's text, so that of policies that nobody asks may be dropped.
type readiness struct {
	compiler atomic.Pointer[ast.Compiler] // nil: to be made again
	asked    atomic.Bool                  // since the pool last looked
	pool     *readyPool                   // nil: it is always ready

	mu sync.Mutex // while it is made again
}

// compiler returns what OPA evaluates, made again if it was dropped.
func (p *Policy) compiler() (*ast.Compiler, error) {
	r := &p.ready
	if c := r.compiler.Load(); c != nil {
		if !r.asked.Load() {
			r.asked.Store(true)
		}
		return c, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.compiler.Load(); c != nil {
		return c, nil
	}
	m, err := p.Module()
	if err != nil {
		return nil, err
	}
	c, err := p.compile(m)
	if err != nil {
		return nil, err
	}
	r.asked.Store(true)
	r.compiler.Store(c)
	r.pool.add(p)
	return c, nil
}

// maxReady bounds the policies that are ready, in bytes of their text. It is some 30 MiB of memory.
const maxReady = 256 << 10

// readyPool is the policies that are ready: those that are asked, and a second chance for each.
type readyPool struct {
	limit int

	mu       sync.Mutex
	policies []*Policy
	size     int
	hand     int
}

// keep takes a policy that is ready into the pool. One in Rego takes long to compile, and stays ready.
func (rp *readyPool) keep(p *Policy) {
	if p.Raw {
		return
	}
	p.ready.pool = rp
	rp.add(p)
}

func (rp *readyPool) add(p *Policy) {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	rp.policies = append(rp.policies, p)
	rp.size += weight(p)
	for rp.size > rp.limit && len(rp.policies) > 1 {
		rp.hand = (rp.hand + 1) % len(rp.policies)
		old := rp.policies[rp.hand]
		if old == p || old.ready.asked.Swap(false) {
			continue
		}
		old.ready.compiler.Store(nil)
		last := len(rp.policies) - 1
		rp.policies[rp.hand], rp.policies[last] = rp.policies[last], nil
		rp.policies = rp.policies[:last]
		rp.size -= weight(old)
	}
}

// weight counts the text, and what each policy takes besides.
func weight(p *Policy) int { return len(p.Text) + 200 }
