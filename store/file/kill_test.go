package file

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openleash/openleash-go/store"
)

const (
	killFolder = "OPENLEASH_TEST_KILL_FOLDER"
	killRound  = "OPENLEASH_TEST_KILL_ROUND"
)

// TestMain lets this test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killFolder); dir != "" {
		fmt.Fprintln(os.Stderr, work(dir, os.Getenv(killRound)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// work does what a server does, all at once and without end, and says on standard output what it
// was told is done.
func work(dir, round string) error {
	s, err := Open(context.Background(), dir, Options{Clock: time.Now, Log: quiet, SegmentSize: 200 << 10, CheckpointEvery: 100, snapshotEvery: 10, Signer: fixedSigner()})
	if err != nil {
		return err
	}
	ctx := context.Background()
	failed := make(chan error)
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", round, worker, i)
				if err := workOnce(ctx, s, id, i); err != nil {
					failed <- fmt.Errorf("%s: %w", id, err)
				}
			}
		}()
	}
	go func() {
		for {
			s.keepUp()
		}
	}()
	return <-failed
}

func killDecision(id string) store.Decision {
	d := decision(1, time.Now())
	d.ID, d.ActionID, d.Nonce = "dec_"+id, id, id
	return d
}

func workOnce(ctx context.Context, s *Store, id string, i int) error {
	b := budget(1<<40, store.Window{Calendar: store.Lifetime})
	if err := s.UseNonce(ctx, "agt_1", id, time.Now().Add(10*time.Minute)); err != nil {
		return err
	}
	fmt.Printf("nonce %s\n", id)
	if _, err := s.Record(ctx, killDecision(id), []store.Charge{{Budget: b, Amount: 10}}); err != nil {
		return err
	}
	fmt.Printf("decided %s\n", id)
	switch i % 10 {
	case 3:
		if _, err := s.Settle(ctx, store.Settlement{DecisionID: "dec_" + id, AgentPrincipalID: "agt_1", Kind: store.Commit, Amount: 4, MayLower: anyBudget}); err != nil {
			return err
		}
		fmt.Printf("settled %s\n", id)
	case 5:
		err := s.Update(ctx, func(tx store.Tx) error {
			tx.Append(store.Entry{Type: store.AgentRegistered, AgentID: id})
			return errors.Join(tx.Put(store.Agent{PrincipalID: id, AgentID: id, Status: store.Active}), tx.Put(store.Invite{ID: id}))
		})
		if err != nil {
			return err
		}
		fmt.Printf("updated %s\n", id)
	case 7:
		if _, err := s.Redact(ctx, "dec_"+id, []string{"$.payload.email"}, ""); err != nil {
			return err
		}
		fmt.Printf("redacted %s\n", id)
	}
	return nil
}

// Security promise 20: kill -9 at any moment loses nothing that was answered, and doubles nothing.
func TestKill(t *testing.T) {
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("OPENLEASH_TEST_KILLS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	for round := range rounds {
		told := killed(t, dir, round)
		s := openStore(t, dir, Options{Clock: time.Now, Signer: fixedSigner()})
		checkTold(t, s, told)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		signer := fixedSigner()
		if _, err := Verify(context.Background(), dir, VerifyOptions{PublicKeys: keysOf(signer)}); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// killed runs a process for a moment, kills it, and returns what it was told is done.
func killed(t *testing.T, dir string, round int) map[string][]string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killFolder+"="+dir, fmt.Sprint(killRound, "=", round))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(map[string][]string)
	lines := bufio.NewScanner(out)
	// The moment is counted in what was done, so that it is as random on a slow machine.
	for left := 50 + rand.IntN(1500); lines.Scan(); left-- {
		if what, id, ok := strings.Cut(lines.Text(), " "); ok {
			told[what] = append(told[what], id)
		}
		if left == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if said.Len() > 0 {
		t.Fatalf("the process failed by itself: %s", said.String())
	}
	return told
}

func checkTold(t *testing.T, s *Store, told map[string][]string) {
	t.Helper()
	ctx := context.Background()
	var want int64
	agents := 0
	for e, err := range s.Export(ctx, store.AuditQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range e.Charges {
			want += c.Amount
		}
		if e.Type == store.AgentRegistered {
			agents++
		}
	}
	st, err := s.Budgets(ctx, []store.Budget{budget(1<<40, store.Window{Calendar: store.Lifetime})}, time.Now())
	if err != nil || st[0].Spent != want {
		t.Errorf("%d are spent, and the log says %d; %v", st[0].Spent, want, err)
	}
	for _, id := range told["decided"] {
		if r, err := s.Record(ctx, killDecision(id), nil); err != nil || !r.Replayed {
			t.Errorf("decision %s is lost: %v", id, err)
		}
	}
	for _, id := range told["nonce"] {
		if err := s.UseNonce(ctx, "agt_1", id, time.Now().Add(time.Minute)); !errors.Is(err, store.ErrReplay) {
			t.Errorf("nonce %s is forgotten: %v", id, err)
		}
	}
	for _, id := range told["settled"] {
		if r, err := s.Settle(ctx, store.Settlement{DecisionID: "dec_" + id, AgentPrincipalID: "agt_1", Kind: store.Commit, Amount: 4, MayLower: anyBudget}); err != nil || !r.Replayed {
			t.Errorf("settlement of %s is lost: %v", id, err)
		}
	}
	for _, id := range told["redacted"] {
		if e, err := s.Decision(ctx, "dec_"+id); err != nil || contains(string(e.Action), "a@example.com") {
			t.Errorf("redaction of %s is lost: %v", id, err)
		}
	}
	all, err := store.Find[store.Agent](ctx, s)
	if err != nil || len(all) != agents {
		t.Errorf("%d agents, and %d in the log; %v", len(all), agents, err)
	}
	for _, id := range told["updated"] {
		_, err := store.Get[store.Agent](ctx, s, id)
		_, noInvite := store.Get[store.Invite](ctx, s, id)
		if err := errors.Join(err, noInvite); err != nil {
			t.Errorf("update %s is lost: %v", id, err)
		}
	}
}

var fixedSigner = sync.OnceValue(func() store.KeySigner {
	return store.KeySigner{ID: "log_1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
})
