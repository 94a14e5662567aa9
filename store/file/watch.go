package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// debounce is how long the policies must be quiet: an editor's save is several events.
const (
	debounce    = 50 * time.Millisecond
	maxDebounce = 120 * time.Millisecond // from the first event, so that steady writing hides nothing
)

// maxWatched bounds how many folders are watched. Changes in others are found by the interval.
const maxWatched = 4096

// WatchPolicies calls changed when it has begun to watch, after files under policies/ may have changed,
// and at every interval, until ctx ends. changed calls ScanPolicies, which finds the folders to watch:
// subfolders, and those to which links lead. Events make it fast; the interval makes it certain, where the
// file system sends no events or the system's limits allow no watches.
func (s *Store) WatchPolicies(ctx context.Context, interval time.Duration, changed func()) error {
	w := s.newPolicyWatcher()
	defer w.close()
	if _, err := s.ScanPolicies(ctx); err != nil { // finds the folders to watch before the first call
		return err
	}
	w.follow()
	w.look(changed)
	every := time.NewTicker(interval)
	defer every.Stop()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	var first time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.events:
			if strings.HasSuffix(e.Name, tempSuffix) {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			quiet.Reset(min(debounce, maxDebounce-time.Since(first)))
			continue
		case err := <-w.errors:
			// An overflow: events were lost, so anything may have changed.
			s.opts.Log.Warn("watching the policies", "err", err)
			quiet.Reset(debounce)
			continue
		case <-quiet.C:
		case <-every.C:
		}
		first = time.Time{}
		w.look(changed)
	}
}

// policyWatcher watches the folders through which the last scan went.
type policyWatcher struct {
	store   *Store
	watcher *fsnotify.Watcher // nil: the system allows none
	events  chan fsnotify.Event
	errors  chan error
	folders map[string]fs.FileInfo // watched, as they were
	warned  bool
}

func (s *Store) newPolicyWatcher() *policyWatcher {
	w := &policyWatcher{store: s, folders: map[string]fs.FileInfo{}}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		w.warn(err)
		return w
	}
	w.watcher, w.events, w.errors = watcher, watcher.Events, watcher.Errors
	return w
}

func (w *policyWatcher) close() {
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
}

// look calls changed, and again while that finds folders that were not watched: they may have changed between
// the scan and the beginning of the watch.
func (w *policyWatcher) look(changed func()) {
	for tries := 0; tries < maxPolicyDepth; tries++ {
		changed()
		if !w.follow() {
			return
		}
	}
}

// follow watches the folders of the last scan, and no others, and reports whether it began to watch one. A folder
// that was replaced has the name of one that is watched already, and is watched anew.
func (w *policyWatcher) follow() (began bool) {
	if w.watcher == nil {
		return false
	}
	w.store.watching.Lock()
	wanted := w.store.policyFolders
	w.store.watching.Unlock()
	watched := map[string]bool{}
	for _, name := range w.watcher.WatchList() {
		watched[name] = true // without those that were removed
		if !wanted[name] {
			_ = w.watcher.Remove(name)
		}
	}
	maps.DeleteFunc(w.folders, func(name string, _ fs.FileInfo) bool { return !wanted[name] || !watched[name] })
	for name := range wanted {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		before, known := w.folders[name]
		if known && os.SameFile(before, info) {
			continue
		}
		if known {
			_ = w.watcher.Remove(name) // the folder that had the name before
			delete(w.folders, name)
		}
		if len(w.folders) >= maxWatched {
			return began
		}
		if err := w.watcher.Add(name); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				w.warn(fmt.Errorf("%s: %w", name, err))
			}
			continue
		}
		w.folders[name], began = info, true
	}
	return began
}

// warn says once that changes are found by the interval alone, and which limit to raise.
func (w *policyWatcher) warn(err error) {
	if w.warned {
		return
	}
	w.warned = true
	advice := "changes are found by the periodic scan"
	switch {
	case errors.Is(err, syscall.ENOSPC):
		advice += "; raise the limit with sysctl fs.inotify.max_user_watches"
	case errors.Is(err, syscall.EMFILE):
		advice += "; raise the limit with sysctl fs.inotify.max_user_instances, or that of open files"
	}
	w.store.opts.Log.Warn("policy files cannot be watched", "err", err, "advice", advice)
}
