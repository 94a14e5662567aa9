package rego

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// A policy written in Rego may ask for more than a deadline can stop: OPA looks at it between
// expressions, and one built-in can make gigabytes of a little. So built-ins take operands up to a
// limit, and an evaluation that does not end is left behind.

const (
	// maxOperands bounds what one call is given, as size counts it: 1 MiB of text or 16384 values.
	maxOperands = 1 << 14
	// maxProduct bounds what concat, replace and sprintf can make of it, in bytes.
	maxProduct = 1 << 24
	// maxRego bounds the text of a policy in Rego, in bytes, and maxNesting its parser's stack.
	maxRego    = 128 << 10
	maxNesting = 1000
	// compileDeadline bounds the compilation of a policy: OPA's type checker takes 2^n for types that hold
	// each other twice.
	compileDeadline = 3 * time.Second
	// patience is how long after its deadline an evaluation may take to notice it.
	patience = 100 * time.Millisecond
)

var errStuck = errors.New("an earlier evaluation of this policy has not ended yet")

// inTime compiles a policy, or gives up on it.
func inTime(compile func() error) error {
	done := make(chan error, 1)
	running.Go(func() { done <- compile() })
	late := time.NewTimer(compileDeadline)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return errors.New("the policy is too complex: OPA cannot compile it in time")
	}
}

// watched evaluates, and gives up on an evaluation that outlives its deadline. One that was given up
// keeps the policy from being asked until it ends, so that there is never a crowd of them.
func (p *Policy) watched(q ast.Body, ev *evaluation, input *ast.Term) (ast.Value, error) {
	if p.stuck.Load() {
		return nil, errStuck
	}
	type result struct {
		value ast.Value
		err   error
	}
	done := make(chan result, 1)
	running.Go(func() {
		v, err := p.run(q, ev, input)
		done <- result{v, err}
	})
	late := time.NewTimer(ev.limit + patience)
	defer late.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-late.C:
	}
	p.stuck.Store(true)
	go func() {
		<-done
		p.stuck.Store(false)
	}()
	return nil, &topdown.Error{Code: topdown.CancelErr, Message: "the evaluation does not heed its deadline"}
}

// bound puts the bounded built-ins in the place of OPA's, in a compiled module.
func bound(c *ast.Compiler) {
	for _, m := range c.Modules {
		ast.WalkExprs(m, func(x *ast.Expr) bool {
			if terms, ok := x.Terms.([]*ast.Term); ok && !x.IsEquality() {
				if name := boundedName(terms[0].String()); bounded()[name.String()] != nil {
					terms[0] = &ast.Term{Value: name, Location: terms[0].Location} // operators of one kind may share a term
				}
			}
			return false
		})
	}
}

// mocked finds where a policy puts something else in the place of its input or of a function, as only tests may: what
// it is given instead can be larger than any input.
func mocked(m *ast.Module) (found *ast.With) {
	ast.WalkWiths(m, func(w *ast.With) bool {
		found = w
		return true
	})
	return found
}

// calls says whether a module calls a built-in.
func calls(m *ast.Module, b *ast.Builtin) bool {
	found, called := false, ast.NewTerm(b.Ref())
	ast.WalkTerms(m, func(t *ast.Term) bool {
		found = found || t.Equal(called)
		return found
	})
	return found
}

func boundedName(name string) ast.Ref { return ast.Ref{ast.VarTerm("bounded"), ast.StringTerm(name)} }

// bounded are the built-ins that policies may call, each behind a check of its operands.
var bounded = sync.OnceValue(func() map[string]*topdown.Builtin {
	out := map[string]*topdown.Builtin{}
	for _, b := range capabilities().Builtins {
		call := topdown.GetBuiltin(b.Name)
		if call == nil {
			continue // eq and assign are no calls
		}
		decl := *b
		decl.Name, decl.CanSkipBctx = boundedName(b.Name).String(), false
		out[decl.Name] = &topdown.Builtin{Decl: &decl, Func: func(ctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
			if err := fits(b.Name, operands); err != nil {
				return &topdown.Error{Code: topdown.BuiltinErr, Location: ctx.Location, Message: b.Name + ": " + err.Error()}
			}
			return call(ctx, operands, iter)
		}}
	}
	return out
})

// longWidth is a width or precision that fills more than a screen.
var longWidth = regexp.MustCompile(`%[^%a-zA-Z]*(\*|[0-9]{4})`)

// fits says whether a call may be made.
func fits(name string, operands []*ast.Term) error {
	room := maxOperands
	for _, t := range operands {
		if room -= size(t.Value, room); room < 0 {
			return errors.New("its operands are too large")
		}
	}
	if at, ok := patterns[name]; ok {
		if err := at.fits(operands); err != nil {
			return err
		}
	}
	product := 0
	switch name {
	case ast.GlobMatch.Name:
		return globFits(operands)
	case ast.Concat.Name: // the delimiter, once for each element
		product = count(operands[1].Value) * textLen(operands[0].Value)
	case ast.Replace.Name, ast.RegexReplace.Name: // the new text, at each byte
		product = textLen(operands[0].Value) * textLen(operands[2].Value)
	case ast.Sprintf.Name: // a verb may name any argument, again and again
		format, _ := operands[0].Value.(ast.String)
		if longWidth.MatchString(string(format)) {
			return errors.New("a width has at most three digits")
		}
		product = len(format) * (1000 + 64*size(operands[1].Value, maxOperands))
	}
	if product > maxProduct {
		return fmt.Errorf("it could make more than %d bytes", maxProduct)
	}
	return nil
}

func textLen(v ast.Value) int {
	s, _ := v.(ast.String)
	return len(s)
}

func count(v ast.Value) int {
	switch v := v.(type) {
	case *ast.Array:
		return v.Len()
	case ast.Set:
		return v.Len()
	}
	return 0
}
