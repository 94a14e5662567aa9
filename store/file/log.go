package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/openleash/openleash-go/store"
)

// auditLog is the log, the ledger that folds it, and what finds its entries. Writers queue entries
// under a short mutex, in which check, charge and place in the log are one step; one goroutine
// writes what is queued with one write and one fsync, and wakes those who wait for it. Entries that
// come while it does share the next fsync.
type auditLog struct {
	dir    string
	disk   disk
	random io.Reader
	redact []string
	hasher hasher

	segmentSize int64
	clock       func() time.Time
	committed   func(entries int, took time.Duration, err error) // may be nil
	warn        func(what string, err error)
	openSegment func(path string, number int, first uint64) (*segment, error)

	mu         sync.Mutex // guards what follows; never held over a write
	ledger     *store.Ledger
	generation generation
	table      table // of index hashes
	queue      *batch
	writing    *batch                   // nil while none is
	durable    uint64                   // the last sequence number that is on disk
	failures   int                      // batches undone so far
	fault      error                    // of the last write; nil if it succeeded
	moved      map[uint32]chan struct{} // by owner, for those who follow
	closed     bool
	wanted     int // entries that wake the goroutine that writes; 0 while it looks by itself
	lately     int // entries that came together lately

	segmentsMu sync.RWMutex
	segments   []*segment // the active one last

	woken   chan struct{}
	asks    chan func() // to be done between two batches
	stopped chan struct{}

	// What follows belongs to the goroutine that writes.
	delay time.Duration // commitDelay
	timer *time.Timer
	head  *logHead
	file  handle // nil: must be opened anew
	size  int64  // of the lines that hold
	dirty bool   // there may be more behind size
	chain store.Hash
	buf   []byte
}

// batch is the entries that share one fsync.
type batch struct {
	first uint64
	items []item
	done  chan struct{} // closed when they are durable, or never will be
	err   error
}

type item struct {
	entry   *store.Entry
	encoded *store.Encoded
	record  record
}

func newBatch(first uint64) *batch { return &batch{first: first, done: make(chan struct{})} }

var errClosed = errors.New("the store is closed")

// prepare does all that does not need the mutex.
func (l *auditLog) prepare(e *store.Entry) (item, error) {
	x, err := store.Encode(e, l.redact, l.random)
	if err != nil {
		return item{}, err
	}
	return item{e, x, l.hasher.describe(e)}, nil
}

// push queues items and folds them into the ledger. The caller holds mu.
func (l *auditLog) push(items ...item) (*batch, error) {
	if l.closed {
		return nil, unavailable(errClosed)
	}
	b := l.queue
	for i, it := range items {
		it.entry.Seq = b.first + uint64(len(b.items))
		if err := l.ledger.Apply(it.entry); err != nil {
			for range i {
				l.undoLast(b)
			}
			return nil, err
		}
		l.insert(it.entry.Seq, &it.record)
		b.items = append(b.items, it)
	}
	if l.wanted > 0 && len(b.items) >= l.wanted {
		l.rouse()
	}
	return b, nil
}

// rouse wakes the goroutine that writes.
func (l *auditLog) rouse() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

func (l *auditLog) insert(seq uint64, r *record) {
	l.table.add(r.id, seq)
	if r.action != 0 {
		l.table.add(r.action, seq)
	}
}

// undoLast takes back the last item of a batch. The caller holds mu.
func (l *auditLog) undoLast(b *batch) {
	it := b.items[len(b.items)-1]
	b.items = b.items[:len(b.items)-1]
	_ = l.ledger.Revert(it.entry) // it was applied, so it can be reverted
	l.table.remove(it.record.id, it.entry.Seq)
	if it.record.action != 0 {
		l.table.remove(it.record.action, it.entry.Seq)
	}
}

// append writes entries durably, in one batch.
func (l *auditLog) append(entries []store.Entry) error {
	items := make([]item, len(entries))
	for i := range entries {
		var err error
		if items[i], err = l.prepare(&entries[i]); err != nil {
			return err
		}
	}
	l.mu.Lock()
	b, err := l.push(items...)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return b.wait()
}

func (b *batch) wait() error {
	<-b.done
	return b.err
}

// Fault is why the last write of the log failed, or of the nonces; nil if both succeeded.
func (s *Store) Fault() error {
	s.log.mu.Lock()
	fault := s.log.fault
	s.log.mu.Unlock()
	if fault != nil {
		return fault
	}
	return s.nonces.fault()
}

// last is the last durable sequence number.
func (l *auditLog) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// run writes batches until the log is closed and all is written.
func (l *auditLog) run() {
	defer close(l.stopped)
	for {
		select {
		case <-l.woken:
		case do := <-l.asks:
			do()
		}
		for l.gather() {
			b := l.take()
			if err := l.commit(b); err != nil {
				l.fail(b, err)
			} else {
				l.publish(b)
			}
		}
		if l.ended() {
			return
		}
	}
}

// commitDelay bounds how long entries wait for others to share their fsync.
const commitDelay = time.Millisecond

// gather waits until as many entries are queued as came together lately: whoever was answered by the
// last fsync is likely to ask again. It says whether there is something to write.
func (l *auditLog) gather() bool {
	l.mu.Lock()
	n := len(l.queue.items)
	waits := n > 0 && n < l.lately && !l.closed
	l.wanted = 1
	if waits {
		l.wanted = l.lately
		select {
		case <-l.woken: // for what is queued already
		default:
		}
	}
	l.mu.Unlock()
	if waits {
		l.timer.Reset(l.delay)
		select {
		case <-l.woken:
			l.timer.Stop()
		case <-l.timer.C:
		}
	}
	return n > 0
}

// take begins to write what is queued.
func (l *auditLog) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.queue
	l.wanted = 0
	l.writing, l.queue = b, newBatch(b.first+uint64(len(b.items)))
	return b
}

func (l *auditLog) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed && len(l.queue.items) == 0
}

// ask has something done between two batches, by the goroutine that writes.
func (l *auditLog) ask(do func() error) error {
	done := make(chan error, 1)
	select {
	case l.asks <- func() { done <- do() }:
		return <-done
	case <-l.stopped:
		return errClosed
	}
}

// publish makes a durable batch visible and wakes its writers.
func (l *auditLog) publish(b *batch) {
	l.mu.Lock()
	l.writing = nil
	l.fault = nil
	l.durable += uint64(len(b.items))
	l.lately = len(b.items) + len(l.queue.items)
	l.wake(b)
	l.mu.Unlock()
	close(b.done)
}

// fail undoes a batch that could not be written, and all that was queued on top of it.
func (l *auditLog) fail(b *batch, err error) {
	err = unavailable(err)
	l.mu.Lock()
	behind := l.queue
	for len(behind.items) > 0 {
		l.undoLast(behind)
	}
	for len(b.items) > 0 {
		l.undoLast(b)
	}
	l.writing, l.queue = nil, newBatch(b.first)
	l.failures++
	l.fault = err
	l.lately = 0
	l.mu.Unlock()
	b.err, behind.err = err, err
	close(b.done)
	close(behind.done)
}

// commit writes a batch, and tells of it.
func (l *auditLog) commit(b *batch) error {
	if l.committed == nil {
		return l.write(b)
	}
	entries, began := len(b.items), l.clock()
	err := l.write(b)
	l.committed(entries, l.clock().Sub(began), err)
	return err
}

// write puts a batch on disk. If it fails, nothing of the batch is there.
func (l *auditLog) write(b *batch) error {
	if err := l.ready(); err != nil {
		return err
	}
	records, prev := make([]record, len(b.items)), l.chain
	l.buf = l.buf[:0]
	for i := range b.items {
		r := b.items[i].record
		at := len(l.buf)
		l.buf, prev = b.items[i].encoded.Append(l.buf, b.first+uint64(i), prev)
		r.offset, r.length = l.size+int64(at), uint32(len(l.buf)-at)
		records[i] = r
	}
	if err := l.inPlace(); err != nil {
		return err
	}
	l.dirty = true
	n, err := l.file.WriteAt(l.buf, l.size)
	if err == nil && n < len(l.buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		// After a failed fsync nobody knows what is on disk, only that what was there before is.
		return errors.Join(fmt.Errorf("writing the log: %w", err), l.repair())
	}
	l.dirty, l.chain = false, prev
	l.size += int64(len(l.buf))
	l.active().add(records)
	if err := l.head.write(b.first+uint64(len(b.items))-1, prev); err != nil {
		l.warn("remembering how far the log has come", err)
	}
	if cap(l.buf) > 4*store.MaxLine {
		l.buf = nil
	}
	return nil
}

// inPlace checks that the file in the folder is still the one that was replayed and written: one that was moved,
// truncated or replaced under the server takes no more decisions.
func (l *auditLog) inPlace() error {
	g := l.active()
	name := filepath.Join(l.dir, activeLog)
	found, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("the log is not in its place: %w; put the file back", err)
	}
	have, err := g.lines.Stat()
	if err != nil {
		return fmt.Errorf("looking at the log: %w", err)
	}
	switch {
	case !os.SameFile(found, have):
		return fmt.Errorf("%s was moved or replaced while the server runs; put the file back, or stop the server and see the chapter on the log in `openleash docs operations`", name)
	case found.Size() < l.size:
		return fmt.Errorf("%s was cut from %d to %d bytes while the server runs; restore it", name, l.size, found.Size())
	}
	return nil
}

// repair cuts off what a failed write may have left behind the lines that hold.
func (l *auditLog) repair() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("cutting off a failed write: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("cutting off a failed write: %w", err)
	}
	l.dirty = false
	return nil
}

// ready opens the active segment, sealing a full one before, and mends what a failure left.
func (l *auditLog) ready() error {
	if l.file != nil && l.dirty {
		if err := l.repair(); err != nil {
			return err
		}
	}
	if l.size >= l.segmentSize && !l.active().sealed() {
		if err := l.seal(); err != nil {
			return err
		}
	}
	if l.active().sealed() {
		if err := l.begin(); err != nil {
			return err
		}
	}
	if l.file != nil {
		return nil
	}
	if err := l.inPlace(); err != nil {
		return err
	}
	f, err := l.disk.Open(filepath.Join(l.dir, activeLog), os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	if err := l.disk.SyncDir(l.dir); err != nil {
		return errors.Join(fmt.Errorf("opening the log: %w", err), f.Close())
	}
	l.file, l.dirty = f, true
	return l.repair()
}

func (l *auditLog) active() *segment {
	l.segmentsMu.RLock()
	defer l.segmentsMu.RUnlock()
	return l.segments[len(l.segments)-1]
}

// segmentOf returns the segment of an entry and its place there; nil if the log does not hold it.
func (l *auditLog) segmentOf(seq uint64) (*segment, int) {
	l.segmentsMu.RLock()
	defer l.segmentsMu.RUnlock()
	for i := len(l.segments) - 1; i >= 0; i-- {
		if g := l.segments[i]; seq >= g.first {
			return g, int(seq - g.first)
		}
	}
	return nil, 0
}

// entry reads one durable entry.
func (l *auditLog) entry(seq uint64) (store.Entry, error) {
	g, place := l.segmentOf(seq)
	if g == nil {
		return store.Entry{}, store.ErrNotFound
	}
	line, err := g.line(place)
	if err != nil {
		return store.Entry{}, err
	}
	e, err := store.DecodeLine(line)
	if err == nil && e.Seq != seq {
		err = fmt.Errorf("%w: entry %d stands where %d belongs", store.ErrBroken, e.Seq, seq)
	}
	return e, err
}

// pending returns a queued entry that is not durable yet, with its batch. The caller holds mu.
func (l *auditLog) pending(seq uint64) (*store.Entry, *batch) {
	for _, b := range []*batch{l.writing, l.queue} {
		if b != nil && seq >= b.first && seq < b.first+uint64(len(b.items)) {
			return b.items[seq-b.first].entry, b
		}
	}
	return nil, nil
}

// stop writes what is queued and ends run.
func (l *auditLog) stop() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.rouse()
	<-l.stopped
}
