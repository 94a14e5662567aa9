package rego

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/openleash/openleash-go/compiler"
)

// Set is the engines of all owners, hot-swapped. Engine may be called at any time; Load is one at a
// time.
type Set struct {
	options Options
	empty   *Engine
	ready   *readyPool
	engines sync.Map // owner → *atomic.Pointer[Engine]

	mu       sync.Mutex
	compiled map[string]compiledFile // by path
	owners   map[string]string       // path → owner, as of the last time that it compiled
	degraded map[string]compiler.Diagnostics
}

type compiledFile struct {
	sum    [sha256.Size]byte
	policy *Policy // nil if it does not compile
	ds     compiler.Diagnostics
}

// NewSet returns a set without policies.
func NewSet(o Options) *Set {
	return &Set{options: o, empty: newEngine(nil, o), ready: &readyPool{limit: maxReady}, compiled: map[string]compiledFile{}, owners: map[string]string{}}
}

// Engine returns an owner's engine; one without policies if it has none.
func (s *Set) Engine(owner string) *Engine {
	if p, ok := s.engines.Load(owner); ok {
		return p.(*atomic.Pointer[Engine]).Load()
	}
	return s.empty
}

// Report says what a Load did.
type Report struct {
	Changed     []string                        // owners with a new engine
	Diagnostics compiler.Diagnostics            // of all files, warnings too
	Refused     map[string]compiler.Diagnostics // by owner: newly refused; the old engine stays
	Unowned     compiler.Diagnostics            // of files that belong to nobody
}

// Load makes files the policies of owners. Files that did not change are not compiled again. An owner
// one of whose files has an error keeps the engine that it had.
func (s *Set) Load(ctx context.Context, owners []string, files []File) Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{Refused: map[string]compiler.Diagnostics{}}
	policies := map[string][]*Policy{}
	broken := map[string]compiler.Diagnostics{}
	seen := map[string]compiledFile{}
	for _, f := range files {
		if ShouldIgnore(f.Path) {
			continue
		}
		c := s.compile(f)
		seen[f.Path] = c
		r.Diagnostics = append(r.Diagnostics, c.ds...)
		owner, ds := s.ownerOf(f, c, owners)
		switch {
		case ds != nil:
			r.Unowned = append(r.Unowned, ds...)
			if before := s.owners[f.Path]; slices.Contains(owners, before) {
				broken[before] = append(broken[before], ds...) // a slip in a name takes no guardrail away
			}
		case c.policy == nil:
			broken[owner] = append(broken[owner], c.ds.Errors()...)
		default:
			s.owners[f.Path] = owner
			policies[owner] = append(policies[owner], c.policy)
		}
	}
	s.compiled = seen
	maps.DeleteFunc(s.owners, func(path, _ string) bool { _, there := seen[path]; return !there })
	for _, owner := range owners {
		if ds := duplicates(policies[owner]); ds != nil {
			r.Diagnostics = append(r.Diagnostics, ds...)
			broken[owner] = append(broken[owner], ds...)
		}
	}
	s.swap(owners, policies, broken, &r)
	r.Diagnostics.Sort()
	return r
}

// swap puts new engines in force where all is well.
func (s *Set) swap(owners []string, policies map[string][]*Policy, broken map[string]compiler.Diagnostics, r *Report) {
	for _, owner := range owners {
		if ds := broken[owner]; ds != nil {
			ds.Sort()
			if !slices.Equal(ds, s.degraded[owner]) {
				r.Refused[owner] = ds
			}
			continue
		}
		next := newEngine(policies[owner], s.options)
		if slices.EqualFunc(next.policies, s.Engine(owner).policies, samePolicy) {
			continue
		}
		p, _ := s.engines.LoadOrStore(owner, &atomic.Pointer[Engine]{})
		p.(*atomic.Pointer[Engine]).Store(next)
		r.Changed = append(r.Changed, owner)
	}
	if len(r.Unowned) > 0 {
		broken[""] = r.Unowned
	}
	s.degraded = broken
	s.engines.Range(func(owner, _ any) bool {
		if !slices.Contains(owners, owner.(string)) {
			s.engines.Delete(owner)
		}
		return true
	})
}

// samePolicy says that two policies are the same text in the same place.
func samePolicy(a, b *Policy) bool { return a.ID == b.ID && a.File == b.File && a.sum == b.sum }

// Degraded returns what does not compile, by owner; "" is for files that belong to nobody.
func (s *Set) Degraded() map[string]compiler.Diagnostics {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.degraded)
}

// compile compiles a file, unless it is as it was.
func (s *Set) compile(f File) compiledFile {
	sum := sha256.Sum256(f.Text)
	if c, ok := s.compiled[f.Path]; ok && c.sum == sum {
		return c
	}
	policy, ds := compileFile(f)
	if policy != nil {
		s.ready.keep(policy)
	}
	return compiledFile{sum, policy, ds}
}

// ownerOf says whose a file is: whom it names, or the only owner. One that does not compile stays with
// whom it belonged to before, or else is whose it seems to be.
func (s *Set) ownerOf(f File, c compiledFile, owners []string) (string, compiler.Diagnostics) {
	at := compiler.Position{File: f.Path, Line: 1, Column: 1}
	var owner string
	if c.policy != nil {
		owner = c.policy.Owner
	} else if owner = s.owners[f.Path]; owner == "" {
		owner = claimed(f.Text, owners)
	}
	switch {
	case owner == "" && len(owners) == 1:
		return owners[0], nil
	case owner == "" && c.policy == nil:
		return "", c.ds.Errors()
	case owner == "":
		return "", compiler.Diagnostics{{Code: "missing_owner", Pos: at,
			Message: fmt.Sprintf("there are %d owners; the policy must name its owner", len(owners))}}
	case !slices.Contains(owners, owner):
		return "", compiler.Diagnostics{{Code: "unknown_owner", Pos: at, Message: fmt.Sprintf("there is no owner %s", owner)}}
	}
	return owner, nil
}

var ownerKey = regexp.MustCompile(`\bowner["']?[ \t]*:[ \t]*["']?([A-Za-z0-9_-]{1,64})`)

// claimed is the owner that a text names which is no policy. Its other policies are not put in force
// without this one.
func claimed(text []byte, owners []string) string {
	for _, m := range ownerKey.FindAllSubmatch(text, -1) {
		if slices.Contains(owners, string(m[1])) {
			return string(m[1])
		}
	}
	return ""
}

// duplicates refuses two policies of one id.
func duplicates(policies []*Policy) compiler.Diagnostics {
	var ds compiler.Diagnostics
	first := map[string]string{}
	for _, p := range policies {
		if other, ok := first[p.ID]; ok {
			ds = append(ds, compiler.Diagnostic{Code: "duplicate_policy", Pos: compiler.Position{File: p.File, Line: 1, Column: 1},
				Message: fmt.Sprintf("the policy id %q is that of %s too", p.ID, other)})
			continue
		}
		first[p.ID] = p.File
	}
	return ds
}
