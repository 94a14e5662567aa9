package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/sdk"
	"github.com/openleash/openleash-go/store/file"
)

func benchCommand(a *app) *cobra.Command {
	var b bench
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine: a server on a scratch folder, and the least that a proved decision can cost",
		Long: `Starts a server on a scratch folder, and beside it the floor: a bare HTTP server that checks one signature, decides
by one if, signs a proof and appends to a file, without a policy engine and without fsync. Sends both the same
signed requests, in turns, and prints requests a second, latency, CPU a request, and the ratio of the two. Only
ratios from one run mean something on other machines.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context(), a) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntSliceVarP(&b.connections, "connections", "c", []int{1, 8, 32}, "connections at once")
	f.IntVarP(&b.requests, "requests", "n", 3000, "requests a round")
	f.IntVar(&b.rounds, "rounds", 3, "rounds, of which the median counts")
	c.AddCommand(floorCommand(a))
	return c
}

// bench is one measurement.
type bench struct {
	connections      []int
	requests, rounds int
}

// target is one server under load.
type target struct {
	name, addr string
	process    *exec.Cmd
}

const benchPolicy = `id: bench
rules:
  - {id: small, action: purchase, effect: allow, constraints: {amount_max: 50000, currency: USD}}
budgets:
  - {id: total, limit: 9000000000000, currency: USD, window: day}
`

func (b *bench) run(ctx context.Context, a *app) (err error) {
	if b.requests < 1 || b.rounds < 1 || slices.Min(append([]int{1}, b.connections...)) < 1 {
		return misuse("requests, rounds and connections are at least 1")
	}
	dir, err := os.MkdirTemp("", "openleash-bench-")
	if err != nil {
		return fmt.Errorf("making a scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	agent, err := b.prepare(ctx, a.scratch(dir), dir)
	if err != nil {
		return err
	}
	var targets []*target
	defer func() {
		for _, t := range targets {
			err = errors.Join(err, t.stop())
		}
	}()
	for _, t := range []struct {
		name string
		args []string
	}{
		{"openleash", []string{"start", "--data", filepath.Join(dir, "data"), "--addr", "127.0.0.1:0", "--no-gui", "--json"}},
		{"floor", []string{"bench", "floor", "--log", filepath.Join(dir, "floor.log"), "--json", agent.KeyPair.PublicKeyB64()}},
	} {
		started, err := launch(ctx, a, t.name, t.args)
		if err != nil {
			return err
		}
		targets = append(targets, started)
	}
	results, err := b.measure(ctx, a, agent, targets)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(results)
	}
	b.show(a, results)
	return showLogOf(ctx, a, dir)
}

// prepare sets up the scratch folder with one agent and one policy.
func (b *bench) prepare(ctx context.Context, a *app, dir string) (*sdk.Registration, error) {
	s, err := a.setUp(ctx, wishes{name: "Bench", agentID: "bench", profile: "none"})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "policies", "bench.yaml"), []byte(benchPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("writing the policy: %w", err)
	}
	return s.Agent, nil
}

// launch starts this program again as a server, and waits until it says where it serves.
func launch(ctx context.Context, a *app, name string, args []string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	t := &target{name: name, process: exec.CommandContext(ctx, self, args...)} //nolint:gosec // G204: this very program
	t.process.Stderr = a.err
	t.process.Cancel = func() error { return t.process.Process.Signal(os.Interrupt) }
	out, err := t.process.StdoutPipe()
	if err == nil {
		err = t.process.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	var said struct{ URL string }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&said); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), t.stop())
	}
	t.addr = strings.TrimPrefix(said.URL, "http://")
	return t, nil
}

func (t *target) stop() error {
	_ = t.process.Process.Signal(os.Interrupt) // it may be gone
	_ = t.process.Wait()                       // how it ends does not matter any more
	return nil
}

// benchResult is the medians of one target at one number of connections.
type benchResult struct {
	Target      string  `json:"target"`
	Connections int     `json:"connections"`
	PerSecond   float64 `json:"requests_per_second"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	CPU         float64 `json:"cpu_us_per_request"` // 0 where the system does not tell
}

func (b *bench) measure(ctx context.Context, a *app, agent *sdk.Registration, targets []*target) ([]benchResult, error) {
	var out []benchResult
	tell := a.progress("measuring")
	total, now := int64(len(b.connections)*b.rounds*len(targets)), int64(0)
	for _, c := range b.connections {
		rounds := map[string][]benchResult{}
		for range b.rounds {
			for _, t := range targets {
				tell(now, total)
				now++
				r, err := loadRound(ctx, t, agent, c, b.requests, a.clock)
				if err != nil {
					return nil, fmt.Errorf("load on %s: %w", t.name, err)
				}
				rounds[t.name] = append(rounds[t.name], r)
			}
		}
		for _, t := range targets {
			out = append(out, median(rounds[t.name]))
		}
	}
	tell(total, total)
	return out, nil
}

// median takes each figure's own.
func median(rounds []benchResult) benchResult {
	of := func(get func(benchResult) float64) float64 {
		var all []float64
		for _, r := range rounds {
			all = append(all, get(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return benchResult{rounds[0].Target, rounds[0].Connections,
		of(func(r benchResult) float64 { return r.PerSecond }), of(func(r benchResult) float64 { return r.P50 }),
		of(func(r benchResult) float64 { return r.P99 }), of(func(r benchResult) float64 { return r.CPU })}
}

func (b *bench) show(a *app, results []benchResult) {
	figure := func(v float64, digits int) string {
		if v == 0 {
			return "–"
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	var rows [][]string
	for i, r := range results {
		ratio := ""
		if i%2 == 0 && results[i+1].CPU > 0 {
			ratio = fmt.Sprintf("%.2f × the floor", r.CPU/results[i+1].CPU)
		}
		rows = append(rows, []string{r.Target, strconv.Itoa(r.Connections), figure(r.PerSecond, 0), figure(r.P50, 2), figure(r.P99, 2), figure(r.CPU, 0), ratio})
	}
	a.table([]string{"SERVER", "CONNECTIONS", "REQUESTS/S", "P50 MS", "P99 MS", "CPU µS/REQUEST", ""}, rows)
	a.say("\nEach request of openleash: signature checked, policy decided, budget charged, entry on disk (fsync), proof signed.")
}

// showLogOf shows that what was measured is whole.
func showLogOf(ctx context.Context, a *app, dir string) error {
	var report file.VerifyReport
	var err error
	for range 50 { // the last entries may be on their way to the file
		if report, err = file.Verify(ctx, filepath.Join(dir, "data"), file.VerifyOptions{}); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("the log of the run: %w", err)
	}
	a.say("The log of the run holds %d entries, and its chain is intact.", report.Entries)
	return nil
}
