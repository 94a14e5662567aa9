package file

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/openleash/openleash-go/store"
)

// The log is a row of segments: audit.log.000001.jsonl and so on are sealed, audit.log.jsonl is the
// one being written. The chain runs through all of them.
const activeLog = "audit.log.jsonl"

func sealedLog(number int) string { return fmt.Sprintf("audit.log.%06d.jsonl", number) }

var sealedName = regexp.MustCompile(`^audit\.log\.([0-9]{6,})\.jsonl$`)

// segment is one file of the log and its part of the index.
type segment struct {
	number int    // from 1
	first  uint64 // sequence number of its first entry

	flushing sync.Mutex // one flush, or rewrite, at a time

	mu      sync.RWMutex
	path    string
	lines   *os.File // for reading
	index   *os.File
	flushed int      // records that the index file holds
	tail    []record // the records behind them
	size    int64    // bytes of lines
}

// count is the number of entries.
func (g *segment) count() int {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.flushed + len(g.tail)
}

func (g *segment) add(rs []record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tail = append(g.tail, rs...)
	last := rs[len(rs)-1]
	g.size = last.offset + int64(last.length)
}

// records returns up to n records from place first on.
func (g *segment) records(first, n int) ([]record, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.recordsLocked(first, n)
}

func (g *segment) recordsLocked(first, n int) ([]record, error) {
	n = min(n, g.flushed+len(g.tail)-first)
	if n <= 0 {
		return nil, nil
	}
	if first >= g.flushed {
		return slices.Clone(g.tail[first-g.flushed:][:n]), nil
	}
	fromFile := min(n, g.flushed-first)
	out, err := readRecords(g.index, first, fromFile)
	if err != nil {
		return nil, fmt.Errorf("reading the index of %s: %w", filepath.Base(g.path), err)
	}
	return append(out, g.tail[:n-fromFile]...), nil
}

// candidate is an entry that the index lets through a filter.
type candidate struct {
	place, length int
}

// candidates returns those among n entries from place first on. buf is for what is read. It leaves
// the checksums of what does not match alone: they were all checked when the log was opened.
func (g *segment) candidates(first, n int, f *filter, buf []byte) ([]candidate, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var out []candidate
	fromFile := min(n, max(0, g.flushed-first))
	buf = buf[:fromFile*recordSize]
	if _, err := g.index.ReadAt(buf, int64(first)*recordSize); err != nil && fromFile > 0 {
		return nil, fmt.Errorf("reading the index of %s: %w", filepath.Base(g.path), err)
	}
	for i := range fromFile {
		b := buf[i*recordSize:][:recordSize]
		if !f.matchRaw(b) {
			continue
		}
		r, err := parseRecord(b)
		if err != nil {
			return nil, fmt.Errorf("reading the index of %s: %w", filepath.Base(g.path), err)
		}
		out = append(out, candidate{first + i, int(r.length)})
	}
	for i := fromFile; i < n && first+i-g.flushed < len(g.tail); i++ {
		if r := &g.tail[first+i-g.flushed]; f.match(r) {
			out = append(out, candidate{first + i, int(r.length)})
		}
	}
	return out, nil
}

// line reads one line, without its newline.
func (g *segment) line(place int) ([]byte, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	rs, err := g.recordsLocked(place, 1)
	if err != nil {
		return nil, err
	}
	if len(rs) == 0 {
		return nil, store.ErrNotFound
	}
	b := make([]byte, rs[0].length)
	if _, err := g.lines.ReadAt(b, rs[0].offset); err != nil {
		return nil, fmt.Errorf("reading %s at byte %d: %w", filepath.Base(g.path), rs[0].offset, err)
	}
	if n := len(b); n == 0 || b[n-1] != '\n' {
		return nil, fmt.Errorf("%s line %d: %w: it does not end where it did", filepath.Base(g.path), place+1, store.ErrBroken)
	}
	return b[:len(b)-1], nil
}

// flush writes the tail of the index to its file. A failure costs memory and a rebuild, no more.
func (g *segment) flush() error {
	g.flushing.Lock()
	defer g.flushing.Unlock()
	return g.flushLocked()
}

func (g *segment) flushLocked() error {
	g.mu.RLock()
	from, tail := g.flushed, slices.Clone(g.tail)
	g.mu.RUnlock()
	if len(tail) == 0 {
		return nil
	}
	buf := make([]byte, 0, len(tail)*recordSize)
	for i := range tail {
		buf = tail[i].append(buf)
	}
	if _, err := g.index.WriteAt(buf, int64(from)*recordSize); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flushed += len(tail)
	g.tail = slices.Clone(g.tail[len(tail):])
	return nil
}

func (g *segment) close() error {
	return errors.Join(g.flush(), g.lines.Close(), g.index.Close())
}

// listSegments returns the segment files of a log in order, the active one last; its number is that
// after the last sealed one. Gaps in the numbers are an error: a file is missing.
func listSegments(dir string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	sealed := make(map[int]string)
	for _, e := range entries {
		if m := sealedName.FindStringSubmatch(e.Name()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || e.Name() != sealedLog(n) {
				continue
			}
			sealed[n] = filepath.Join(dir, e.Name())
		}
	}
	for n := 1; n <= len(sealed); n++ {
		path, ok := sealed[n]
		if !ok {
			return nil, fmt.Errorf("%w: %s is missing", store.ErrBroken, sealedLog(n))
		}
		paths = append(paths, path)
	}
	return append(paths, filepath.Join(dir, activeLog)), nil
}

// openSegment opens a segment and what its index file rightly holds.
func (s *Store) openSegment(path string, number int, first uint64) (*segment, error) {
	lines, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	index, err := os.OpenFile(s.indexFile(number), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the index: %w", err), lines.Close())
	}
	g := &segment{number: number, first: first, path: path, lines: lines, index: index}
	return g, nil
}

func (s *Store) indexFile(number int) string {
	return filepath.Join(s.dir, cacheFolder, fmt.Sprintf("%06d.index", number))
}

// loadIndex takes the records of the index file that fit the lines. What does not fit is dropped,
// for a scan to put right.
func (g *segment) loadIndex(h *hasher) error {
	info, err := g.lines.Stat()
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	br := bufio.NewReaderSize(io.NewSectionReader(g.index, 0, 1<<62), 1<<18)
	var buf [recordSize]byte
	for {
		if _, err := io.ReadFull(br, buf[:]); err != nil {
			break
		}
		r, err := parseRecord(buf[:])
		if err != nil || r.offset != g.size || g.size+int64(r.length) > info.Size() {
			break
		}
		g.size += int64(r.length)
		g.flushed++
	}
	if g.flushed > 0 && !g.lastFits(h) {
		g.flushed, g.size = 0, 0 // of another log
	}
	if err := g.index.Truncate(int64(g.flushed) * recordSize); err != nil {
		return fmt.Errorf("opening the index: %w", err)
	}
	return nil
}

// lastFits compares the last record of the index with its line.
func (g *segment) lastFits(h *hasher) bool {
	rs, err := g.records(g.flushed-1, 1)
	if err != nil {
		return false
	}
	line, err := g.line(g.flushed - 1)
	if err != nil {
		return false
	}
	e, err := store.DecodeLine(line)
	if err != nil {
		return false
	}
	want := h.describe(&e)
	want.offset, want.length = rs[0].offset, rs[0].length
	return want == rs[0] && e.Seq == g.first+uint64(g.flushed-1)
}

// whole says whether the index knows every byte of the lines.
func (g *segment) whole() bool {
	info, err := g.lines.Stat()
	g.mu.RLock()
	defer g.mu.RUnlock()
	return err == nil && info.Size() == g.size
}

// scan reads the lines behind what the index knows and hands each on, without its newline. It stops
// at a line that is not whole, and returns where.
func (g *segment) scan(from int64, each func(line []byte, offset int64) error) (end int64, err error) {
	br := bufio.NewReaderSize(io.NewSectionReader(g.lines, from, 1<<62), 1<<20)
	for end = from; ; {
		line, err := readLine(br)
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return end, fmt.Errorf("reading %s: %w", filepath.Base(g.path), err)
		}
		if err := each(line[:len(line)-1], end); err != nil {
			return end, err
		}
		end += int64(len(line))
	}
}

// readLine returns a whole line with its newline; io.EOF if there is none.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := slices.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) && len(long) <= store.MaxLine {
		line, err = br.ReadSlice('\n')
		long = append(long, line...)
	}
	return long, err
}
