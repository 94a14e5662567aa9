package policytest

import (
	"time"

	"github.com/openleash/openleash-go/compiler"
)

// Report is what a run found.
type Report struct {
	Suites    []Suite
	Coverage  []Coverage           // by policy, sorted by file; empty unless asked for
	Threshold float64              // percent; 0: none
	Problems  compiler.Diagnostics // of policies and test files, warnings too

	sources map[string][]byte
}

// Suite is the tests of one file.
type Suite struct {
	File    string
	Cases   []Case
	Elapsed time.Duration
}

// Case is one test.
type Case struct {
	Name     string
	Pos      compiler.Position
	Failures []string // what differs; empty: it passed
	Output   string   // what a test in Rego printed
	Skipped  bool     // todo_test_… in Rego
	Elapsed  time.Duration
}

// The exit codes of a run.
const (
	ExitPassed = 0 // all tests pass, and enough is covered
	ExitFailed = 1
	ExitBroken = 2 // a policy or a test file does not compile
)

// Count returns how many tests passed, failed and were skipped.
func (r Report) Count() (passed, failed, skipped int) {
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			switch {
			case c.Skipped:
				skipped++
			case len(c.Failures) > 0:
				failed++
			default:
				passed++
			}
		}
	}
	return passed, failed, skipped
}

// Exit is the exit code of the run.
func (r Report) Exit() int {
	switch _, failed, _ := r.Count(); {
	case r.Problems.Err() != nil:
		return ExitBroken
	case failed > 0 || len(r.Below()) > 0:
		return ExitFailed
	}
	return ExitPassed
}

// Below returns the policies of which too little is covered.
func (r Report) Below() []Coverage {
	var out []Coverage
	for _, c := range r.Coverage {
		if c.Percent() < r.Threshold {
			out = append(out, c)
		}
	}
	return out
}

// Source returns the text of a file of the run, or nil.
func (r Report) Source(file string) []byte { return r.sources[file] }
