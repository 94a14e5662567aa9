package policytest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// regoFile runs the tests of one *_test.rego, beside the policies of its folder.
func (s *session) regoFile(ctx context.Context, file string) (Suite, error) {
	suite := Suite{File: file}
	text, err := s.read(file)
	if err != nil {
		return suite, err
	}
	module, err := ast.ParseModuleWithOpts(file, string(text), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		s.problem(regoErrors(file, err)...)
		return suite, nil
	}
	files, err := s.beside(file)
	if err != nil {
		return suite, err
	}
	engine := s.compile(ctx, files)
	if engine == nil {
		return suite, nil
	}
	modules := map[string]*ast.Module{file: module}
	for _, p := range engine.Policies() {
		if modules[p.File], err = p.Module(); err != nil {
			return suite, err
		}
	}
	suite.Cases, err = s.opa(ctx, file, modules)
	var broken ast.Errors
	if errors.As(err, &broken) {
		s.problem(regoErrors(file, err)...)
		return suite, nil
	}
	return suite, err
}

// beside reads the policies of a test's folder.
func (s *session) beside(test string) ([]rego.File, error) {
	dir := filepath.Dir(test)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for policies: %w", err)
	}
	var out []rego.File
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() || rego.ShouldIgnore(e.Name()) {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading a policy: %w", err)
		}
		s.report.sources[name] = text
		out = append(out, rego.File{Path: name, Text: text})
	}
	return out, nil
}

// opa runs OPA's test runner.
func (s *session) opa(ctx context.Context, file string, modules map[string]*ast.Module) (cases []Case, err error) {
	store := inmem.New()
	err = storage.Txn(ctx, store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		runner := tester.NewRunner().SetStore(store).SetModules(modules).SetParallel(1).SetTimeout(deadline).
			CapturePrintOutput(true).RaiseBuiltinErrors(true).SetCoverageQueryTracer(regoTracer{s.lines})
		results, err := runner.RunTests(ctx, txn)
		if err != nil {
			return fmt.Errorf("running %s: %w", file, err)
		}
		for r := range results {
			name := strings.TrimPrefix(r.Package, "data.") + "." + r.Name
			if r.Location.File == file && s.wanted(file, name) {
				cases = append(cases, caseOf(name, r))
			}
		}
		return nil
	})
	slices.SortFunc(cases, func(a, b Case) int { return a.Pos.Line - b.Pos.Line })
	return cases, err
}

func caseOf(name string, r *tester.Result) Case {
	c := Case{Name: name, Elapsed: r.Duration, Skipped: r.Skip, Output: strings.TrimRight(string(r.Output), "\n"),
		Pos: compiler.Position{File: r.Location.File, Line: r.Location.Row, Column: max(r.Location.Col, 1)}}
	switch {
	case r.Error != nil:
		c.Failures = []string{r.Error.Error()}
	case r.Fail && len(r.SubResults) > 0:
		for path, sub := range r.SubResults.Iter {
			if sub.Fail && len(sub.SubResults) == 0 {
				c.Failures = append(c.Failures, strings.Join(path, "/")+" does not hold")
			}
		}
	case r.Fail:
		c.Failures = []string{"does not hold"}
	}
	return c
}

// regoErrors turns OPA's errors of a test file into ours.
func regoErrors(file string, err error) compiler.Diagnostics {
	var many ast.Errors
	if !errors.As(err, &many) {
		return compiler.Diagnostics{{Code: "rego_error", Pos: compiler.Position{File: file, Line: 1, Column: 1}, Message: err.Error()}}
	}
	var out compiler.Diagnostics
	for _, e := range many {
		pos := compiler.Position{File: file, Line: 1, Column: 1}
		if l := e.Location; l != nil && l.Row > 0 {
			pos = compiler.Position{File: l.File, Line: l.Row, Column: max(l.Col, 1)}
		}
		out = append(out, compiler.Diagnostic{Code: e.Code, Pos: pos, Message: e.Message})
	}
	return out
}
