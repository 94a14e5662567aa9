package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// debounce is how long the policies must be quiet: an editor's save is several events.
const (
	debounce    = 50 * time.Millisecond
	maxDebounce = 120 * time.Millisecond // from the first event, so that steady writing hides nothing
)

// WatchPolicies calls changed when it has begun to watch, for what happened before, and after the
// files under policies/ have changed, until ctx ends. It follows subfolders, and the folder itself
// being removed, replaced or linked elsewhere. Every change is followed by a call.
func (s *Store) WatchPolicies(ctx context.Context, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the policies: %w", err)
	}
	defer w.Close()
	if err := w.Add(s.dir); err != nil { // sees the policies folder come and go
		return fmt.Errorf("watching %s: %w", s.dir, err)
	}
	if err := s.watchTree(w); err != nil {
		return err
	}
	changed()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	var first time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("watching the policies: the watcher ended")
			}
			if !s.concernsPolicies(e) {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			quiet.Reset(min(debounce, maxDebounce-time.Since(first)))
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("watching the policies: the watcher ended")
			}
			// An overflow: events were lost, so anything may have changed.
			s.opts.Log.Warn("watching the policies", "err", err)
			quiet.Reset(debounce)
		case <-quiet.C:
			first = time.Time{}
			if err := s.watchTree(w); err != nil {
				s.opts.Log.Error("watching the policies", "err", err)
			}
			changed()
		}
	}
}

// concernsPolicies says whether an event may have changed what the policies say.
func (s *Store) concernsPolicies(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	root := filepath.Join(s.dir, policyFolder)
	if filepath.Dir(e.Name) == s.dir {
		return e.Name == root
	}
	name := filepath.Base(e.Name)
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~")
}

// watchTree watches the policies folder and all in it. Watching one twice is nothing; the watches of
// folders that are gone went with them.
func (s *Store) watchTree(w *fsnotify.Watcher) error {
	root := filepath.Join(s.dir, policyFolder)
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return ignoreMissing(err)
	}
	// A folder that was replaced has the name of one that is watched. Watch the new one.
	for _, name := range w.WatchList() {
		if name != s.dir && !isWatched(name) {
			_ = w.Remove(name)
		}
	}
	_ = w.Remove(root)
	if err := w.Add(root); err != nil {
		return ignoreMissing(fmt.Errorf("watching %s: %w", root, err))
	}
	return filepath.WalkDir(real, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		if !d.IsDir() || name == real {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		return ignoreMissing(w.Add(name))
	})
}

func isWatched(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
