package rego

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// constantsDeadline bounds the evaluation of what a raw policy declares, at load.
const constantsDeadline = time.Second

// compileRego compiles a policy written in Rego: package openleash.policy.<id>, with METADATA that says
// whom it is for, a rule decision, and optionally default_effect and budgets, which are constants.
func compileRego(f File) (*Policy, compiler.Diagnostics) {
	if len(f.Text) > maxRego {
		return nil, compiler.Diagnostics{{Code: "file_too_large", Pos: position(f.Path, nil),
			Message: fmt.Sprintf("a policy in Rego is at most %d bytes", maxRego)}}
	}
	module, err := parseRego(f.Path, f.Text)
	if err != nil {
		return nil, diagnostics(f.Path, err)
	}
	at := position(f.Path, module.Package.Location)
	refuse := func(code, format string, args ...any) (*Policy, compiler.Diagnostics) {
		return nil, compiler.Diagnostics{{Code: code, Pos: at, Message: fmt.Sprintf(format, args...)}}
	}
	id, ok := policyID(module.Package.Path)
	if !ok {
		return refuse("wrong_package", "%s must be package openleash.policy.<id>", module.Package)
	}
	p := &Policy{File: f.Path, Raw: true, Text: f.Text, Default: compiler.DefaultDeny}
	var custom map[string]any
	for _, a := range module.Annotations {
		if a.Scope == "package" {
			custom, p.Name, p.Description = a.Custom, a.Title, a.Description
			at = position(f.Path, a.Location)
		}
	}
	name, description := p.Name, p.Description
	var ds compiler.Diagnostics
	p.Header, ds = compiler.Metadata(at, id, custom)
	p.Name, p.Description = name, description
	if ds.Err() != nil {
		return nil, ds
	}
	if !defines(module, "decision") {
		return refuse("missing_decision", "a policy needs a rule called decision")
	}
	if t := outside(module); t != nil {
		at = position(f.Path, t.Location)
		return refuse("outside_reference", "a policy sees its input and itself, and no other data")
	}
	if w := mocked(module); w != nil {
		at = position(f.Path, w.Location)
		return refuse("mocked_document", "a policy cannot replace %s by something else; a test can", w.Target)
	}
	if t := tooLarge(module); t != nil {
		at = position(f.Path, t.Location)
		return refuse("too_large", "this value can grow beyond %d nodes, because values that hold others are used several times in it", maxGrowth)
	}
	if ds := badPatterns(f.Path, module); len(ds) > 0 {
		return nil, ds
	}
	if err := inTime(func() error { return p.prepare(module, "decision") }); err != nil {
		return nil, diagnostics(f.Path, err)
	}
	if ds := p.constants(module, at); ds.Err() != nil {
		return nil, ds
	}
	return p, nil
}

// parseRego parses a module, if its expressions are not nested too deep: OPA's compiler takes more than
// n² for some that are.
func parseRego(file string, text []byte) (*ast.Module, error) {
	shallow := ast.NewParser().WithFilename(file).WithReader(bytes.NewReader(text)).WithRegoVersion(ast.RegoV1).
		WithCapabilities(capabilities()).WithMaxRecursionDepth(maxNesting)
	if _, _, errs := shallow.Parse(); len(errs) > 0 {
		return nil, errs
	}
	return ast.ParseModuleWithOpts(file, string(text), ast.ParserOptions{
		ProcessAnnotation: true, RegoVersion: ast.RegoV1, Capabilities: capabilities()})
}

// constants evaluates default_effect and budgets without any input.
func (p *Policy) constants(m *ast.Module, at compiler.Position) compiler.Diagnostics {
	if p.Guardrail {
		p.Default = ""
		if defines(m, "default_effect") {
			return compiler.Diagnostics{{Code: "guardrail_default", Pos: at, Message: "a guardrail has no default_effect"}}
		}
	} else if defines(m, "default_effect") {
		value, err := p.constant("default_effect")
		if err != nil {
			return diagnostics(p.File, err)
		}
		var ds compiler.Diagnostics
		if p.Default, ds = compiler.DeclaredDefault(at, value); ds.Err() != nil {
			return ds
		}
	}
	if !defines(m, "budgets") {
		return nil
	}
	value, err := p.constant("budgets")
	if err != nil {
		return diagnostics(p.File, err)
	}
	var ds compiler.Diagnostics
	p.Budgets, ds = compiler.DeclaredBudgets(at, value)
	return ds
}

func (p *Policy) constant(name string) (any, error) {
	ev := newEvaluation(context.Background(), constantsDeadline)
	v, err := p.evaluate(p.queryFor(name), ev, nil)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("%s must be a constant: it is undefined without an input", name)
	}
	return ast.JSON(v)
}

func defines(m *ast.Module, name string) bool {
	for _, r := range m.Rules {
		if ref := r.Head.Ref(); len(ref) > 0 && ref[0].Equal(ast.VarTerm(name)) {
			return true
		}
	}
	return false
}

// outside finds where a module looks at data that is not its own.
func outside(m *ast.Module) (found *ast.Term) {
	own := map[*ast.Term]bool{} // the word data at the head of what is the policy's own
	look := func(t *ast.Term) bool {
		if ref, ok := t.Value.(ast.Ref); ok && ref.HasPrefix(m.Package.Path) {
			own[ref[0]] = true
		}
		if found == nil && t.Equal(ast.DefaultRootDocument) && !own[t] {
			found = t
		}
		return found != nil
	}
	for _, i := range m.Imports {
		ast.WalkTerms(i, look)
	}
	for _, r := range m.Rules {
		ast.WalkTerms(r, look)
	}
	return found
}

// policyID returns the last part of package openleash.policy.<id>.
func policyID(path ast.Ref) (string, bool) {
	if len(path) != 4 || !path.HasPrefix(compiler.Package("")[:3]) {
		return "", false
	}
	id, ok := path[3].Value.(ast.String)
	return string(id), ok
}

func position(file string, l *ast.Location) compiler.Position {
	if l == nil || l.Row == 0 {
		return compiler.Position{File: file, Line: 1, Column: 1}
	}
	return compiler.Position{File: file, Line: l.Row, Column: max(l.Col, 1)}
}
