package policybook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// Via is the way by which a change came.
type Via string

// The ways.
const (
	Portal Via = "portal"
	API    Via = "api"
	Admin  Via = "admin"
	Draft  Via = "draft"
	Setup  Via = "setup"
	File   Via = "file" // somebody changed the file on disk
)

// Change is one policy file to be written or deleted.
type Change struct {
	OwnerID  string
	PolicyID string // that the text must have; empty for any
	By       string // who: the id of a principal, or "admin"
	Via      Via
	Path     string  // relative to the policies folder
	Text     []byte  // nil deletes the file
	Expect   *string // the text that must be on disk; nil for the one that the book last saw
}

// InvalidError says what is wrong with the text of a change.
type InvalidError struct{ Problems compiler.Diagnostics }

func (e *InvalidError) Error() string { return "the policy has errors: " + e.Problems.Err().Error() }

// ConflictError says that a file is not what the writer believes. Nothing was written.
type ConflictError struct {
	Path   string
	Text   string // what is on disk; empty if there is no such file
	Reason string // empty: it was changed in the meantime
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the file policies/%s cannot be replaced: %s", e.Path, cmp.Or(e.Reason, "it was changed since it was last read"))
}

// Apply makes changes, all or none, in one transaction with also (nil for nothing). When it returns nil, what
// was written is what decides. It returns an [InvalidError], a [ConflictError], store.ErrReadOnly, or what also
// or the store returned.
func (b *Book) Apply(ctx context.Context, changes []Change, also func(tx store.Tx) error) error {
	tried := make([]*file, len(changes))
	for i, c := range changes {
		tried[i] = &file{path: c.Path}
		if c.Text == nil {
			continue
		}
		b.compile(tried[i], c.Text)
		if p := tried[i].policy; p == nil {
			return &InvalidError{tried[i].found}
		} else if c.PolicyID != "" && p.ID != c.PolicyID {
			return &InvalidError{compiler.Diagnostics{atTop(c.Path, "wrong_id", fmt.Sprintf("the text has the id %q, not %q", p.ID, c.PolicyID))}}
		}
	}
	owners, err := b.applyTried(ctx, changes, tried, also)
	if err != nil {
		return err
	}
	// A new owner can make files count that were nobody's, and the other way round.
	if now, err := b.activeOwners(ctx, b.cfg.Store); err != nil || slices.Equal(now, owners) {
		return err
	}
	_, err = b.Sync(ctx)
	return err
}

func (b *Book) applyTried(ctx context.Context, changes []Change, tried []*file, also func(tx store.Tx) error) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	owners, err := b.activeOwners(ctx, b.cfg.Store)
	if err != nil {
		return nil, err
	}
	known := slices.Clone(owners)
	was := b.pages.Load().files
	next := maps.Clone(was)
	for i, c := range changes {
		if c.OwnerID != "" && !slices.Contains(known, c.OwnerID) {
			known = append(known, c.OwnerID) // who is made in the same transaction
		}
		if c.Text == nil {
			delete(next, c.Path)
			continue
		}
		if old := was[c.Path]; old != nil {
			tried[i].record, tried[i].good, tried[i].mounted = old.record, old.good, old.mounted
		}
		next[c.Path] = tried[i]
	}
	_, err = b.commit(ctx, next, known, changes, also)
	return owners, err
}

// checkActive refuses changes that would not become active.
func checkActive(changes []Change, next map[string]*file, out map[string]outcome) error {
	for _, c := range changes {
		if c.Text == nil {
			continue
		}
		o := out[c.Path]
		if errs := o.problems.Errors(); len(errs) > 0 {
			return &InvalidError{errs}
		}
		if o.active != next[c.Path].policy || o.owner != c.OwnerID {
			return &InvalidError{compiler.Diagnostics{atTop(c.Path, "wrong_owner", "the policy names another owner")}}
		}
	}
	return nil
}

// write puts the changed files into a transaction, if they are what the writer expects.
func write(ctx context.Context, tx store.Tx, changes []Change, known map[string]*file) error {
	for _, c := range changes {
		f, err := store.Get[store.PolicyFile](ctx, tx, c.Path)
		missing := errors.Is(err, store.ErrNotFound)
		if err != nil && !missing {
			return fmt.Errorf("%w: %w", store.ErrReadOnly, err)
		}
		if !expected(c, known[c.Path], string(f.Text), missing) {
			return &ConflictError{Path: c.Path, Text: string(f.Text)}
		}
		switch {
		case c.Text != nil:
			err = tx.Put(store.PolicyFile{Path: c.Path, Text: c.Text})
		case !missing:
			err = tx.Delete(store.KindPolicy, c.Path)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// expected reports whether a file is as the writer of a change believes. known is how the book saw it.
func expected(c Change, known *file, text string, missing bool) bool {
	switch {
	case missing && c.Text == nil:
		return true // it is gone already; the book forgets it
	case c.Expect != nil:
		return text == *c.Expect
	case known == nil || known.sum == "":
		return missing
	}
	return !missing && store.PolicySum([]byte(text)) == known.sum
}

// commit makes next what the book knows: it writes the changes and the log in one transaction, and then makes
// exactly what was compiled active. The caller holds b.mu and gives next away.
func (b *Book) commit(ctx context.Context, next map[string]*file, owners []string, changes []Change, also func(tx store.Tx) error) (Report, error) {
	out := resolve(next, owners)
	if err := checkActive(changes, next, out); err != nil {
		return Report{}, err
	}
	was := b.pages.Load()
	k := &keeper{book: b, was: was.files, engines: b.engines(was.files, next, out), changes: map[string]Change{}}
	for _, c := range changes {
		k.changes[c.Path] = c
	}
	k.keep(next, out)
	if err := k.accounts(ctx, next, out); err != nil {
		return Report{}, err
	}
	err := b.cfg.Store.Update(ctx, func(tx store.Tx) error {
		if err := write(ctx, tx, changes, was.files); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		tx.Then(func() {
			for owner, e := range k.engines {
				b.cfg.Set.Swap(owner, e)
			}
		})
		return k.write(tx)
	})
	if err != nil {
		return Report{}, err
	}
	b.publish(pages{files: next, owners: owners, folders: was.folders, faults: was.faults, ignored: was.ignored})
	return Report{Changed: slices.Sorted(maps.Keys(k.engines)), Refused: k.refused}, nil
}

// engines are the new engines of the owners whose policies differ.
func (b *Book) engines(was, next map[string]*file, out map[string]outcome) map[string]*rego.Engine {
	without, add := map[string]map[string]bool{}, map[string][]*rego.Policy{}
	differ := func(old, now *rego.Policy, was, is string) {
		if rego.Same(old, now) && was == is {
			return
		}
		if old != nil {
			if without[was] == nil {
				without[was] = map[string]bool{}
			}
			without[was][old.File] = true
		}
		if now != nil {
			add[is] = append(add[is], now)
		}
	}
	for path, o := range out {
		if f := was[path]; f != nil {
			differ(f.active, o.active, f.owner, o.owner)
		} else {
			differ(nil, o.active, "", o.owner)
		}
	}
	for path, f := range was {
		if next[path] == nil {
			differ(f.active, nil, f.owner, "")
		}
	}
	engines := map[string]*rego.Engine{}
	for owner := range without {
		engines[owner] = b.cfg.Set.Next(owner, without[owner], add[owner])
	}
	for owner := range add {
		if engines[owner] == nil {
			engines[owner] = b.cfg.Set.Next(owner, nil, add[owner])
		}
	}
	return engines
}
