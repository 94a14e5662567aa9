package file

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/store"
)

var quiet = slog.New(slog.DiscardHandler)

func testSigner(t testing.TB) store.KeySigner {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return store.KeySigner{ID: "log_1", Private: private}
}

func keysOf(s store.KeySigner) map[string]ed25519.PublicKey {
	return map[string]ed25519.PublicKey{s.ID: s.Public()}
}

// fill writes decisions first to last, each charging 1.
func fill(t testing.TB, s *Store, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		if _, err := s.Record(context.Background(), decision(i, s.opts.Clock()), []store.Charge{{Budget: budget(1<<40, daily), Amount: 1}}); err != nil {
			t.Fatal(err)
		}
	}
}

func spent(t testing.TB, s *Store) int64 {
	t.Helper()
	st, err := s.Budgets(context.Background(), []store.Budget{budget(1<<40, daily)}, s.opts.Clock())
	if err != nil {
		t.Fatal(err)
	}
	return st[0].Spent
}

// Whatever of the cache is missing, old, damaged or another log's, what comes back is the same.
func TestStartUpWithAnyCache(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{SegmentSize: 20 << 10})
	fill(t, s, 1, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	early := t.TempDir()
	if err := os.CopyFS(filepath.Join(early, "c"), os.DirFS(filepath.Join(dir, cacheFolder))); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{SegmentSize: 20 << 10})
	fill(t, s, 51, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, cacheFolder)
	change := func(name string, f func([]byte) []byte) func() {
		return func() {
			path := filepath.Join(cache, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for _, c := range []struct {
		name string
		harm func()
	}{
		{"untouched", func() {}},
		{"gone", func() { os.RemoveAll(cache) }},
		{"no snapshot", func() { os.Remove(filepath.Join(cache, snapshotFile)) }},
		{"a damaged snapshot", change(snapshotFile, flip)},
		{"no index", func() { os.Remove(filepath.Join(cache, "000002.index")) }},
		{"a damaged index", change("000002.index", flip)},
		{"half an index", change("000001.index", func(b []byte) []byte { return b[:len(b)/2] })},
		{"the index of another segment", change("000003.index", func([]byte) []byte {
			b, _ := os.ReadFile(filepath.Join(cache, "000002.index"))
			return b
		})},
		{"another key", change("key", flip)},
		{"an older state of it", func() {
			os.RemoveAll(cache)
			if err := os.CopyFS(cache, os.DirFS(filepath.Join(early, "c"))); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.harm()
			s, err := Open(context.Background(), dir, Options{Clock: start().Now, Log: quiet, SegmentSize: 20 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if n := spent(t, s); n != 100 {
				t.Errorf("%d are spent", n)
			}
			for i := 1; i <= 100; i++ {
				if r, err := s.Record(context.Background(), decision(i, s.opts.Clock()), nil); err != nil || !r.Replayed {
					t.Fatal(i, r, err)
				}
			}
			count := 0
			for _, err := range s.Export(context.Background(), store.AuditQuery{}) {
				if err != nil {
					t.Fatal(err)
				}
				count++
			}
			if count != 100 {
				t.Errorf("%d entries", count)
			}
		})
	}
	mustVerify(t, dir)
}

// A snapshot taken while decisions go on, and the log from there, give the same ledger.
func TestSnapshotUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{disk: noSync{osDisk{}}, snapshotEvery: 10})
	done := make(chan struct{})
	go func() {
		defer close(done)
		fill(t, s, 1, 3000)
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			s.keepUp()
		}
	}
	// Without Close: the last snapshot is some way behind the log.
	copied := t.TempDir()
	if err := os.CopyFS(filepath.Join(copied, "d"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, filepath.Join(copied, "d"), Options{})
	if n := spent(t, again); n != 3000 {
		t.Errorf("%d are spent, want 3000", n)
	}
	if again.snapshotAt == 0 {
		t.Error("the snapshot was not used")
	}
}

func TestTornTail(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	fill(t, s, 1, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, activeLog)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for i, tail := range []string{`{"act`, "\x00\x00\x00", string(lines[4][:len(lines[4])-1])} {
		if whole, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(bytes.Clone(whole), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(ctx, dir, VerifyOptions{}); err == nil {
			t.Errorf("%.9q: verification finds nothing", tail)
		}
		s := openStore(t, dir, Options{})
		page, err := s.Audit(ctx, store.AuditQuery{Types: []store.EventType{store.LogRecovered}})
		if err != nil || len(page.Items) != i+1 || !contains(string(page.Items[0].Data), fmt.Sprintf(`"bytes_cut":%d`, len(tail))) {
			t.Errorf("%.9q: %v %v", tail, page, err)
		}
		if n := spent(t, s); n != 5 {
			t.Errorf("%.9q: %d are spent", tail, n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		mustVerify(t, dir)
	}
}

// A log that does not hold in the middle is refused with the place, and nothing is touched.
func TestCorruptMiddle(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	fill(t, s, 1, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, activeLog)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, broken := range map[string][]byte{
		"line 3 ": bytes.Replace(whole, []byte(`"act-3"`), []byte(`"act-x"`), 1),
		"line 4 ": append(bytes.Join(lines[:3], nil), bytes.Join(lines[4:], nil)...),
		"line 5 ": append(bytes.Clone(whole[:len(whole)-1]), 'X'), // the newline of the last line
	} {
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, cacheFolder)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(context.Background(), dir, Options{Clock: start().Now, Log: quiet})
		if err == nil || !contains(err.Error(), name) || !contains(err.Error(), "openleash audit adopt") || contains(err.Error(), "truncate") {
			t.Errorf("%s: %v", name, err)
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, broken) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// Security promise 22: what was done to the log is found, and named.
func TestVerifyFindsTampering(t *testing.T) {
	ctx, signer := context.Background(), testSigner(t)
	dir := t.TempDir()
	s := openStore(t, dir, Options{SegmentSize: 10 << 10, Signer: signer})
	fill(t, s, 1, 30)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := listCheckpoints(dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	kept, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	report, err := Verify(ctx, dir, VerifyOptions{PublicKeys: keysOf(signer), Checkpoint: kept})
	if err != nil || report.SignedThrough != 30 || report.Entries != 31 || report.Segments < 3 {
		t.Fatalf("%+v, %v", report, err)
	}
	if r, err := Verify(ctx, dir, VerifyOptions{PublicKeys: keysOf(signer), Checkpoint: kept, FromCheckpoint: true}); err != nil || r.Entries != 2 {
		t.Fatalf("from the checkpoint: %+v, %v", r, err)
	}
	second := filepath.Join(dir, sealedLog(2))
	edit := func(path string, f func(lines [][]byte) [][]byte) func(dir string) {
		return func(dir string) {
			name := filepath.Join(dir, filepath.Base(path))
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, bytes.Join(f(bytes.SplitAfter(b, []byte("\n"))), nil), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, file string
		line       int
		tamper     func(dir string)
	}{
		{"one byte changed", sealedLog(2), 2, edit(second, func(l [][]byte) [][]byte {
			l[1] = bytes.Replace(l[1], []byte("purchase"), []byte("purchasf"), 1)
			return l
		})},
		{"dropped", sealedLog(2), 3, edit(second, func(l [][]byte) [][]byte { return append(l[:2:2], l[3:]...) })},
		{"swapped", sealedLog(2), 1, edit(second, func(l [][]byte) [][]byte { l[0], l[1] = l[1], l[0]; return l })},
		{"added", sealedLog(2), 3, edit(second, func(l [][]byte) [][]byte { return append(l[:2:2], append([][]byte{l[1]}, l[2:]...)...) })},
		{"cut off at the end of a segment", activeLog, 1, edit(second, func(l [][]byte) [][]byte { return l[:len(l)-2] })},
		{"a segment removed", "", 0, func(dir string) { os.Remove(filepath.Join(dir, sealedLog(1))) }},
		{"cut off at the end", "", 0, func(dir string) {
			edit(activeLog, func(l [][]byte) [][]byte { return nil })(dir)
			os.RemoveAll(filepath.Join(dir, checkpoints))
		}},
		{"written anew from the start", sealedLog(1), 0, func(dir string) {
			os.RemoveAll(dir)
			s := openStore(t, dir, Options{SegmentSize: 10 << 10, Clock: func() time.Time { return start().now.Add(time.Hour) }})
			fill(t, s, 1, 31)
			s.Close()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			forged := filepath.Join(t.TempDir(), "d")
			if err := os.CopyFS(forged, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			c.tamper(forged)
			_, err := Verify(ctx, forged, VerifyOptions{PublicKeys: keysOf(signer), Checkpoint: kept})
			var wrong *VerifyError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v", err)
			}
			if c.line != 0 && (wrong.File != c.file || wrong.Line != c.line) {
				t.Errorf("found at %s line %d, want %s line %d: %v", wrong.File, wrong.Line, c.file, c.line, err)
			}
		})
	}
	if _, err := Verify(ctx, dir, VerifyOptions{PublicKeys: keysOf(testSigner(t))}); err == nil {
		t.Error("checkpoints by an unknown key are taken")
	}
}

func TestRedact(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := openStore(t, dir, Options{SegmentSize: 10 << 10, Redact: []string{"$.payload.currency"}, Signer: fixedSigner()})
	fill(t, s, 1, 30)
	for _, n := range []int{2, 15, 30, 15} { // sealed, sealed, being written, again
		removed, err := s.Redact(ctx, fmt.Sprintf("dec_%d", n), []string{"$.payload.email", "$.payload.missing"}, "usr_1")
		if err != nil {
			t.Fatal(err)
		}
		_ = removed
		fill(t, s, 100+n, 100+n)
	}
	check := func() {
		t.Helper()
		for n := 1; n <= 30; n++ {
			e, err := s.Decision(ctx, fmt.Sprintf("dec_%d", n))
			if err != nil {
				t.Fatal(err)
			}
			gone := n == 2 || n == 15 || n == 30
			if gone == contains(string(e.Action), "a@example.com") || contains(string(e.Action), "USD") {
				t.Errorf("decision %d: %s", n, e.Action)
			}
		}
		page, err := s.Audit(ctx, store.AuditQuery{Types: []store.EventType{store.EntryRedacted}})
		if err != nil || len(page.Items) != 3 {
			t.Errorf("%d redactions in the log, %v", len(page.Items), err)
		}
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(ctx, dir, VerifyOptions{PublicKeys: keysOf(fixedSigner())}); err != nil || r.Redacted != 3 || r.Withheld != 33 || r.Pending != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	s = openStore(t, dir, Options{Signer: fixedSigner()})
	check()
	if _, err := s.Redact(ctx, "dec_999", []string{"$.payload.x"}, ""); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Redact(ctx, "dec_1", []string{"$.action_id"}, ""); err == nil {
		t.Error("the action_id can be redacted")
	}
}

func TestAudit(t *testing.T) {
	ctx, c := context.Background(), start()
	s := openStore(t, t.TempDir(), Options{Clock: c.Now, SegmentSize: 20 << 10})
	for i := 1; i <= 100; i++ {
		d := decision(i, c.now)
		d.AgentPrincipalID = fmt.Sprintf("agt_%d", i%4)
		d.OwnerID = fmt.Sprintf("usr_%d", i%2)
		if i%10 == 0 {
			d.Result, d.PolicyID = store.Deny, "other"
		}
		if _, err := s.Record(ctx, d, nil); err != nil {
			t.Fatal(err)
		}
		c.now = c.now.Add(time.Minute)
	}
	if err := s.Append(ctx, store.Entry{Type: store.OwnerUpdated, OwnerID: "usr_1"}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		name  string
		query store.AuditQuery
		want  int
	}{
		{"all", store.AuditQuery{}, 101},
		{"an owner", store.AuditQuery{OwnerID: "usr_1"}, 51},
		{"nobody", store.AuditQuery{OwnerID: "usr_9"}, 0},
		{"an agent", store.AuditQuery{OwnerID: "usr_1", AgentPrincipalID: "agt_3"}, 25},
		{"an event", store.AuditQuery{Types: []store.EventType{store.OwnerUpdated, store.AgentUpdated}}, 1},
		{"a result", store.AuditQuery{Result: store.Deny}, 10},
		{"a policy", store.AuditQuery{PolicyID: "pol"}, 90},
		{"a time", store.AuditQuery{Since: start().now.Add(10 * time.Minute), Until: start().now.Add(20 * time.Minute)}, 10},
		{"text", store.AuditQuery{Text: "ACT-77"}, 1},
	} {
		t.Run(q.name, func(t *testing.T) {
			for _, limit := range []int{7, 500} {
				q.query.Limit, q.query.Cursor = limit, ""
				var seqs []uint64
				for {
					page, err := s.Audit(ctx, q.query)
					if err != nil {
						t.Fatal(err)
					}
					if len(page.Items) > limit {
						t.Fatalf("a page of %d", len(page.Items))
					}
					for _, e := range page.Items {
						seqs = append(seqs, e.Seq)
					}
					if q.query.Cursor = page.NextCursor; page.NextCursor == "" {
						break
					}
				}
				for i := 1; i < len(seqs); i++ {
					if seqs[i] >= seqs[i-1] {
						t.Fatalf("not newest first: %v", seqs)
					}
				}
				if len(seqs) != q.want {
					t.Errorf("pages of %d: %d entries, want %d", limit, len(seqs), q.want)
				}
			}
		})
	}
	var b strings.Builder
	if err := store.WriteCSV(&b, s.Export(ctx, store.AuditQuery{Result: store.Deny})); err != nil || strings.Count(b.String(), "\n") != 11 {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestFollow(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	fill(t, s, 1, 3)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan uint64)
	go func() {
		defer close(got)
		for e, err := range s.Follow(ctx, "usr_1", 1) {
			if err != nil {
				t.Error(err)
				return
			}
			got <- e.Seq
		}
	}()
	want := uint64(2)
	for ; want <= 3; want++ {
		if seq := <-got; seq != want {
			t.Fatalf("got %d, want %d", seq, want)
		}
	}
	fill(t, s, 4, 5)
	for ; want <= 5; want++ {
		if seq := <-got; seq != want {
			t.Fatalf("got %d, want %d", seq, want)
		}
	}
	cancel()
	if _, more := <-got; more {
		t.Error("it goes on after the end of its context")
	}
}

func TestNonces(t *testing.T) {
	ctx, c, dir := context.Background(), start(), t.TempDir()
	s := openStore(t, dir, Options{Clock: c.Now, Nonces: 100})
	use := func(agent, nonce string) error {
		return s.UseNonce(ctx, agent, nonce, c.now.Add(10*time.Minute))
	}
	for _, step := range []struct {
		agent, nonce string
		want         error
		before       func()
	}{
		{"a", "1", nil, nil},
		{"a", "1", store.ErrReplay, nil},
		{"b", "1", nil, nil},
		{"a", "1", store.ErrReplay, func() { c.now = c.now.Add(9 * time.Minute) }},
		{"a", "1", store.ErrReplay, func() {
			s.Close()
			s = openStore(t, dir, Options{Clock: c.Now, Nonces: 100})
		}},
		{"agt_1", "nonce-1", store.ErrReplay, func() { // known from the log alone
			fill(t, s, 1, 1)
			s.Close()
			old, _ := filepath.Glob(filepath.Join(dir, cacheFolder, "nonces-*"))
			for _, name := range old {
				os.Remove(name)
			}
			s = openStore(t, dir, Options{Clock: c.Now, Nonces: 100})
		}},
		{"a", "1", nil, func() { c.now = c.now.Add(20 * time.Minute) }},
	} {
		if step.before != nil {
			step.before()
		}
		if err := use(step.agent, step.nonce); !errors.Is(err, step.want) {
			t.Errorf("%s %s: %v, want %v", step.agent, step.nonce, err, step.want)
		}
	}
	for i := range 74 {
		if err := use("a", fmt.Sprint("x", i)); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := use("a", "one more"); !errors.Is(err, store.ErrFull) {
		t.Errorf("one agent may take everything: %v", err)
	}
	if err := use("b", "x"); err != nil {
		t.Errorf("and locks out the others: %v", err)
	}
}

// Who follows one owner's entries is not woken by another's.
func TestFollowersAreWokenByTheirOwner(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	n := 0
	wakes := func(owner string) bool {
		n++
		f := s.log.hasher.filter(&store.AuditQuery{OwnerID: owner})
		_, moved, err := s.log.progress(f.owner)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s, n, n)
		select {
		case <-moved:
			return true
		default:
			return false
		}
	}
	for owner, want := range map[string]bool{"usr_1": true, "": true, "usr_2": false} {
		if got := wakes(owner); got != want {
			t.Errorf("an entry of usr_1 wakes a follower of %q: %t, want %t", owner, got, want)
		}
	}
}
