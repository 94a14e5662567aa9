package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/openleash/openleash-go/store"
)

// Options say how a Store behaves. Clock and Log are required; zero fields take the defaults named
// beside them.
type Options struct {
	Clock  func() time.Time
	Log    *slog.Logger
	Random io.Reader // of salts and ids: crypto/rand

	// Redact are paths such as $.payload.email whose values never reach the log.
	Redact []string
	// SegmentSize is the size in bytes at which the log goes on in a new file: 256 MiB.
	SegmentSize int64
	// Signer signs checkpoints of the log; none by default. See SetSigner.
	Signer store.Signer
	// CheckpointEvery is the number of entries after which one is signed: 10,000.
	CheckpointEvery int
	// CheckpointInterval is the time after which one is signed if there are new entries: 10 min.
	CheckpointInterval time.Duration
	// Committed, if there is one, is told of each write of the log: its entries, and what it took with
	// the fsync. It must return at once.
	Committed func(entries int, took time.Duration, err error)
	// Nonces bounds how many nonces are remembered: 8 Mi, which is 600 s of 14,000 requests a second.
	Nonces int

	disk          disk   // the file system; tests make it fail
	adopts        bool   // the log is accepted as it is; see Adopt
	snapshotEvery uint64 // entries, which a start-up replays: 20,000
}

// Store keeps everything in one data folder. It is safe for concurrent use by one process, which a
// lock file sees to.
type Store struct {
	dir  string
	opts Options
	disk disk
	lock *flock.Flock

	records *records
	log     *auditLog
	nonces  *nonces

	update     sync.Mutex             // held by a transaction
	unfinished atomic.Pointer[intent] // committed, and not all of it written through
	abandoned  bool                   // the journal holds what is not to happen

	watching      sync.Mutex
	policyFolders map[string]bool // that the last scan of the policies went through

	settling  stripes
	redacting sync.Mutex

	signerMu sync.Mutex
	signer   store.Signer

	keeping        sync.Mutex // guards what lags behind the log
	snapshotAt     uint64
	checkpointAt   uint64 // the last entry that needs no new checkpoint
	checkpointTime time.Time

	kept chan struct{} // closed when the keeper has ended
	stop context.CancelFunc

	closing  sync.Once
	closeErr error
}

// Open opens a data folder, making it if there is none, and finishes or undoes what a crash
// interrupted. An error changes nothing and says what to do.
func Open(ctx context.Context, dir string, opts Options) (*Store, error) {
	if opts.Clock == nil || opts.Log == nil {
		return nil, errors.New("opening a store: Clock and Log are required")
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.SegmentSize <= 0 {
		opts.SegmentSize = 256 << 20
	}
	if opts.Nonces <= 0 {
		opts.Nonces = 8 << 20
	}
	if opts.CheckpointEvery <= 0 {
		opts.CheckpointEvery = 10_000
	}
	if opts.CheckpointInterval <= 0 {
		opts.CheckpointInterval = 10 * time.Minute
	}
	if opts.snapshotEvery == 0 {
		opts.snapshotEvery = 20_000
	}
	if opts.disk == nil {
		opts.disk = osDisk{}
	}
	for _, path := range opts.Redact {
		if err := store.CheckRedactionPath(path); err != nil {
			return nil, err
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", dir, err)
	}
	s := &Store{dir: abs, opts: opts, disk: opts.disk, records: newRecords(), nonces: newNonces(filepath.Join(abs, cacheFolder), opts.disk, opts.Nonces)}
	s.settling.seed = maphash.MakeSeed()
	if err := s.makeFolders(); err != nil {
		return nil, err
	}
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.lock.Unlock())
	}
	return s, nil
}

// open does what needs the lock.
func (s *Store) open(ctx context.Context) error {
	if err := removeTemps(s.disk, s.dir); err != nil {
		return fmt.Errorf("removing unfinished files: %w", err)
	}
	recovered, err := s.openLog(ctx)
	if err != nil {
		return err
	}
	go s.log.run()
	err = errors.Join(s.report(recovered), s.recoverIntent())
	if err == nil {
		err = errors.Join(s.loadRecords(), s.seedNonces(), s.recallCheckpoint(), s.finishRedactions(ctx))
	}
	if err != nil {
		s.log.stop()
		return errors.Join(err, s.log.closeFiles())
	}
	s.signer = s.opts.Signer
	kept, cancel := context.WithCancel(context.Background())
	s.kept, s.stop = make(chan struct{}), cancel
	go s.keep(kept)
	return nil
}

// takeLock makes this process the folder's owner, or says who is.
func (s *Store) takeLock() error {
	name := filepath.Join(s.dir, lockFile)
	s.lock = flock.New(name, flock.SetPermissions(fileMode))
	ok, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("locking %s: %w", s.dir, err)
	}
	if !ok {
		who, _ := os.ReadFile(name)
		return &LockedError{Dir: s.dir, By: strings.TrimSpace(string(who))}
	}
	host, _ := os.Hostname()
	who := fmt.Sprintf("process %s on %s since %s\n", strconv.Itoa(os.Getpid()), host, s.opts.Clock().UTC().Format(time.RFC3339))
	if err := os.WriteFile(name, []byte(who), fileMode); err != nil {
		return errors.Join(fmt.Errorf("locking %s: %w", s.dir, err), s.lock.Unlock())
	}
	return nil
}

// LockedError says who holds a data folder.
type LockedError struct {
	Dir string
	By  string // such as "process 12 on host since 2026-01-01T00:00:00Z"
}

func (e *LockedError) Error() string { return fmt.Sprintf("%s is in use by %s", e.Dir, e.By) }

// Close writes what is queued and gives the folder up. Calls after it, and calls under way, fail.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.update.Lock()
		defer s.update.Unlock()
		s.stop()
		<-s.kept
		errs := []error{s.finish(), s.checkpoint()}
		s.log.stop()
		errs = append(errs, s.snapshot(), s.nonces.sync(), s.nonces.close(), s.log.closeFiles(), s.lock.Unlock())
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

func (l *auditLog) closeFiles() error {
	var errs []error
	if l.file != nil {
		errs = append(errs, l.file.Close())
		l.file = nil
	}
	if l.head != nil {
		errs = append(errs, l.head.file.Sync(), l.head.file.Close())
		l.head = nil
	}
	l.segmentsMu.Lock()
	defer l.segmentsMu.Unlock()
	for _, g := range l.segments {
		errs = append(errs, g.close())
	}
	return errors.Join(errs...)
}
