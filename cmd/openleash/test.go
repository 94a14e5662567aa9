package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/test/policytest"
)

func testCommand(a *app) *cobra.Command {
	var o policytest.Options
	var format string
	var watch bool
	c := &cobra.Command{
		Use:   "test [PATH…]",
		Short: "Run the tests of policies: *_test.yaml and *_test.rego",
		Long: `Runs the tests of the files and folders, or of the working folder, without a server. A policy file stands
for the tests beside it.

Ends with 0 if all tests pass, 1 if one fails or too little is covered, 2 if a policy or a test file is wrong.`,
		Example: `  openleash test policies
  openleash test --coverage --threshold 90 policies
  openleash test --run 'purchases_test.yaml/small' --watch`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Paths = args
			if a.asJSON {
				format = "json"
			}
			switch {
			case !slices.Contains(policytest.Formats, format):
				return misuse("--format is %s, not %q", strings.Join(policytest.Formats, ", "), format)
			case o.Threshold < 0 || o.Threshold > 100:
				return misuse("--threshold is a number of percent, from 0 to 100")
			case watch:
				return policytest.Watch(cmd.Context(), o, func(r policytest.Report, err error) {
					if err = errors.Join(err, r.Write(a.out, format)); err != nil {
						a.complain(err, "")
					}
				})
			}
			return a.runTests(cmd, o, format)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.Run, "run", "", "only tests whose file and name this regular expression matches")
	f.BoolVar(&o.Coverage, "coverage", false, "say which lines of the policies the tests reach")
	f.Float64Var(&o.Threshold, "threshold", 0, "percent of the lines of every policy that must be reached")
	f.StringVar(&format, "format", "pretty", "pretty, json or junit")
	f.BoolVar(&watch, "watch", false, "run again whenever a file changes")
	return c
}

func (a *app) runTests(cmd *cobra.Command, o policytest.Options, format string) error {
	r, err := policytest.Run(cmd.Context(), o)
	switch {
	case errors.Is(err, policytest.ErrNoTests), errors.Is(err, policytest.ErrBadRegex):
		return usageError{err}
	case err != nil:
		return fmt.Errorf("running tests: %w", err)
	}
	if err := r.Write(a.out, format); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	if code := r.Exit(); code != policytest.ExitPassed {
		return exitCode(code)
	}
	return nil
}
