package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/openleash/openleash-go/store"
)

// used is a folder whose budget of 1000 was charged, and one of whose approvals was redeemed.
func used(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := openStore(t, dir, Options{Signer: testSigner(t)})
	d := decision(1, start().now)
	d.ApprovalID = "apr_1"
	if _, err := s.Record(context.Background(), d, []store.Charge{{Budget: budget(1000, daily), Amount: 900}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func reopen(t *testing.T, dir string) error {
	t.Helper()
	s, err := Open(context.Background(), dir, Options{Clock: start().Now, Log: quiet})
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return err
}

// TestPromise39_AMovedLogGivesNothingBack: a log that was moved, emptied, shortened or replaced while the server was
// stopped is refused, and adopting what is there keeps budgets and redeemed approvals.
func TestPromise39_AMovedLogGivesNothingBack(t *testing.T) {
	other := used(t)
	for name, lose := range map[string]func(path string) error{
		"moved":   os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"rotated": func(path string) error {
			return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o600))
		},
		"shortened": func(path string) error { return cutLastLine(path) },
		"replaced": func(path string) error {
			text, err := os.ReadFile(filepath.Join(other, activeLog))
			return errors.Join(err, os.WriteFile(path, text, 0o600))
		},
	} {
		for _, without := range []string{"", headFile, cacheFolder} {
			t.Run(name+" without "+without, func(t *testing.T) {
				dir := used(t)
				if err := lose(filepath.Join(dir, activeLog)); err != nil {
					t.Fatal(err)
				}
				if without != "" {
					if err := os.RemoveAll(filepath.Join(dir, without)); err != nil {
						t.Fatal(err)
					}
				}
				var lost *LostLogError
				if err := reopen(t, dir); !errors.As(err, &lost) {
					t.Fatalf("opened: %v", err)
				}
				if without == cacheFolder {
					return // there is nothing known to go on with
				}
				asked := false
				if _, err := Adopt(context.Background(), dir, Options{Clock: start().Now, Log: quiet}, func(*LostLogError) bool { asked = true; return true }); err != nil || !asked {
					t.Fatalf("adopted: %v, asked %v", err, asked)
				}
				for range 2 { // also from the log alone
					s := openStore(t, dir, Options{})
					state, err := s.Budgets(context.Background(), []store.Budget{budget(1000, daily)}, start().now)
					if err != nil || state[0].Spent != 900 {
						t.Errorf("%+v, %v", state, err)
					}
					if redeemed, err := s.Consumed(context.Background(), "apr_1"); err != nil || !redeemed {
						t.Errorf("the approval may be redeemed again: %v", err)
					}
					if err := errors.Join(s.Close(), os.Remove(filepath.Join(dir, cacheFolder, snapshotFile))); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func cutLastLine(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	end := len(text) - 1
	for end > 0 && text[end-1] != '\n' {
		end--
	}
	return os.Truncate(path, int64(end))
}

// A log that is moved, cut or replaced under a running store takes no decision until it is back.
func TestPromise39_ALogMovedUnderTheServer(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"moved": func(path string) error { return os.Rename(path, path+".1") },
		"rotated": func(path string) error {
			return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o600))
		},
		"cut":      func(path string) error { return os.Truncate(path, 10) },
		"replaced": func(path string) error { return errors.Join(os.Rename(path, path+".1"), copyFile(path+".1", path)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir(), Options{})
			fill(t, s, 1, 3)
			path := filepath.Join(s.dir, activeLog)
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Record(context.Background(), decision(9, start().now), nil); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("recorded: %v", err)
			}
			if s.Fault() == nil {
				t.Error("the store says that it is well")
			}
			if name == "cut" {
				return
			}
			if err := os.Rename(path+".1", path); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Record(context.Background(), decision(9, start().now), nil); err != nil || s.Fault() != nil {
				t.Errorf("after it is back: %v, %v", err, s.Fault())
			}
		})
	}
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, text, 0o600))
}

// A copy of the folder opens, also if its log is older than its log.head.
func TestCopiedFolderOpens(t *testing.T) {
	dir, backup := used(t), filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := cutLastLine(filepath.Join(backup, activeLog)); err != nil {
		t.Fatal(err)
	}
	if err := reopen(t, backup); err != nil {
		t.Fatal(err)
	}
}

func TestHeadSlots(t *testing.T) {
	p := headPosition{seq: 1 << 60, inode: 1 << 63}
	p.hash[3] = 7
	slot := p.String()
	if len(slot) != headSlot {
		t.Fatalf("%d bytes", len(slot))
	}
	if back, ok := parseHead(slot); !ok || back != p {
		t.Errorf("read back: %+v, %v", back, ok)
	}
	for i := range slot {
		changed := []byte(slot)
		changed[i] ^= 1
		if back, ok := parseHead(string(changed)); ok {
			t.Fatalf("a change at %d is read as %+v", i, back)
		}
	}
}

// Key files that other users can read are taken away from them.
func TestRecordsAreMadePrivate(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	err := s.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(store.Key{KID: "k1", Purpose: "proof"}) })
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "keys", "k1.json")
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir, Options{})
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
