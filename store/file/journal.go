package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/store"
)

// An intent is a transaction that touches more than one file. It is written to the journal first;
// then its log entries are appended, which decides it (without entries the journal itself does);
// then the files follow. A crash anywhere leaves enough to finish it, or to see that it never was.
type intent struct {
	After   uint64        `json:"after_seq"` // the log's last entry before it
	Writes  []write       `json:"writes"`
	Entries []store.Entry `json:"entries,omitempty"`
}

// write replaces one file, or removes it.
type write struct {
	Path    string `json:"path"` // relative to the data folder, with forward slashes
	Content []byte `json:"content,omitempty"`
	Remove  bool   `json:"remove,omitempty"`
}

// commit makes a transaction durable, then visible.
func (s *Store) commit(changes []change, entries []store.Entry) error {
	if len(changes) == 0 && len(entries) == 0 {
		return nil
	}
	if err := s.finish(); err != nil {
		return unavailable(err)
	}
	writes, err := s.writes(changes)
	if err != nil {
		return err
	}
	for i := range entries {
		s.complete(&entries[i])
	}
	in := &intent{After: s.log.last(), Writes: writes, Entries: entries}
	switch {
	case len(writes) == 0 && len(entries) == 1:
		return s.log.append(entries)
	case len(writes) == 1 && len(entries) == 0:
		if err := s.write(writes[0]); err != nil {
			return unavailable(err)
		}
	default:
		if err := s.perform(in); err != nil {
			return err
		}
	}
	s.records.apply(changes)
	return nil
}

func unavailable(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// perform runs an intent up to the point from which it will happen whatever comes.
func (s *Store) perform(in *intent) error {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding the journal: %w", err)
	}
	name := filepath.Join(s.dir, journalFile)
	if err := replaceFile(s.disk, name, b); err != nil {
		s.abandoned = true
		return unavailable(errors.Join(err, s.finish()))
	}
	if len(in.Entries) > 0 {
		if err := s.log.append(in.Entries); err != nil {
			s.abandoned = true
			return errors.Join(unavailable(err), s.finish())
		}
	}
	s.unfinished.Store(in)
	if err := s.finish(); err != nil {
		s.opts.Log.Error("the journal is not written through; the next change tries again", "err", err)
	}
	return nil
}

// finish writes through what an earlier transaction left in the journal.
func (s *Store) finish() error {
	in := s.unfinished.Load()
	if in != nil {
		for _, w := range in.Writes {
			if err := s.write(w); err != nil {
				return err
			}
		}
	}
	if in != nil || s.abandoned {
		if err := removeFile(s.disk, filepath.Join(s.dir, journalFile)); err != nil {
			return err
		}
	}
	s.unfinished.Store(nil)
	s.abandoned = false
	return nil
}

func (s *Store) write(w write) error {
	name := filepath.Join(s.dir, filepath.FromSlash(w.Path))
	if w.Remove {
		return removeFile(s.disk, name)
	}
	if err := s.disk.MkdirAll(filepath.Dir(name)); err != nil {
		return err
	}
	return replaceFile(s.disk, name, w.Content)
}

// policyWrites are the policies that are committed and not on disk yet, by path.
func (s *Store) policyWrites() map[string]write {
	in := s.unfinished.Load()
	if in == nil {
		return nil
	}
	out := make(map[string]write)
	for _, w := range in.Writes {
		if path, ok := strings.CutPrefix(w.Path, policyFolder+"/"); ok {
			out[path] = w
		}
	}
	return out
}

// writes says which files change, and to what.
func (s *Store) writes(changes []change) ([]write, error) {
	var out []write
	var state []change
	for _, ch := range changes {
		rel, err := filepath.Rel(s.dir, s.fileOf(ch.kind, ch.key))
		if err != nil {
			return nil, err
		}
		w := write{Path: filepath.ToSlash(rel), Remove: ch.record == nil}
		switch rec := ch.record.(type) {
		case nil:
		case store.PolicyFile:
			w.Content = rec.Text
		default:
			if w.Content, err = encode(rec); err != nil {
				return nil, err
			}
		}
		if slices.Contains(stateKinds(), ch.kind) {
			state = append(state, ch)
			continue
		}
		out = append(out, w)
	}
	if len(state) > 0 {
		all := make(map[store.Kind][]store.Record)
		for _, kind := range stateKinds() {
			overlay := make(map[string]change)
			for _, ch := range state {
				if ch.kind == kind {
					overlay[ch.key] = ch
				}
			}
			all[kind] = overlaid(s.records.find(kind, nil), overlay, nil)
		}
		content, err := encodeState(all)
		if err != nil {
			return nil, err
		}
		out = append(out, write{Path: stateFile, Content: content})
	}
	return out, nil
}

// recoverIntent finishes, or forgets, the transaction that a crash interrupted. It runs before the
// records are read; the log is open.
func (s *Store) recoverIntent() error {
	name := filepath.Join(s.dir, journalFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	var in intent
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("%s is corrupt: %w; nothing was changed; it holds the last change before a crash: remove it to go on without that", name, err)
	}
	missing, err := s.missing(&in)
	if err != nil {
		return err
	}
	if len(in.Entries) > 0 && len(missing) == len(in.Entries) {
		s.abandoned = true // it never was
		return s.finish()
	}
	if len(missing) > 0 {
		if err := s.log.append(missing); err != nil {
			return err
		}
	}
	s.unfinished.Store(&in)
	return s.finish()
}

// missing are the intent's entries that the log does not hold.
func (s *Store) missing(in *intent) ([]store.Entry, error) {
	logged := make(map[string]bool)
	if len(in.Entries) > 0 {
		for seq := in.After + 1; seq <= s.log.last(); seq++ {
			e, err := s.log.entry(seq)
			if err != nil {
				return nil, err
			}
			logged[e.ID] = true
		}
	}
	var out []store.Entry
	for _, e := range in.Entries {
		if !logged[e.ID] {
			out = append(out, e)
		}
	}
	return out, nil
}
