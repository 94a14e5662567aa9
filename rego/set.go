package rego

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/openleash/openleash-go/compiler"
)

// Set is the engines of all owners. Any number of goroutines may use it.
type Set struct {
	options Options
	empty   *Engine
	ready   *readyPool
	engines sync.Map // owner → *atomic.Pointer[Engine]
}

// NewSet returns a set without policies.
func NewSet(o Options) *Set {
	return &Set{options: o, empty: newEngine(nil, o), ready: &readyPool{limit: maxReady}}
}

// Engine returns an owner's engine. An owner without policies has an empty one.
func (s *Set) Engine(owner string) *Engine {
	if p, ok := s.engines.Load(owner); ok {
		return p.(*atomic.Pointer[Engine]).Load()
	}
	return s.empty
}

// Try compiles one file as a candidate for the set, which it does not change. The policy is nil if the
// file has errors.
func (s *Set) Try(f File) (*Policy, compiler.Diagnostics) {
	p, ds := compileFile(f)
	if p != nil {
		s.ready.keep(p)
	}
	return p, ds
}

// Next returns an owner's engine without the policies of the given files and with the added ones. It
// changes nothing; see Swap.
func (s *Set) Next(owner string, without map[string]bool, add []*Policy) *Engine {
	policies := make([]*Policy, 0, len(s.Engine(owner).policies)+len(add))
	for _, p := range s.Engine(owner).policies {
		if !without[p.File] {
			policies = append(policies, p)
		}
	}
	return newEngine(append(policies, add...), s.options)
}

// Swap makes an engine the owner's.
func (s *Set) Swap(owner string, e *Engine) {
	p, _ := s.engines.LoadOrStore(owner, &atomic.Pointer[Engine]{})
	p.(*atomic.Pointer[Engine]).Store(e)
}

// Same reports whether two policies are the same text in the same file.
func Same(a, b *Policy) bool {
	return a == b || a != nil && b != nil && a.ID == b.ID && a.File == b.File && a.sum == b.sum
}

// Compile makes an engine of one owner's files. owners lists every owner: if there is only one, a file
// need not name it. Files of other owners are left out, and no file is left out for its name: who lists a folder
// decides what is in it that is a policy. The engine is nil if there is an error.
func Compile(_ context.Context, owner string, owners []string, files []File, o Options) (*Engine, compiler.Diagnostics) {
	s := NewSet(o)
	var policies []*Policy
	var ds compiler.Diagnostics
	for _, f := range files {
		p, found := s.Try(f)
		switch {
		case p == nil:
			ds = append(ds, found...)
			continue
		case p.Owner == owner, p.Owner == "" && len(owners) <= 1:
			policies = append(policies, p)
		case len(owners) > 1:
			continue
		default:
			found = append(found, UnknownOwner(p))
		}
		ds = append(ds, found...)
	}
	ds = append(ds, duplicates(policies)...)
	ds.Sort()
	if ds.Err() != nil {
		return nil, ds
	}
	return newEngine(policies, o), ds
}

// UnknownOwner says that a policy names an owner that does not exist.
func UnknownOwner(p *Policy) compiler.Diagnostic {
	return atTop(p.File, "unknown_owner", "there is no owner "+p.Owner)
}

// duplicates reports policies whose id another file has.
func duplicates(policies []*Policy) compiler.Diagnostics {
	var ds compiler.Diagnostics
	first := map[string]string{}
	for _, p := range policies {
		if other, ok := first[p.ID]; ok {
			ds = append(ds, Duplicate(p, other))
			continue
		}
		first[p.ID] = p.File
	}
	return ds
}

// Duplicate says that a policy has the id of the policy in another file.
func Duplicate(p *Policy, other string) compiler.Diagnostic {
	return atTop(p.File, "duplicate_policy", fmt.Sprintf("the policy id %q is already used by %s, which stays active; remove this file or give it another id", p.ID, other))
}

func atTop(file, code, message string) compiler.Diagnostic {
	return compiler.Diagnostic{Code: code, Pos: compiler.Position{File: file, Line: 1, Column: 1}, Message: message}
}
