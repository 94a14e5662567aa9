package file

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/openleash/openleash-go/store"
)

// Redact takes values out of the payload of one entry, for ever, and leaves salted commitments in
// their place: the chain stays whole. id is that of the entry or of its decision; by says who asked.
// It returns the paths that were taken out; those that were not there are no error. A signed
// ENTRY_REDACTED that names them is logged first; if the line cannot be rewritten after it, the next
// start does so. Backups are not its business.
func (s *Store) Redact(ctx context.Context, id string, paths []string, by string) ([]string, error) {
	s.redacting.Lock()
	defer s.redacting.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	signer := s.currentSigner()
	if signer == nil {
		return nil, errors.New("redacting: there is no key to sign it with")
	}
	entry, err := s.log.lookup(id)
	if err != nil {
		return nil, err
	}
	g, place := s.log.segmentOf(entry.Seq)
	line, err := g.line(place)
	if err != nil {
		return nil, err
	}
	redacted, removed, err := store.RedactLine(line, paths)
	if err != nil || len(removed) == 0 {
		return nil, err
	}
	after, err := store.DecodeLine(redacted)
	if err != nil {
		return nil, err
	}
	r := store.Redaction{EventID: entry.ID, Seq: entry.Seq, Hash: entry.Hash, Paths: map[string]string{}, By: by}
	for _, path := range removed {
		r.Paths[path] = after.Redacted[path]
	}
	if err := r.Sign(signer); err != nil {
		return nil, err
	}
	data, err := json.Marshal(&r)
	if err != nil {
		return nil, err
	}
	e := store.Entry{Type: store.EntryRedacted, OwnerID: entry.OwnerID, Data: data}
	s.complete(&e)
	if err := s.log.append([]store.Entry{e}); err != nil {
		return nil, err
	}
	return removed, s.replaceLine(entry.Seq, redacted)
}

// replaceLine rewrites the line of an entry.
func (s *Store) replaceLine(seq uint64, line []byte) error {
	g, place := s.log.segmentOf(seq)
	if !g.sealed() {
		// The file that is being written cannot be replaced. Sealed ones can, at leisure.
		if err := s.log.ask(func() error { return s.log.sealIfActive(g) }); err != nil {
			return unavailable(fmt.Errorf("redacting entry %d: %w", seq, err))
		}
	}
	if err := s.rewrite(g, place, append(line, '\n')); err != nil {
		return unavailable(fmt.Errorf("redacting entry %d: %w; the next start finishes it", seq, err))
	}
	return nil
}

// finishRedactions takes out what an ENTRY_REDACTED says and its line still has: a crash came between the two, or the
// line was restored from a backup.
func (s *Store) finishRedactions(ctx context.Context) error {
	keys, err := s.logKeys()
	if err != nil {
		return err
	}
	left := math.MaxInt
	for e, err := range s.newestFirst(ctx, store.AuditQuery{Types: []store.EventType{store.EntryRedacted}}, s.log.last(), &left) {
		if err != nil {
			return err
		}
		if err := s.finishRedaction(&e, keys); err != nil {
			s.opts.Log.Warn("a redaction is pending", "entry", e.ID, "err", err)
		}
	}
	return nil
}

func (s *Store) finishRedaction(e *store.Entry, keys map[string]ed25519.PublicKey) error {
	said, err := store.RedactionOf(e, keys)
	if err != nil {
		return err
	}
	entry, err := s.log.entry(said.Seq)
	if err != nil {
		return err
	}
	if entry.Hash != said.Hash {
		return fmt.Errorf("%w: it is of another entry %d", store.ErrBroken, said.Seq)
	}
	g, place := s.log.segmentOf(said.Seq)
	line, err := g.line(place)
	if err != nil {
		return err
	}
	redacted, removed, err := store.RedactLine(line, slices.Sorted(maps.Keys(said.Paths)))
	if err != nil || len(removed) == 0 {
		return err
	}
	return s.replaceLine(said.Seq, redacted)
}

// logKeys are the public keys that sign the log.
func (s *Store) logKeys() (map[string]ed25519.PublicKey, error) {
	keys, err := logKeys(s.dir)
	if signer := s.opts.Signer; err == nil && signer != nil {
		keys[signer.KID()] = signer.Public()
	}
	return keys, err
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
