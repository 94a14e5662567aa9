package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func demoCommand(a *app) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show everything, step by step, on a scratch folder",
		Long: `Runs the whole walk-through with a real server on a scratch folder: set-up, invite, policy, a small, a medium
and a large purchase, approval, verification, budgets, the log. It says what each step shows, and compares: the
exit code is 1 if one differs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			dir, err := os.MkdirTemp("", "openleash-demo-")
			if err != nil {
				return fmt.Errorf("making a scratch folder: %w", err)
			}
			if !keep {
				defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			}
			d := &demo{app: a.scratch(dir), dir: dir}
			return d.run(cmd.Context(), keep)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "keep the scratch folder, to look around in it")
	return c
}

// scratch is the program with default settings on another folder and any free port.
func (a *app) scratch(dir string) *app {
	b := &app{console: a.console, clock: a.clock, lookup: func(string) (string, bool) { return "", false }, asJSON: a.asJSON}
	_ = b.settings.flags() // sets the defaults
	b.settings.data = filepath.Join(dir, "data")
	b.settings.addr = "127.0.0.1:0"
	b.settings.logLevel = "error"
	b.settings.policyTimeout = 5 * time.Second // a busy machine is no policy's fault
	return b
}

// demo is one run of the walk-through.
type demo struct {
	*app
	dir   string
	steps []demoStep
	world // what the steps leave for each other
}

// demoStep is what one step did, for programs.
type demoStep struct {
	Title  string      `json:"title"`
	Shows  string      `json:"shows"`
	Checks []demoCheck `json:"checks"`
}

type demoCheck struct {
	What string `json:"what"`
	Got  string `json:"got"`
	Want string `json:"want"`
	OK   bool   `json:"ok"`
}

func (d *demo) run(ctx context.Context, keep bool) error {
	d.print("%s: an agent goes shopping. A scratch folder, a real server, real HTTP.\n", d.paint.bold("OpenLeash demo"))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, step := range walkThrough() {
		d.steps = append(d.steps, demoStep{Title: step.title, Shows: step.shows, Checks: []demoCheck{}})
		d.print("%s %s", d.paint.bold(fmt.Sprintf("%2d", len(d.steps))), d.paint.bold(step.title))
		if err := step.do(ctx, d); err != nil {
			return errors.Join(fmt.Errorf("step %d, %s: %w", len(d.steps), strings.ToLower(step.title), err), d.end())
		}
		d.print("   %s %s\n", d.paint.green("→"), step.shows)
	}
	if err := d.end(); err != nil {
		return err
	}
	return d.conclude(keep)
}

// end stops the server, if it runs.
func (d *demo) end() error {
	if d.stop == nil {
		return nil
	}
	// A connection on which nothing was asked yet would hold the server up.
	http.DefaultClient.CloseIdleConnections()
	d.asOwner.http.CloseIdleConnections()
	d.stop()
	err := <-d.stopped
	d.stop = nil
	return err
}

func (d *demo) conclude(keep bool) error {
	checks, wrong := 0, 0
	for _, s := range d.steps {
		for _, c := range s.Checks {
			checks++
			if !c.OK {
				wrong++
			}
		}
	}
	if d.asJSON {
		if err := d.printJSON(map[string]any{"ok": wrong == 0, "steps": d.steps}); err != nil {
			return err
		}
	}
	if keep {
		d.print("The folder stays at %s. Look around: openleash --data %s start", d.dir, d.settings.data)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks came out differently", wrong, checks)
	}
	d.print("%s %d steps, %d checks, all as expected. Your own: %s", d.paint.green("✓"), len(d.steps), checks, d.paint.bold("openleash wizard"))
	return nil
}

// print is say, unless a program reads.
func (d *demo) print(format string, args ...any) {
	if !d.asJSON {
		d.say(format, args...)
	}
}

// did says what was done, as one would do it by hand.
func (d *demo) did(format string, args ...any) {
	d.print("   %s", d.paint.faint("$ "+fmt.Sprintf(format, args...)))
}

// note shows what came of it.
func (d *demo) note(format string, args ...any) {
	d.print("     %s", strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n     "))
}

// expect compares what happened with what should.
func (d *demo) expect(what, got, want string) {
	c := demoCheck{what, got, want, got == want}
	step := &d.steps[len(d.steps)-1]
	step.Checks = append(step.Checks, c)
	if c.OK {
		d.print("   %s %s: %s", d.paint.green("✓"), what, d.paint.verdict(got))
	} else {
		d.print("   %s %s: %s, and it should be %s", d.paint.red("✗"), what, got, want)
	}
}
