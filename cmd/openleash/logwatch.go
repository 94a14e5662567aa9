package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/openleash/openleash-go/gui"
	"github.com/openleash/openleash-go/store/file"
)

const (
	firstLook = 10 * time.Second // after the start, which has enough to do
	nextLook  = time.Hour
)

var errNotLooked = errors.New("the log was not verified yet")

// logWatch verifies the log now and then while the server runs, for the portal to show. What an
// earlier look found intact, the next one takes a signed checkpoint's word for.
type logWatch struct {
	dir string

	mu     sync.Mutex
	status *gui.LogStatus
}

// Status is what the last look found.
func (w *logWatch) Status(context.Context) (gui.LogStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == nil {
		return gui.LogStatus{}, errNotLooked
	}
	return *w.status, nil
}

// run looks until ctx ends.
func (w *logWatch) run(ctx context.Context) error {
	var from []byte
	for wait := firstLook; ; wait = nextLook {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		note, signed := w.newestCheckpoint()
		report, err := w.look(ctx, file.VerifyOptions{Checkpoint: from, FromCheckpoint: from != nil})
		var wrong *file.VerifyError
		if err != nil && !errors.As(err, &wrong) {
			continue // it could not be read; the store says why
		}
		if err == nil {
			from = note
		}
		w.mu.Lock()
		w.status = &gui.LogStatus{Seq: report.SignedThrough, Time: signed, Intact: err == nil}
		w.mu.Unlock()
	}
}

// look verifies, and once more if something is wrong: a line may just be on its way to the file.
func (w *logWatch) look(ctx context.Context, o file.VerifyOptions) (report file.VerifyReport, err error) {
	for range 3 {
		if report, err = file.Verify(ctx, w.dir, o); err == nil || ctx.Err() != nil {
			return report, err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return report, err
}

// newestCheckpoint is the last one signed, and when; nil if there is none.
func (w *logWatch) newestCheckpoint() (note []byte, signed time.Time) {
	names, _ := filepath.Glob(filepath.Join(w.dir, "checkpoints", "*.note")) // sorted, and so are their numbers
	if len(names) == 0 {
		return nil, time.Time{}
	}
	name := names[len(names)-1]
	note, err := os.ReadFile(name)
	if err != nil {
		return nil, time.Time{}
	}
	if info, err := os.Stat(name); err == nil {
		signed = info.ModTime()
	}
	return note, signed
}
