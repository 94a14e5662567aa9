package policytest

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must be quiet before they are tested: an editor writes in several steps.
const settle = 100 * time.Millisecond

// Watch runs the tests, and again whenever a policy or a test changes, until ctx ends, which is no
// error. Each run is handed to show.
func Watch(ctx context.Context, o Options, show func(Report, error)) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	defer w.Close()
	for {
		// Watched anew each time, for folders may have come.
		if err := watchAll(w, paths(o.Paths)); err != nil {
			return err
		}
		r, err := Run(ctx, o)
		if ctx.Err() != nil {
			return nil
		}
		further, werr := watchSources(w, r)
		if werr != nil {
			return werr
		}
		if further {
			continue // what was read before it was watched may have changed since
		}
		show(r, err)
		if changed, err := await(ctx, w); err != nil || !changed {
			return err
		}
	}
}

// watchSources watches the folders of all files that were read, and says whether one is new.
func watchSources(w *fsnotify.Watcher, r Report) (further bool, err error) {
	for file := range r.sources {
		dir := filepath.Dir(file)
		if slices.Contains(w.WatchList(), dir) {
			continue
		}
		if err := w.Add(dir); err != nil {
			return false, fmt.Errorf("watching %s: %w", dir, err)
		}
		further = true
	}
	return further, nil
}

// watchAll watches the folders of paths, and all below them.
func watchAll(w *fsnotify.Watcher, given []string) error {
	for _, p := range given {
		err := filepath.WalkDir(p, func(file string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case !e.IsDir():
				if file == p {
					return w.Add(filepath.Dir(p))
				}
				return nil
			case file != p && strings.HasPrefix(e.Name(), "."):
				return fs.SkipDir
			}
			return w.Add(file)
		})
		if err != nil {
			return fmt.Errorf("watching %s: %w", p, err)
		}
	}
	return nil
}

// await waits for a change and then for quiet; false if ctx ended.
func await(ctx context.Context, w *fsnotify.Watcher) (bool, error) {
	var quiet <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case e := <-w.Events:
			if ext := filepath.Ext(e.Name); e.Op != fsnotify.Chmod && (ext == ".yaml" || ext == ".yml" || ext == ".rego" || ext == "") {
				quiet = time.After(settle)
			}
		case err := <-w.Errors:
			return false, fmt.Errorf("watching files: %w", err)
		case <-quiet:
			return true, nil
		}
	}
}
