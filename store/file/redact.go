package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/openleash/openleash-go/store"
)

// Redact takes values out of the payload of one entry, for ever, and leaves salted commitments in
// their place: the chain stays whole. id is that of the entry or of its decision; by says who asked.
// It returns the paths that were taken out; those that were not there are no error. The log then
// holds an ENTRY_REDACTED. Backups are not its business.
func (s *Store) Redact(ctx context.Context, id string, paths []string, by string) ([]string, error) {
	s.redacting.Lock()
	defer s.redacting.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entry, err := s.log.lookup(id)
	if err != nil {
		return nil, err
	}
	seq := entry.Seq
	g, place := s.log.segmentOf(seq)
	if !g.sealed() {
		// The file that is being written cannot be replaced. Sealed ones can, at leisure.
		if err := s.log.ask(func() error { return s.log.sealIfActive(g) }); err != nil {
			return nil, unavailable(err)
		}
	}
	line, err := g.line(place)
	if err != nil {
		return nil, err
	}
	redacted, removed, err := store.RedactLine(line, paths)
	if err != nil || len(removed) == 0 {
		return nil, err
	}
	if err := s.rewrite(g, place, append(redacted, '\n')); err != nil {
		return nil, unavailable(fmt.Errorf("redacting entry %d: %w", seq, err))
	}
	data, err := json.Marshal(store.Redaction{EventID: entry.ID, Seq: seq, Paths: removed, By: by})
	if err != nil {
		return removed, err
	}
	e := store.Entry{Type: store.EntryRedacted, Data: data}
	s.complete(&e)
	return removed, s.log.append([]store.Entry{e})
}

// lookup finds a durable entry by its id or by that of its decision.
func (l *auditLog) lookup(id string) (store.Entry, error) {
	var seen []uint64
	for {
		l.mu.Lock()
		seq := l.unseen(l.hasher.id(id), seen)
		if seq == 0 {
			l.mu.Unlock()
			return store.Entry{}, fmt.Errorf("entry %s: %w", id, store.ErrNotFound)
		}
		e, err := l.await(seq)
		if err != nil || e.ID == id || e.Decision != nil && e.Decision.ID == id {
			return e, err
		}
		seen = append(seen, seq)
	}
}

func (l *auditLog) sealIfActive(g *segment) error {
	if g.sealed() {
		return nil
	}
	if err := l.seal(); err != nil {
		return err
	}
	return l.begin()
}

// rewrite replaces one line of a sealed segment. Lines behind it move, so the index is written anew.
func (s *Store) rewrite(g *segment, place int, line []byte) error {
	g.flushing.Lock()
	defer g.flushing.Unlock()
	if err := g.flushLocked(); err != nil {
		return err
	}
	rs, err := g.records(0, g.count())
	if err != nil {
		return err
	}
	old := rs[place]
	moved := int64(len(line)) - int64(old.length)
	rs[place].length = uint32(len(line))
	for i := place + 1; i < len(rs); i++ {
		rs[i].offset += moved
	}
	temp := tempName(g.path)
	if err := s.copyWith(g, temp, old, line); err != nil {
		return errors.Join(err, ignoreMissing(s.disk.Remove(temp)))
	}
	buf := make([]byte, 0, len(rs)*recordSize)
	for i := range rs {
		buf = rs[i].append(buf)
	}
	// Without its index, a segment is read anew at the next start; with a wrong one it is not.
	if err := removeFile(s.disk, s.indexFile(g.number)); err != nil {
		return err
	}
	if err := s.disk.Rename(temp, g.path); err != nil {
		return errors.Join(err, ignoreMissing(s.disk.Remove(temp)))
	}
	if err := s.disk.SyncDir(s.dir); err != nil {
		return err
	}
	return g.swap(s.indexFile(g.number), buf, rs)
}

// copyWith writes the segment to a file with one line changed.
func (s *Store) copyWith(g *segment, name string, old record, line []byte) error {
	f, err := s.disk.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	after := old.offset + int64(old.length)
	_, err = io.Copy(f, io.MultiReader(
		io.NewSectionReader(g.lines, 0, old.offset),
		bytes.NewReader(line),
		io.NewSectionReader(g.lines, after, 1<<62)))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// swap makes readers go on in the rewritten files.
func (g *segment) swap(indexName string, index []byte, rs []record) error {
	lines, err := os.Open(g.path)
	if err != nil {
		return err
	}
	indexFile, err := os.OpenFile(indexName, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return errors.Join(err, lines.Close())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	oldLines, oldIndex := g.lines, g.index
	last := rs[len(rs)-1]
	g.lines, g.index, g.size = lines, indexFile, last.offset+int64(last.length)
	g.flushed, g.tail = len(rs), nil
	if _, err := indexFile.WriteAt(index, 0); err != nil {
		g.flushed, g.tail = 0, rs // in memory until a flush succeeds
	}
	return errors.Join(oldLines.Close(), oldIndex.Close())
}
