package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openleash/openleash-go/store"
)

func TestWatchPolicies(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	s := openStore(t, dir, Options{})
	w := watch(t, s)
	policies := filepath.Join(dir, policyFolder)
	p := func(name string) string { return filepath.Join(policies, name) }
	write := func(name, text string) error { return os.WriteFile(name, []byte(text), 0o600) }
	for _, c := range []struct {
		name   string
		change func() error
		want   string // the text of a.yaml after it; "" is none
	}{
		{"created", func() error { return write(p("a.yaml"), "1") }, "1"},
		{"written", func() error { return write(p("a.yaml"), "2") }, "2"},
		{"renamed over", func() error { return errors.Join(write(p(".a.swp"), "3"), os.Rename(p(".a.swp"), p("a.yaml"))) }, "3"},
		{"deleted", func() error { return os.Remove(p("a.yaml")) }, ""},
		{"a backup that an editor makes first", func() error {
			return errors.Join(write(p("a.yaml"), "4"), os.Rename(p("a.yaml"), p("a.yaml~")), write(p("a.yaml"), "5"))
		}, "5"},
		{"folder replaced", func() error {
			return errors.Join(os.Rename(policies, filepath.Join(outside, "old")), os.Mkdir(policies, 0o700), write(p("a.yaml"), "6"))
		}, "6"},
		{"in the new folder", func() error { return write(p("a.yaml"), "7") }, "7"},
		{"folder removed", func() error { return os.RemoveAll(policies) }, ""},
		{"and made again", func() error { return errors.Join(os.Mkdir(policies, 0o700), write(p("a.yaml"), "8")) }, "8"},
		{"in that", func() error { return write(p("a.yaml"), "9") }, "9"},
		{"folder linked elsewhere", func() error {
			linked := filepath.Join(outside, "linked")
			return errors.Join(os.Mkdir(linked, 0o700), write(filepath.Join(linked, "a.yaml"), "10"), os.RemoveAll(policies), os.Symlink(linked, policies))
		}, "10"},
		{"where the link leads", func() error { return write(filepath.Join(outside, "linked", "a.yaml"), "11") }, "11"},
	} {
		watched(t, s, w, c.name, c.change, "a.yaml", c.want)
	}
	linked := filepath.Join(outside, "linked")
	version := func(name, text string) error {
		return errors.Join(os.MkdirAll(filepath.Join(linked, name, "team"), 0o700), write(filepath.Join(linked, name, "p.yaml"), text),
			write(filepath.Join(linked, name, "team", "q.yaml"), text))
	}
	swap := func(to string) error {
		return errors.Join(os.Symlink(to, filepath.Join(linked, "..data_tmp")), os.Rename(filepath.Join(linked, "..data_tmp"), filepath.Join(linked, "..data")))
	}
	watched(t, s, w, "a ConfigMap", func() error {
		return errors.Join(version("..v1", "1"), swap("..v1"), os.Symlink("..data/p.yaml", p("p.yaml")), os.Symlink("..data/team", p("mapped")))
	}, "mapped/q.yaml", "1")
	watched(t, s, w, "a ConfigMap that is swapped", func() error {
		return errors.Join(version("..v2", "2"), swap("..v2"), os.RemoveAll(filepath.Join(linked, "..v1")))
	}, "p.yaml", "2")
	watched(t, s, w, "a subfolder that is swapped", func() error { return errors.Join(version("..v3", "3"), swap("..v3")) }, "mapped/q.yaml", "3")
	watched(t, s, w, "written behind the links", func() error { return write(filepath.Join(linked, "..v3", "team", "q.yaml"), "4") }, "mapped/q.yaml", "4")
	sub := filepath.Join(policies, "team", "deep")
	watched(t, s, w, "in new subfolders", func() error { return errors.Join(os.MkdirAll(sub, 0o700), write(filepath.Join(sub, "b.yaml"), "1")) }, "team/deep/b.yaml", "1")
	watched(t, s, w, "in a known subfolder", func() error { return write(filepath.Join(sub, "b.yaml"), "2") }, "team/deep/b.yaml", "2")
	watched(t, s, w, "by the store itself", func() error {
		return s.Update(context.Background(), func(tx store.Tx) error {
			return tx.Put(store.PolicyFile{Path: "team/c.yaml", Text: []byte("3")})
		})
	}, "team/c.yaml", "3")
}

// watched makes a change and waits until a call of changed sees it. The watcher lives through all.
func watched(t *testing.T, s *Store, w <-chan struct{}, name string, change func() error, path, want string) {
	t.Helper()
	if err := change(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	timeout := time.After(10 * time.Second)
	for {
		select {
		case <-w:
		case <-timeout:
			t.Fatalf("%s: not noticed", name)
		}
		rec, err := s.Get(context.Background(), store.KindPolicy, path)
		if want == "" && errors.Is(err, store.ErrNotFound) {
			return
		}
		if err == nil && string(rec.(store.PolicyFile).Text) == want {
			return
		}
	}
}

// watch starts the watcher and returns once it watches.
func watch(t *testing.T, s *Store) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	calls, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		ended <- s.WatchPolicies(ctx, time.Hour, func() {
			_, _ = s.ScanPolicies(ctx) // as the policies are read; an error is the context's
			calls <- struct{}{}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-calls // the first call says that it watches
	return calls
}

// TestPromise29_TheIntervalFindsWhatEventsDoNot: without any events, a change is found at the next interval.
func TestPromise29_TheIntervalFindsWhatEventsDoNot(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(context.Background())
	looks, ended := make(chan string), make(chan error, 1)
	go func() {
		// The watcher is not told of any folder, as if the system allowed no watches.
		ended <- s.WatchPolicies(ctx, time.Millisecond, func() {
			scan, _ := s.ScanPolicies(ctx) // an error is the context's
			s.watching.Lock()
			s.policyFolders = map[string]bool{}
			s.watching.Unlock()
			select {
			case looks <- scan.Names[len(scan.Names)-1].Path:
			case <-ctx.Done():
			}
		})
	}()
	for saved := false; ; {
		if last := <-looks; last == "a.yaml" {
			break
		}
		if !saved {
			saved = true
			if err := os.WriteFile(filepath.Join(s.dir, policyFolder, "a.yaml"), []byte("1"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
