package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/openleash/openleash-go/store"
)

// recovered is what a start-up found to mend.
type recovered struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes_cut"` // of a torn last line; no decision in it was answered
	At    int64  `json:"at_byte"`
}

// openLog opens the log and folds it: from the snapshot if there is a good one, and from the first
// entry if not. A torn last line is cut off. A line that does not hold anywhere else is an error
// that says where, and how to go on.
func (s *Store) openLog(ctx context.Context) (*recovered, error) {
	l := &auditLog{
		dir: s.dir, disk: s.disk, random: s.opts.Random, redact: s.opts.Redact, segmentSize: s.opts.SegmentSize,
		openSegment: s.openSegment, ledger: store.NewLedger(),
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	s.log = l
	if err := s.loadKey(); err != nil {
		return nil, err
	}
	paths, err := listSegments(s.dir)
	if err != nil {
		return nil, err
	}
	var rec *recovered
	var chain store.Chain
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g, err := s.openSegment(path, i+1, chain.Seq+1)
		if err != nil {
			return nil, errors.Join(err, l.closeFiles())
		}
		l.segments = append(l.segments, g)
		if rec, err = s.replaySegment(g, &chain, i == len(paths)-1); err != nil {
			return nil, errors.Join(err, l.closeFiles())
		}
	}
	l.chain, l.size, l.durable = chain.Hash, l.active().size, chain.Seq
	l.queue = newBatch(chain.Seq + 1)
	return rec, nil
}

// replaySegment folds one segment.
func (s *Store) replaySegment(g *segment, chain *store.Chain, last bool) (*recovered, error) {
	l := s.log
	if err := g.index.Truncate(0); err != nil {
		return nil, err
	}
	line := 0
	end, err := g.scan(0, func(b []byte, offset int64) error {
		line++
		if err := chain.Next(b); err != nil {
			return s.corrupt(g, line, offset, err)
		}
		e, err := store.DecodeLine(b)
		if err != nil {
			return s.corrupt(g, line, offset, err)
		}
		if err := l.ledger.Replay(&e); err != nil {
			return s.corrupt(g, line, offset, err)
		}
		r := l.hasher.describe(&e)
		r.offset, r.length = offset, uint32(len(b)+1)
		l.insert(e.Seq, &r)
		g.add([]record{r})
		return nil
	})
	if err != nil {
		return nil, err
	}
	info, err := g.lines.Stat()
	if err != nil || info.Size() == end {
		return nil, err
	}
	if !last {
		return nil, s.corrupt(g, line+1, end, errors.New("the file ends in the middle of a line"))
	}
	if err := os.Truncate(g.path, end); err != nil {
		return nil, fmt.Errorf("cutting off a torn line: %w", err)
	}
	return &recovered{File: filepath.Base(g.path), Bytes: info.Size() - end, At: end}, nil
}

// corrupt says where a log does not hold, and how to go on.
func (s *Store) corrupt(g *segment, line int, offset int64, err error) error {
	name := filepath.Base(g.path)
	return fmt.Errorf("%s line %d (entry %d, at byte %d): %w; nothing was changed. Restore the file from a backup. "+
		"To go on without what follows, keep a copy of the file, then cut it: truncate -s %d %s, and remove later segments and the cache folder; `openleash audit verify` tells more",
		name, line, g.first+uint64(line)-1, offset, err, offset, filepath.Join(s.dir, name))
}

// report writes to the log what a start-up mended.
func (s *Store) report(rec *recovered) error {
	if rec == nil {
		return nil
	}
	s.opts.Log.Warn("a torn last line of the log was cut off; no decision in it was answered", "file", rec.File, "bytes", rec.Bytes)
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	e := store.Entry{Type: store.LogRecovered, Data: data}
	s.complete(&e)
	return s.log.append([]store.Entry{e})
}

// loadKey reads the key of the index hashes, or makes one; an index made with another is useless.
func (s *Store) loadKey() error {
	name := filepath.Join(s.dir, cacheFolder, "key")
	key, err := os.ReadFile(name)
	if err == nil && len(key) == len(s.log.hasher.key) {
		copy(s.log.hasher.key[:], key)
		return nil
	}
	if _, err := io.ReadFull(s.opts.Random, s.log.hasher.key[:]); err != nil {
		return fmt.Errorf("making the key of the index: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(s.dir, cacheFolder, "*.index"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := s.disk.Remove(name); err != nil {
			return err
		}
	}
	return replaceFile(s.disk, name, s.log.hasher.key[:])
}
