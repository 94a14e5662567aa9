// Package sandbox checks policies in Rego in a child process of the same program, which may run out of time or
// memory, or crash, and harms nobody by that.
//
// A program that uses it calls Main at the top of its main function, and rego.SetChecker(sandbox.New()) thereafter.
// Each text that was not seen before costs one child, of which there are two at a time. A child gets the policy on
// its standard input and nothing else, no argument, no environment, no open file, and limits itself before it reads:
// on Linux in processor time and memory, elsewhere its parent stops it after a time-out.
package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/openleash/openleash-go/rego"
)

const (
	// Processor and Memory are what one check may take, on Linux.
	Processor = 3 * time.Second
	Memory    = 512 << 20
	// maxStack ends a recursion without end long before it has taken all memory, in bytes.
	maxStack = 64 << 20
	// timeout is when a child is stopped, and for how long a check waits for its turn.
	timeout = 15 * time.Second
	// children run at once at most.
	children = 2
	// maxVerdicts bounds what is remembered.
	maxVerdicts = 1 << 12
	// variable marks a child.
	variable = "OPENLEASH_SANDBOX"
	// ready is what a child says when its limits are set.
	ready = "ready"
)

// IsChild says whether this process is a child that checks a policy.
func IsChild() bool { return os.Getenv(variable) != "" }

// Main does the work of a child and exits, if this process is one.
func Main() {
	if !IsChild() {
		return
	}
	if err := limit(); err != nil {
		fmt.Print(err)
		os.Exit(1)
	}
	fmt.Print(ready)
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		os.Exit(1)
	}
	rego.Rehearse(rego.File{Path: "policy.rego", Text: text})
	os.Exit(0)
}

// Checker is a rego.Checker that remembers what it has seen.
type Checker struct {
	places chan struct{} // one for each child that runs

	mu       sync.Mutex
	verdicts map[[sha256.Size]byte]error
}

// New returns a checker.
func New() *Checker {
	return &Checker{places: make(chan struct{}, children), verdicts: map[[sha256.Size]byte]error{}}
}

var _ rego.Checker = (*Checker)(nil)

// Check says whether this process may compile a policy. What depends on the machine alone is not remembered.
func (c *Checker) Check(f rego.File) error {
	sum := sha256.Sum256(f.Text)
	c.mu.Lock()
	err, known := c.verdicts[sum]
	c.mu.Unlock()
	if known {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	select {
	case c.places <- struct{}{}:
	case <-ctx.Done():
		return errors.New("too many policies are being checked; try again")
	}
	defer func() { <-c.places }()
	if err = run(f.Text); err != nil && !errors.Is(err, rego.ErrTooHeavy) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.verdicts) >= maxVerdicts {
		clear(c.verdicts)
	}
	c.verdicts[sum] = err
	return err
}

// run checks one text in a child.
func run(text []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program()) //nolint:gosec // it is this program
	cmd.Args = os.Args[:1]
	cmd.Env = []string{variable + "=1"}
	cmd.Dir = os.TempDir()
	cmd.Stdin = bytes.NewReader(text)
	var said bytes.Buffer
	cmd.Stdout = &said
	err := cmd.Run()
	var exit *exec.ExitError
	exited := errors.As(err, &exit)
	switch {
	case err == nil && said.String() == ready:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("it took longer than %s; it is too complex, or the machine is busy", timeout)
	case said.String() != ready:
		return fmt.Errorf("the process that checks policies does not start: %w", errors.Join(err, errors.New(said.String())))
	case exited && exit.ExitCode() > 0: // the runtime gave up
		return rego.ErrTooHeavy
	case exited && exit.UserTime()+exit.SystemTime() >= Processor*9/10: // the kernel did, which counts a little more than it reports
		return rego.ErrTooHeavy
	}
	return fmt.Errorf("the process that checks policies ended: %w", err)
}
