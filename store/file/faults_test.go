package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/openleash/openleash-go/store"
)

// faulty is a disk whose operations a test can make fail.
type faulty struct {
	disk
	mu   sync.Mutex
	fail func(op, name string) error // nil: none fails
	ops  int
}

func (d *faulty) check(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops++
	if d.fail == nil {
		return nil
	}
	return d.fail(op, name)
}

func (d *faulty) set(fail func(op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

func (d *faulty) Open(name string, flag int) (handle, error) {
	if err := d.check("open", name); err != nil {
		return nil, err
	}
	h, err := d.disk.Open(name, flag)
	return faultyFile{h, d, name}, err
}

func (d *faulty) Rename(from, to string) error {
	if err := d.check("rename", to); err != nil {
		return err
	}
	return d.disk.Rename(from, to)
}

func (d *faulty) Remove(name string) error {
	if err := d.check("remove", name); err != nil {
		return err
	}
	return d.disk.Remove(name)
}

func (d *faulty) SyncDir(name string) error {
	if err := d.check("syncdir", name); err != nil {
		return err
	}
	return d.disk.SyncDir(name)
}

type faultyFile struct {
	handle
	d    *faulty
	name string
}

// A write that fails leaves half of what it was given behind, as a full disk does.
func (f faultyFile) Write(b []byte) (int, error) {
	if err := f.d.check("write", f.name); err != nil {
		n, _ := f.handle.Write(b[:len(b)/2])
		return n, err
	}
	return f.handle.Write(b)
}

func (f faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.d.check("write", f.name); err != nil {
		n, _ := f.handle.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.handle.WriteAt(b, off)
}

func (f faultyFile) Sync() error {
	if err := f.d.check("sync", f.name); err != nil {
		return err
	}
	return f.handle.Sync()
}

func (f faultyFile) Truncate(size int64) error {
	if err := f.d.check("truncate", f.name); err != nil {
		return err
	}
	return f.handle.Truncate(size)
}

func mustVerify(t testing.TB, dir string) VerifyReport {
	t.Helper()
	r, err := Verify(context.Background(), dir, VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Security promise 21: while the log cannot be written nothing is allowed, charged or consumed; when
// it can, it goes on by itself.
func TestLogFailures(t *testing.T) {
	isLog := func(name string) bool { return filepath.Base(name) == activeLog }
	for name, fail := range map[string]func(op, name string) error{
		"full disk": func(op, name string) error {
			if op == "write" && isLog(name) {
				return syscall.ENOSPC
			}
			return nil
		},
		"failing fsync": func(op, name string) error {
			if op == "sync" && isLog(name) {
				return syscall.EIO
			}
			return nil
		},
		"full disk and no way back": func(op, name string) error {
			if isLog(name) {
				return syscall.EIO
			}
			return nil
		},
		"read-only": func(string, string) error { return syscall.EROFS },
	} {
		t.Run(name, func(t *testing.T) {
			d := &faulty{disk: osDisk{}}
			ctx, c, dir := context.Background(), start(), t.TempDir()
			s := openStore(t, dir, Options{Clock: c.Now, disk: d})
			b := budget(100, daily)
			b.AlertAt = []int{10}
			if _, err := s.Record(ctx, decision(1, c.now), nil); err != nil {
				t.Fatal(err)
			}
			d.set(fail)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					dec := decision(100+i, c.now)
					dec.ApprovalID = fmt.Sprintf("apr_%d", i)
					if _, err := s.Record(ctx, dec, []store.Charge{{Budget: b, Amount: 5}}); !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("recording: %v", err)
					}
				})
			}
			wg.Wait()
			if err := s.UseNonce(ctx, "agt_1", "n", c.now.Add(nonceLife*1e6)); name == "read-only" && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("a nonce that cannot be kept: %v", err)
			}
			err := s.Update(ctx, func(tx store.Tx) error {
				tx.Append(store.Entry{Type: store.OwnerCreated})
				return tx.Put(store.Owner{ID: "usr_1"})
			})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("updating: %v", err)
			}
			if states, _ := s.Budgets(ctx, []store.Budget{b}, c.now); states[0].Spent != 0 {
				t.Errorf("%d are spent", states[0].Spent)
			}
			if used, _ := s.Consumed(ctx, "apr_3"); used {
				t.Error("an approval was consumed")
			}
			if _, err := s.Get(ctx, store.KindOwner, "usr_1"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the owner of a failed update: %v", err)
			}
			d.set(nil)
			if err := s.Append(ctx, store.Entry{Type: store.OwnerUpdated}); err != nil {
				t.Fatal(err)
			}
			mustVerify(t, dir)  // nothing is left behind the one line
			for i := range 20 { // the same requests again
				if _, err := s.Record(ctx, decision(100+i, c.now), []store.Charge{{Budget: b, Amount: 5}}); err != nil {
					t.Fatal(err)
				}
			}
			if states, _ := s.Budgets(ctx, []store.Budget{b}, c.now); states[0].Spent != 100 {
				t.Errorf("%d are spent", states[0].Spent)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if r := mustVerify(t, dir); r.Entries != 23 { // 21 decisions, an alert and the line before
				t.Errorf("%+v", r)
			}
			s = openStore(t, dir, Options{Clock: c.Now})
			if states, _ := s.Budgets(ctx, []store.Budget{b}, c.now); states[0].Spent != 100 {
				t.Errorf("%d are spent after a restart", states[0].Spent)
			}
		})
	}
}

// Security promise 20: cut off at any of its steps, a transaction happens whole or not at all.
func TestUpdateCutOffAnywhere(t *testing.T) {
	ctx := context.Background()
	update := func(s *Store) error {
		return s.Update(ctx, func(tx store.Tx) error {
			tx.Append(store.Entry{Type: store.AgentRegistered, AgentID: "bot"})
			tx.Append(store.Entry{Type: store.PolicyUpdated})
			return errors.Join(
				tx.Put(store.Agent{PrincipalID: "agt_1", AgentID: "bot", OwnerID: "usr_1", Status: store.Active}),
				tx.Put(store.Invite{ID: "inv_1", OwnerID: "usr_1", Status: store.Redeemed}),
				tx.Put(store.Session{ID: "ses_1"}),
				tx.Put(store.PolicyFile{Path: "p.yaml", Text: []byte("id: p")}),
				tx.Delete(store.KindOwner, "usr_0"))
		})
	}
	happened := func(t *testing.T, s *Store) int {
		parts := 0
		for kind, key := range map[store.Kind]string{store.KindAgent: "agt_1", store.KindInvite: "inv_1", store.KindSession: "ses_1", store.KindPolicy: "p.yaml"} {
			if _, err := s.Get(ctx, kind, key); err == nil {
				parts++
			}
		}
		if _, err := s.Get(ctx, store.KindOwner, "usr_0"); errors.Is(err, store.ErrNotFound) {
			parts++
		}
		page, err := s.Audit(ctx, store.AuditQuery{Types: []store.EventType{store.AgentRegistered, store.PolicyUpdated}})
		if err != nil {
			t.Fatal(err)
		}
		return parts + len(page.Items)
	}
	const all = 7
	for cut := 0; ; cut++ {
		dir := t.TempDir()
		d := &faulty{disk: osDisk{}}
		s, err := Open(ctx, dir, Options{Clock: start().Now, Log: slog.New(slog.DiscardHandler), disk: d})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Owner{ID: "usr_0"}) }); err != nil {
			t.Fatal(err)
		}
		left := cut
		d.set(func(op, name string) error {
			if left--; left < 0 {
				return errors.New("the machine is off")
			}
			return nil
		})
		done := update(s)
		reached := left < 0
		if n := happened(t, s); done == nil && n != all || done != nil && n != 0 {
			t.Errorf("cut at step %d: %v, and %d of %d parts are to be seen", cut, done, n, all)
		}
		_ = s.Close() // the lock goes; nothing else can
		s = openStore(t, dir, Options{})
		n := happened(t, s)
		// What was written whole, but neither made durable nor cut off before the machine went down,
		// may still be there: nobody can know. Nothing else that was refused is.
		unknown := done != nil && contains(done.Error(), "cutting off a failed write")
		if done == nil && n != all || done != nil && n != 0 && (n != all || !unknown) {
			t.Errorf("cut at step %d: %v, and %d of %d parts after a restart", cut, done, n, all)
		}
		mustVerify(t, dir)
		if err := update(s); n == 0 && err != nil {
			t.Errorf("cut at step %d: again: %v", cut, err)
		}
		if !reached {
			if cut < 10 {
				t.Errorf("only %d steps were tried", cut)
			}
			return
		}
	}
}

// One step fails and the next ones work: what is told is what is so.
func TestUpdateWithOneFailure(t *testing.T) {
	ctx := context.Background()
	for bad := 0; bad < 40; bad++ {
		dir := t.TempDir()
		d := &faulty{disk: osDisk{}}
		s := openStore(t, dir, Options{disk: d})
		at := -1
		d.set(func(op, name string) error {
			if at++; at == bad {
				return syscall.EIO
			}
			return nil
		})
		put := func(id string) error {
			return s.Update(ctx, func(tx store.Tx) error {
				tx.Append(store.Entry{Type: store.AgentRegistered})
				return errors.Join(tx.Put(store.Agent{PrincipalID: id, AgentID: id, Status: store.Active}), tx.Put(store.Session{ID: id}))
			})
		}
		told := []error{put("agt_1"), put("agt_2")}
		d.set(nil)
		told = append(told, put("agt_3"))
		if told[2] != nil {
			t.Fatalf("failure %d: it does not recover: %v", bad, told[2])
		}
		for range 2 {
			for i, err := range told {
				id := fmt.Sprintf("agt_%d", i+1)
				_, missing := s.Get(ctx, store.KindAgent, id)
				_, noSession := s.Get(ctx, store.KindSession, id)
				if (err == nil) != (missing == nil) || (err == nil) != (noSession == nil) {
					t.Errorf("failure %d: %s: told %v, and: %v, %v", bad, id, err, missing, noSession)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, dir, Options{})
		}
		mustVerify(t, dir)
	}
}

// 64 clients want the last slot of a budget: exactly one gets it, each of 200 times.
func TestRaceForTheLastSlot(t *testing.T) {
	ctx, c := context.Background(), start()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now})
	for round := range 200 {
		b := budget(100, daily)
		b.Key.BudgetID = fmt.Sprint(round)
		b.Limit = 30
		var won, lost atomic.Int32
		var ready, wg sync.WaitGroup
		ready.Add(64)
		for i := range 64 {
			wg.Go(func() {
				d := decision(round*64+i, c.now)
				ready.Done()
				ready.Wait()
				_, err := s.Record(ctx, d, []store.Charge{{Budget: b, Amount: 20}})
				var full *store.ExceededError
				switch {
				case err == nil:
					won.Add(1)
				case errors.As(err, &full):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 63 {
			t.Fatalf("round %d: %d won, %d lost", round, won.Load(), lost.Load())
		}
	}
}

// The same request from many clients at once is one decision and one charge; so is one approval.
func TestRaceOfTheSameRequest(t *testing.T) {
	ctx, c := context.Background(), start()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now})
	b := budget(1000, daily)
	for round := range 50 {
		same := decision(round, c.now)
		var first atomic.Int32
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				r, err := s.Record(ctx, same, []store.Charge{{Budget: b, Amount: 1}})
				if err != nil || r.Decision.ID != same.ID {
					t.Error(r, err)
				}
				if !r.Replayed {
					first.Add(1)
				}
			})
		}
		wg.Wait()
		if first.Load() != 1 {
			t.Fatalf("%d were first", first.Load())
		}
		asked := decision(100_000+round, c.now)
		asked.Result = store.RequireApproval
		if _, err := s.Record(ctx, asked, nil); err != nil {
			t.Fatal(err)
		}
		var redeemed atomic.Int32
		for i := range 32 {
			wg.Go(func() {
				d := decision(100_000+round, c.now)
				d.ID, d.ApprovalID = fmt.Sprintf("dec_%d_%d", round, i), fmt.Sprintf("apr_%d", round)
				switch _, err := s.Record(ctx, d, nil); {
				case err == nil:
					redeemed.Add(1)
				case !errors.Is(err, store.ErrConsumed):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if redeemed.Load() != 1 {
			t.Fatalf("an approval was redeemed %d times", redeemed.Load())
		}
	}
	if st, _ := s.Budgets(ctx, []store.Budget{b}, c.now); st[0].Spent != 50 {
		t.Errorf("%d are spent", st[0].Spent)
	}
}

// As many entries as came together lately share an fsync, and one that comes alone does not wait.
func TestEntriesShareAnFsync(t *testing.T) {
	ctx, c := context.Background(), start()
	syncs := 0 // by the goroutine that writes
	d := &faulty{disk: osDisk{}}
	d.set(func(op, name string) error {
		if op == "sync" && filepath.Base(name) == activeLog {
			syncs++
		}
		return nil
	})
	s := openStore(t, t.TempDir(), Options{Clock: c.Now, disk: d})
	n := 0
	together := func(entries int) int {
		t.Helper()
		before := 0
		if err := s.log.ask(func() error { before = syncs; return nil }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range entries {
			n++
			d := decision(n, c.now)
			wg.Go(func() {
				if _, err := s.Record(ctx, d, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		after := 0
		if err := s.log.ask(func() error { after = syncs; return nil }); err != nil {
			t.Fatal(err)
		}
		return after - before
	}
	together(1) // opens the log
	if got := together(1); got != 1 {
		t.Fatalf("%d fsyncs for one entry", got)
	}
	if err := s.log.ask(func() error { s.log.delay = time.Hour; return nil }); err != nil {
		t.Fatal(err)
	}
	s.log.mu.Lock()
	s.log.lately = 5
	s.log.mu.Unlock()
	for range 20 {
		if got := together(5); got != 1 {
			t.Fatalf("%d fsyncs for 5 entries", got)
		}
	}
	if err := s.log.ask(func() error { s.log.delay = 0; return nil }); err != nil {
		t.Fatal(err)
	}
	for range 2 { // whoever is awaited in vain is awaited once
		if got := together(1); got != 1 {
			t.Fatalf("%d fsyncs for one entry", got)
		}
	}
	if s.log.lately != 1 {
		t.Errorf("%d are awaited", s.log.lately)
	}
}

// A redeemed approval is not answered with the request for approval that came before it.
func TestRedeemingIsNoReplay(t *testing.T) {
	ctx, c := context.Background(), start()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now})
	asked := decision(1, c.now)
	asked.Result = store.RequireApproval
	redeemed := decision(1, c.now)
	redeemed.ID, redeemed.ApprovalID = "dec_2", "apr_1"
	for i, step := range []struct {
		d        store.Decision
		id       string
		replayed bool
		err      error
	}{
		{asked, "dec_1", false, nil},
		{asked, "dec_1", true, nil},
		{redeemed, "dec_2", false, nil},
		{redeemed, "", false, store.ErrConsumed},
		{asked, "dec_2", true, nil},
	} {
		r, err := s.Record(ctx, step.d, nil)
		if r.Decision.ID != step.id || r.Replayed != step.replayed || !errors.Is(err, step.err) {
			t.Errorf("step %d: got %q, replayed %v, %v", i, r.Decision.ID, r.Replayed, err)
		}
	}
	other := decision(7, c.now)
	other.ApprovalID = "apr_1"
	if _, err := s.Record(ctx, other, nil); !errors.Is(err, store.ErrConsumed) {
		t.Error(err)
	}
}

func TestCorruptFiles(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"owners/usr_1.json", "state.yaml"} {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		err := s.Update(ctx, func(tx store.Tx) error {
			return errors.Join(tx.Put(store.Owner{ID: "usr_1"}), tx.Put(store.Session{ID: "ses_1"}))
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		for _, content := range []string{"", "{", "{}", `{"x": 1}`, "\x00\x00", "sessions: {a: {session_id: b}}"} {
			if content == "" && name == "state.yaml" {
				continue // an empty one says that there is nothing
			}
			if content == "{}" && name == "state.yaml" {
				continue
			}
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(ctx, dir, Options{Clock: start().Now, Log: slog.New(slog.DiscardHandler)})
			if err == nil || !contains(err.Error(), filepath.Base(name)) {
				t.Errorf("%s with %q: %v", name, content, err)
			}
			if now, _ := os.ReadFile(path); string(now) != content {
				t.Errorf("%s was changed to %q", name, now)
			}
		}
	}
}

func TestLockSaysWho(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, Options{})
	_, err := Open(context.Background(), dir, Options{Clock: start().Now, Log: slog.New(slog.DiscardHandler)})
	var locked *LockedError
	if !errors.As(err, &locked) || !contains(locked.By, fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("got %v", err)
	}
}
