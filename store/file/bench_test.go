package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/openleash/openleash-go/store"
)

// benchDecision is one of realistic size: a request of some 500 bytes, one budget.
func benchDecision(n int64, agent int) (store.Decision, []store.Charge) {
	d := store.Decision{
		ID: fmt.Sprintf("dec_01jx%022d", n), Time: time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Millisecond),
		OwnerID: "usr_01jxz0000000000000000000", AgentID: fmt.Sprintf("agent-%d", agent), AgentPrincipalID: fmt.Sprintf("agt_01jx%022d", agent),
		ActionID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), ActionType: "purchase.order",
		ActionHash: "5fed50d1afcf598480f64ca09edb042a8a09c6b33c8712e3faeeea2aa1d4297d",
		Action:     []byte(fmt.Sprintf(`{"action_id":"00000000-0000-4000-8000-%012d","action_type":"purchase.order","payload":{"amount":45,"amount_minor":4500,"currency":"USD","description":"office supplies for the team in Amsterdam","items":[{"name":"paper","quantity":10,"sku":"A-4"},{"name":"pens","quantity":20,"sku":"P-1"}],"merchant_domain":"example.com"},"principal":{"agent_id":"agent-%d"},"relying_party":{"domain":"example.com","trust_profile":"LOW"},"requested_at":"2026-04-10T12:00:00.000Z","subject":{"principal_id":"usr_01jxz0000000000000000000"}}`, n, agent)),
		Result:     store.Allow, PolicyID: "pol_spending_limit", RuleID: "rule_1", Reason: "rule_1 allows purchase.*",
		PolicyRevision: "8c1f0d7ab8e5a1c7a0a4a2b3f4e5d6c7b8a9f0e1d2c3b4a5968778695a4b3c2d", ProofID: "prf_01jxz0000000000000000000", ProofTTL: 120,
		Policies: []store.PolicyMatch{{PolicyID: "pol_spending_limit", RuleID: "rule_1", Effect: "allow"}},
		Nonce:    fmt.Sprintf("00000000-0000-4000-8000-%012d", n),
	}
	b := budget(1<<50, daily)
	b.Key.Subject = d.AgentPrincipalID
	b.AlertAt = []int{80, 100}
	return d, []store.Charge{{Budget: b, Amount: 4500}}
}

func BenchmarkRecord(b *testing.B) {
	for _, workers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("goroutines=%d", workers), func(b *testing.B) {
			s := openStore(b, b.TempDir(), Options{})
			var n atomic.Int64
			b.SetParallelism(max(1, workers/2))
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			defer func() { b.ReportMetric(float64(cpuTime(b)-before)/1e3/float64(b.N), "cpu-µs/op") }()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					d, charges := benchDecision(i, int(i%100))
					if _, err := s.Record(context.Background(), d, charges); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkRecordCPU leaves out the disk, to show what a decision costs the processor.
func BenchmarkRecordCPU(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{disk: noSync{osDisk{}}})
	b.ReportAllocs()
	ds := make([]store.Decision, b.N)
	cs := make([][]store.Charge, b.N)
	for i := range ds {
		ds[i], cs[i] = benchDecision(int64(i), i%100)
	}
	b.ResetTimer()
	for i := range ds {
		if _, err := s.Record(context.Background(), ds[i], cs[i]); err != nil {
			b.Fatal(err)
		}
	}
}

// cpuTime is what the process has used of the processors, user and system.
func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// noSync is a disk without fsync and without writes.
type noSync struct{ disk }

type noSyncFile struct{ handle }

func (d noSync) Open(name string, flag int) (handle, error) {
	h, err := d.disk.Open(name, flag)
	return noSyncFile{h}, err
}
func (noSyncFile) Sync() error { return nil }

// benchLog is a closed data folder with a log of a million entries by 10,000 agents.
func benchLog(b *testing.B) string {
	b.Helper()
	const entries = 1_000_000
	dir := filepath.Join(os.TempDir(), "openleash-bench-log")
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return dir
	}
	os.RemoveAll(dir)
	s := openStore(b, dir, Options{disk: noSync{osDisk{}}})
	var wg sync.WaitGroup
	for worker := range int64(64) {
		wg.Go(func() {
			for i := worker; i < entries; i += 64 {
				d, charges := benchDecision(i, int(i%10_000))
				if _, err := s.Record(context.Background(), d, charges); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "complete"), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

// later is when nothing in the bench log is new.
func later() time.Time { return start().now.Add(24 * time.Hour) }

// A folder that is left behind by a killed process: the snapshot is up to 20,000 entries old.
func BenchmarkOpen1M(b *testing.B) {
	dir := benchLog(b)
	b.ResetTimer()
	for b.Loop() {
		s := openStore(b, dir, Options{Clock: later})
		b.StopTimer()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkAudit1M(b *testing.B) {
	s := openStore(b, benchLog(b), Options{Clock: later})
	for _, q := range []struct {
		name  string
		query store.AuditQuery
	}{
		{"newest", store.AuditQuery{}},
		{"agent", store.AuditQuery{AgentPrincipalID: fmt.Sprintf("agt_01jx%022d", 17)}},
		{"nothing", store.AuditQuery{AgentPrincipalID: "agt_none"}},
		{"text", store.AuditQuery{Text: "not to be found"}},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Audit(context.Background(), q.query); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("decision", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Decision(context.Background(), fmt.Sprintf("dec_01jx%022d", 12345)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	dir := benchLog(b)
	for b.Loop() {
		if _, err := Verify(context.Background(), dir, VerifyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
