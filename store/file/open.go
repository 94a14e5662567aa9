package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

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
		generation: generation{now: 1},
		dir:        s.dir, disk: s.disk, random: s.opts.Random, redact: s.opts.Redact, segmentSize: s.opts.SegmentSize,
		openSegment: s.openSegment, clock: s.opts.Clock, committed: s.opts.Committed, ledger: store.NewLedger(),
		warn:   func(what string, err error) { s.opts.Log.Warn(what, "err", err) },
		wanted: 1, delay: commitDelay, timer: time.NewTimer(0),
		woken: make(chan struct{}, 1), moved: map[uint32]chan struct{}{}, asks: make(chan func()), stopped: make(chan struct{}),
	}
	s.log = l
	fresh, err := s.isFresh()
	if err != nil {
		return nil, err
	}
	if err := s.loadKey(); err != nil {
		return nil, err
	}
	if err := s.openSegments(); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	chain, err := s.loadSnapshot()
	if err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	keys, err := s.logKeys()
	if err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	redactions := store.NewRedactions(chain.Seq+1, keys)
	var rec *recovered
	for i := 0; i < len(l.segments); i++ {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, l.closeFiles())
		}
		if rec, err = s.replaySegment(l.segments[i], &chain, redactions, i == len(l.segments)-1); err != nil {
			return nil, errors.Join(err, l.closeFiles())
		}
	}
	if seq, err := redactions.Unmatched(); err != nil {
		g, place := l.segmentOf(seq)
		rs, _ := g.records(place, 1)
		return nil, errors.Join(s.corrupt(g, place+1, rs[0].offset, err), l.closeFiles())
	}
	if err := s.checkHead(chain, fresh || s.opts.adopts); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	l.chain, l.size, l.durable = chain.Hash, l.active().size, chain.Seq
	l.queue = newBatch(chain.Seq + 1)
	return rec, nil
}

// openSegments opens the files of the log and takes from the index what fits them.
func (s *Store) openSegments() error {
	l := s.log
	paths, err := listSegments(s.dir)
	if err != nil {
		return err
	}
	first := uint64(1)
	for i, path := range paths {
		g, err := s.openSegment(path, i+1, first)
		if err != nil {
			return err
		}
		l.segments = append(l.segments, g)
		if i > 0 && !l.segments[i-1].whole() {
			// Where this one begins is known only when the one before was read.
			if err := g.index.Truncate(0); err != nil {
				return fmt.Errorf("resetting an index: %w", err)
			}
			continue
		}
		if err := g.loadIndex(&l.hasher); err != nil {
			return err
		}
		for place := 0; place < g.count(); place += chunk {
			rs, err := g.records(place, chunk)
			if err != nil {
				return err
			}
			for j := range rs {
				l.insert(first+uint64(place+j), &rs[j])
			}
		}
		first += uint64(g.count())
	}
	return nil
}

// replaySegment folds what comes after chain in one segment, and indexes what is not yet.
func (s *Store) replaySegment(g *segment, chain *store.Chain, redactions *store.Redactions, last bool) (*recovered, error) {
	if n := g.count(); n == 0 {
		g.first = chain.Seq + 1
	} else if chain.Seq >= g.first+uint64(n)-1 && g.whole() {
		return nil, nil
	}
	from, line := int64(0), 0
	if chain.Seq >= g.first {
		rs, err := g.records(int(chain.Seq-g.first), 1)
		if err != nil || len(rs) == 0 {
			return nil, errors.Join(errIndex, err)
		}
		from, line = rs[0].offset+int64(rs[0].length), int(chain.Seq-g.first)+1
	}
	end, err := g.scan(from, func(b []byte, offset int64) error {
		line++
		if err := s.replayLine(g, chain, redactions, b, offset); err != nil {
			return s.corrupt(g, line, offset, err)
		}
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
	return s.cut(g, *chain, line+1, end, info.Size())
}

func (s *Store) replayLine(g *segment, chain *store.Chain, redactions *store.Redactions, b []byte, offset int64) error {
	if err := chain.Next(b); err != nil {
		return err
	}
	e, err := store.DecodeLine(b)
	if err != nil {
		return err
	}
	if err := redactions.Next(&e); err != nil {
		return err
	}
	if err := s.log.ledger.Replay(&e); err != nil {
		return err
	}
	if e.Seq < g.first+uint64(g.count()) {
		return nil // the index has it
	}
	r := s.log.hasher.describe(&e)
	r.offset, r.length = offset, uint32(len(b)+1)
	s.log.insert(e.Seq, &r)
	g.add([]record{r})
	return nil
}

// cut removes a torn last line, which a crash left before its fsync. A line that is whole but for
// its newline was not torn but changed: it may have been answered.
func (s *Store) cut(g *segment, chain store.Chain, line int, end, size int64) (*recovered, error) {
	if size-end <= store.MaxLine {
		tail := make([]byte, size-end)
		if _, err := g.lines.ReadAt(tail, end); err != nil {
			return nil, fmt.Errorf("reading a torn line: %w", err)
		}
		if chain.Next(tail[:len(tail)-1]) == nil {
			return nil, s.corrupt(g, line, end, errors.New("its newline was changed into something else"))
		}
	}
	if err := os.Truncate(g.path, end); err != nil {
		return nil, fmt.Errorf("cutting off a torn line: %w", err)
	}
	return &recovered{File: filepath.Base(g.path), Bytes: size - end, At: end}, nil
}

// corrupt says where a log does not hold, and how to go on.
func (s *Store) corrupt(g *segment, line int, offset int64, err error) error {
	name := filepath.Base(g.path)
	return fmt.Errorf("%s line %d (entry %d, at byte %d): %w; nothing was changed. Restore the file from a backup. "+
		"`openleash audit verify` tells more. To go on without this entry and what follows it, move the file and all later segments away and run "+
		"`openleash audit adopt`, which keeps budgets at their last known sums",
		name, line, g.first+uint64(line)-1, offset, err)
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
