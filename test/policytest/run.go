package policytest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// Options say what is run.
type Options struct {
	Paths     []string // test files, and folders that are searched for them; none: the working folder
	Run       string   // regular expression; only tests whose file and name ("a_test.yaml/small") it matches
	Coverage  bool     // count covered lines
	Threshold float64  // percent of lines that must be covered, of every policy; above 0 counts too
}

// Errors of what is asked for, rather than of what is tested.
var (
	ErrNoTests  = errors.New("there are no tests")
	ErrBadRegex = errors.New("the pattern is no regular expression")
)

// deadline bounds one decision. It is longer than in a server, for coverage slows evaluation.
const deadline = 5 * time.Second

// session is one run.
type session struct {
	options Options
	only    *regexp.Regexp
	lines   *coverage
	report  Report
}

// Run runs all tests of the paths. The error is about the options or the file system; what is wrong
// with policies and tests is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	only, err := regexp.Compile(o.Run)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrBadRegex, err)
	}
	files, err := discover(o.Paths)
	if err != nil {
		return Report{}, err
	}
	s := &session{options: o, only: only, lines: newCoverage(), report: Report{Threshold: o.Threshold, sources: map[string][]byte{}}}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		began := time.Now()
		suite, err := s.file(ctx, f)
		if err != nil {
			return Report{}, err
		}
		if len(suite.Cases) > 0 {
			suite.Elapsed = time.Since(began)
			s.report.Suites = append(s.report.Suites, suite)
		}
	}
	s.report.Problems.Sort()
	s.report.Problems = slices.CompactFunc(s.report.Problems, func(a, b compiler.Diagnostic) bool { return a == b })
	if len(s.report.Suites) == 0 && len(s.report.Problems) == 0 {
		return Report{}, fmt.Errorf("%w: none in %s matches", ErrNoTests, strings.Join(paths(o.Paths), ", "))
	}
	if o.Coverage || o.Threshold > 0 {
		s.report.Coverage = s.lines.summary()
	}
	return s.report, nil
}

func (s *session) file(ctx context.Context, file string) (Suite, error) {
	if filepath.Ext(file) == ".rego" {
		return s.regoFile(ctx, file)
	}
	return s.tableFile(ctx, file)
}

// wanted says whether a test is to be run.
func (s *session) wanted(file, name string) bool {
	return s.only.MatchString(filepath.ToSlash(file) + "/" + name)
}

// problem adds to what is wrong with the files.
func (s *session) problem(ds ...compiler.Diagnostic) {
	s.report.Problems = append(s.report.Problems, ds...)
}

func (s *session) read(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading a test: %w", err)
	}
	s.report.sources[file] = text
	return text, nil
}

// compile makes one engine of policy files. It is nil if they have errors, which are reported.
func (s *session) compile(ctx context.Context, files []rego.File) *rego.Engine {
	owner := ownerOf(files)
	engine, ds := rego.Compile(ctx, owner, []string{owner}, files, rego.Options{Deadline: deadline})
	s.problem(ds...)
	if engine != nil {
		s.lines.count(engine)
	}
	return engine
}

// nobody owns policies that name no owner.
const nobody = "usr_00000000000000000000000000"

// ownerOf is the owner that the policies name.
func ownerOf(files []rego.File) string {
	for _, f := range files {
		if p, _ := rego.Check(f); p != nil && p.Owner != "" {
			return p.Owner
		}
	}
	return nobody
}

func paths(given []string) []string {
	if len(given) == 0 {
		return []string{"."}
	}
	return given
}

// isTest says that a file holds tests.
func isTest(name string) bool {
	stem, isYAML := strings.CutSuffix(name, ".yaml")
	if !isYAML {
		if stem, isYAML = strings.CutSuffix(name, ".yml"); !isYAML {
			stem = strings.TrimSuffix(name, ".rego")
		}
	}
	return stem != name && strings.HasSuffix(stem, "_test") && !strings.HasPrefix(name, ".")
}

// discover finds the test files of paths, sorted, each once. A policy file stands for the tests beside
// it.
func discover(given []string) ([]string, error) {
	var out []string
	for _, p := range paths(given) {
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("looking for tests: %w", err)
		}
		if !info.IsDir() {
			found := testsOf(p)
			if len(found) == 0 {
				return nil, fmt.Errorf("%w: %s is none, and has none beside it", ErrNoTests, p)
			}
			out = append(out, found...)
			continue
		}
		if err := filepath.WalkDir(p, func(file string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir() && file != p && strings.HasPrefix(e.Name(), "."):
				return fs.SkipDir
			case !e.IsDir() && isTest(e.Name()):
				out = append(out, file)
			}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("looking for tests: %w", err)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// testsOf are the tests that one file stands for: itself, or those of a policy.
func testsOf(file string) []string {
	if isTest(filepath.Base(file)) {
		return []string{file}
	}
	var out []string
	for _, ending := range []string{"_test.yaml", "_test.yml", "_test.rego"} {
		test := strings.TrimSuffix(file, filepath.Ext(file)) + ending
		if _, err := os.Stat(test); err == nil {
			out = append(out, test)
		}
	}
	return out
}
