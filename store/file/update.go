package file

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/store"
)

// A change puts one record in its place, or takes it away if record is nil.
type change struct {
	kind   store.Kind
	key    string
	record store.Record
}

// Get returns one record, or store.ErrNotFound.
func (s *Store) Get(ctx context.Context, kind store.Kind, key string) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if kind == store.KindPolicy {
		return s.readPolicy(key)
	}
	if s.records.kinds[kind] == nil {
		return nil, fmt.Errorf("unknown kind of record %q", kind)
	}
	if rec, ok := s.records.get(kind, key); ok {
		return rec, nil
	}
	return nil, store.ErrNotFound
}

// Find yields the records of a kind that hold all the terms, by key.
func (s *Store) Find(ctx context.Context, kind store.Kind, terms ...string) iter.Seq2[store.Record, error] {
	return s.find(ctx, kind, nil, terms)
}

func (s *Store) find(ctx context.Context, kind store.Kind, overlay map[string]change, terms []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		found, err := s.lookUp(kind, terms)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, rec := range overlaid(found, overlay, terms) {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func (s *Store) lookUp(kind store.Kind, terms []string) ([]store.Record, error) {
	switch {
	case kind == store.KindPolicy && len(terms) > 0:
		return nil, nil // policies hold no terms
	case kind == store.KindPolicy:
		return s.listPolicies()
	case s.records.kinds[kind] == nil:
		return nil, fmt.Errorf("unknown kind of record %q", kind)
	}
	return s.records.find(kind, terms), nil
}

// overlaid is what was found, as a transaction has changed it.
func overlaid(found []store.Record, overlay map[string]change, terms []string) []store.Record {
	if len(overlay) == 0 {
		return found
	}
	out := slices.DeleteFunc(slices.Clone(found), func(r store.Record) bool {
		_, changed := overlay[r.Key()]
		return changed
	})
	for _, ch := range overlay {
		if ch.record != nil && holdsAll(ch.record, terms) {
			out = append(out, ch.record)
		}
	}
	slices.SortFunc(out, func(a, b store.Record) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}

func holdsAll(rec store.Record, terms []string) bool {
	for _, want := range terms {
		if !slices.ContainsFunc(rec.Terms(), func(t store.Term) bool { return t.Text == want }) {
			return false
		}
	}
	return true
}

// Update runs fn as one transaction. Transactions run one after the other, so fn runs once. It must
// not call the Store itself.
func (s *Store) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	s.update.Lock()
	defer s.update.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &tx{ctx: ctx, store: s, changes: make(map[store.Kind]map[string]change)}
	if err := fn(t); err != nil {
		return err
	}
	if t.err != nil {
		return t.err
	}
	if t.decisive() {
		defer s.log.beginChange()()
	}
	if err := s.commit(t.all(), t.entries); err != nil {
		return err
	}
	for _, fn := range t.then {
		fn()
	}
	return nil
}

// tx is a transaction: the changes so far, over what is committed.
type tx struct {
	ctx     context.Context
	store   *Store
	changes map[store.Kind]map[string]change
	entries []store.Entry
	then    []func()
	err     error
}

func (t *tx) Get(ctx context.Context, kind store.Kind, key string) (store.Record, error) {
	if ch, ok := t.changes[kind][key]; ok {
		if ch.record == nil {
			return nil, store.ErrNotFound
		}
		return ch.record, nil
	}
	return t.store.Get(ctx, kind, key)
}

func (t *tx) Find(ctx context.Context, kind store.Kind, terms ...string) iter.Seq2[store.Record, error] {
	return t.store.find(ctx, kind, t.changes[kind], terms)
}

func (t *tx) Put(rec store.Record) error {
	kind, key := rec.Kind(), rec.Key()
	if err := checkKey(kind, key); err != nil {
		return err
	}
	if kind == store.KindPolicy {
		if err := t.store.checkWritable(key); err != nil {
			return err
		}
	} else if t.store.records.kinds[kind] == nil {
		return fmt.Errorf("unknown kind of record %q", kind)
	}
	for _, term := range rec.Terms() {
		if term.Unique && t.taken(kind, key, term.Text) {
			return fmt.Errorf("%s %s: %w", kind, term.Text, store.ErrExists)
		}
	}
	t.put(change{kind, key, rec})
	return nil
}

func (t *tx) put(ch change) {
	if t.changes[ch.kind] == nil {
		t.changes[ch.kind] = make(map[string]change)
	}
	t.changes[ch.kind][ch.key] = ch
}

// taken says whether a record other than key holds the unique term.
func (t *tx) taken(kind store.Kind, key, term string) bool {
	for other, ch := range t.changes[kind] {
		if other != key && ch.record != nil && slices.Contains(ch.record.Terms(), store.Term{Text: term, Unique: true}) {
			return true
		}
	}
	holder, ok := t.store.records.holder(kind, term)
	if !ok || holder == key {
		return false
	}
	_, changed := t.changes[kind][holder]
	return !changed
}

func (t *tx) Insert(rec store.Record) error {
	_, err := t.Get(t.ctx, rec.Kind(), rec.Key())
	if err == nil {
		return fmt.Errorf("%s %s: %w", rec.Kind(), rec.Key(), store.ErrExists)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return t.Put(rec)
}

func (t *tx) Delete(kind store.Kind, key string) error {
	if err := checkKey(kind, key); err != nil {
		return err
	}
	if _, err := t.Get(t.ctx, kind, key); err != nil {
		return err
	}
	if kind == store.KindPolicy {
		if err := t.store.checkWritable(key); err != nil {
			return err
		}
	}
	t.put(change{kind: kind, key: key})
	return nil
}

// Then implements [store.Tx].
func (t *tx) Then(fn func()) { t.then = append(t.then, fn) }

func (t *tx) Append(e store.Entry) { t.entries = append(t.entries, e) }

func (t *tx) all() []change {
	var out []change
	for _, byKey := range t.changes {
		for _, ch := range byKey {
			out = append(out, ch)
		}
	}
	return out
}
