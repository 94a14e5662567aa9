package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/rego/sandbox"
)

func main() {
	sandbox.Main()
	rego.SetChecker(sandbox.New())
	// The first signal asks to stop; a second one, no longer caught, stops at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	a := &app{
		console: console{in: os.Stdin, out: os.Stdout, err: os.Stderr, paint: paints(os.Stdout, os.LookupEnv),
			interactive: isTerminal(os.Stdin) && isTerminal(os.Stderr)},
		lookup: os.LookupEnv,
		clock:  time.Now,
	}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// app is one run of the program.
type app struct {
	console
	settings settings
	lookup   func(name string) (string, bool) // environment variables
	clock    func() time.Time
	flags    *pflag.FlagSet // the settings as flags, as the command line gives them
	inForce  []setting      // the settings, with where they come from
	asJSON   bool
	owner    string // --owner: for whom commands act
	started  bool   // the command line was understood
}

// The exit codes. Those from 3 on are of `agent authorize` only, which has no 1; docs/cli.md has the table.
const (
	done       = 0
	refused    = 1
	misused    = 2
	denied     = 3 // the action is denied
	needsOwner = 4 // its owner has to approve it
	unasked    = 5 // nobody could be asked
)

func (a *app) run(ctx context.Context, args []string) int {
	root := a.command()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	var code exitCode
	switch {
	case err == nil:
		return done
	case errors.As(err, &code):
		return int(code) // the command has said why
	}
	var end ended
	hasEnd := errors.As(err, &end)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return max(refused, end.exit)
	}
	var wrong usageError
	if !a.started || errors.As(err, &wrong) {
		a.complain(err, "see `"+cmd.CommandPath()+" --help`")
		return misused
	}
	a.complain(err, "")
	if hasEnd {
		return end.exit
	}
	return refused
}
