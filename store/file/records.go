package file

import (
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/openleash/openleash-go/store"
)

// records keeps every record but the policies in memory, and finds them by their terms. What is in
// it is on disk, or in the intent journal.
type records struct {
	mu    sync.RWMutex
	kinds map[store.Kind]*collection
}

// collection is the records of one kind.
type collection struct {
	byKey  map[string]store.Record
	byTerm map[string]map[string]struct{} // term → keys
	unique map[string]string              // unique term → key
}

func newRecords() *records {
	r := &records{kinds: make(map[store.Kind]*collection)}
	for _, kind := range slices.Concat(folderKinds(), stateKinds()) {
		r.kinds[kind] = &collection{
			byKey:  make(map[string]store.Record),
			byTerm: make(map[string]map[string]struct{}),
			unique: make(map[string]string),
		}
	}
	return r
}

func (r *records) get(kind store.Kind, key string) (store.Record, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	rec, ok := r.kinds[kind].byKey[key]
	return rec, ok
}

// holder returns the key of the record that holds a unique term.
func (r *records) holder(kind store.Kind, term string) (string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	key, ok := r.kinds[kind].unique[term]
	return key, ok
}

// find returns the records that hold all the terms, by key.
func (r *records) find(kind store.Kind, terms []string) []store.Record {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c := r.kinds[kind]
	var keys iter.Seq[string]
	if len(terms) == 0 {
		keys = maps.Keys(c.byKey)
	} else {
		rarest := slices.MinFunc(terms, func(a, b string) int { return len(c.byTerm[a]) - len(c.byTerm[b]) })
		keys = maps.Keys(c.byTerm[rarest])
	}
	var found []string
	for key := range keys {
		if c.holdsAll(key, terms) {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	out := make([]store.Record, len(found))
	for i, key := range found {
		out[i] = c.byKey[key]
	}
	return out
}

func (c *collection) holdsAll(key string, terms []string) bool {
	for _, t := range terms {
		if _, ok := c.byTerm[t][key]; !ok {
			return false
		}
	}
	return true
}

// apply makes changes visible, all at once.
func (r *records) apply(changes []change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// First all that goes, so that a unique term can pass from one record to another.
	for _, ch := range changes {
		if c := r.kinds[ch.kind]; c != nil {
			c.remove(ch.key)
		}
	}
	for _, ch := range changes {
		if c := r.kinds[ch.kind]; c != nil && ch.record != nil {
			c.insert(ch.record)
		}
	}
}

func (c *collection) insert(rec store.Record) {
	key := rec.Key()
	c.byKey[key] = rec
	for _, t := range rec.Terms() {
		if c.byTerm[t.Text] == nil {
			c.byTerm[t.Text] = make(map[string]struct{})
		}
		c.byTerm[t.Text][key] = struct{}{}
		if t.Unique {
			c.unique[t.Text] = key
		}
	}
}

func (c *collection) remove(key string) {
	rec, ok := c.byKey[key]
	if !ok {
		return
	}
	delete(c.byKey, key)
	for _, t := range rec.Terms() {
		delete(c.byTerm[t.Text], key)
		if len(c.byTerm[t.Text]) == 0 {
			delete(c.byTerm, t.Text)
		}
		if t.Unique && c.unique[t.Text] == key {
			delete(c.unique, t.Text)
		}
	}
}
