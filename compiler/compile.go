package compiler

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Package is the package path of a policy's module: data.openleash.policy["<id>"].
func Package(id string) ast.Ref {
	return ast.Ref{ast.NewTerm(ast.DefaultRootDocument.Value), ast.StringTerm("openleash"), ast.StringTerm("policy"), ast.StringTerm(id)}
}

// Compile builds the OPA module of a policy:
//
//	package openleash.policy["<id>"]
//
//	match contains 0 if { … }        # one or more for each rule; its location is the rule's
//	possible contains 0 if { … }     # of the rules that Tightens: their condition is not known to be false
//	rules := [{"effect": …, …}, …]
//	decision := …                    # of the first rule in match; undefined: the policy abstains
//	default_effect := "deny"         # unless the policy is a guardrail
//	budgets := […]                   # if it has some
//
// and below them what the rules call, named after them. A rule that allows is in match where its condition is
// certainly true, a rule that denies where it is possibly true. If the policy has a set possible, then its rules
// before the first in match are in possibly, with what they owe, and decision owes that too.
//
// The input is the action request's own fields at the root, and beside them agent, owner, now, now_ns,
// action_patterns, assurance_level and budgets.
func Compile(p *Policy) (*ast.Module, error) {
	e := newEmitter(p)
	for i, rule := range p.Rules {
		e.rule("match", i, rule, e.body(rule))
		e.tightening(i, rule)
	}
	e.outcomes()
	return e.module(), nil
}

// Tightens says whether the rule can make an outcome stricter where its condition is unknown: it asks for more
// than a plain allow does, and its condition depends on fields that can be missing.
func (r Rule) Tightens() bool {
	owes := len(r.Obligations) > 0 || r.MinAssurance != ""
	return r.Effect == Allow && owes && (canBeUnknown(r.When) || canBeUnknown(r.Constraints))
}

// canBeUnknown says whether an expression has a comparison that is unknown on a missing field.
func canBeUnknown(e Expr) bool {
	switch e := e.(type) {
	case nil, Schedule:
		return false
	case All:
		return slices.ContainsFunc(e.Exprs, canBeUnknown)
	case Any:
		return slices.ContainsFunc(e.Exprs, canBeUnknown)
	case Not:
		return canBeUnknown(e.Expr)
	case Match:
		return e.Op != Exists
	}
	return true
}

// tightening adds "possible contains i if { … }" for a rule that Tightens.
func (e *emitter) tightening(i int, rule Rule) {
	if !rule.Tightens() {
		return
	}
	e.current = rule.ID
	var body []*ast.Expr
	for _, x := range []Expr{rule.When, rule.Constraints} {
		if x != nil {
			body = append(body, e.possible(x)...)
		}
	}
	e.rule("possible", i, rule, body)
}

// CompileTrace is Compile, and beside match the sets pattern, when and constraints: the indices of the rules of
// which that part matched, in the form that the rule's effect uses; and the set certain, of the rules that match
// whatever the missing fields are.
func CompileTrace(p *Policy) (*ast.Module, error) {
	e := newEmitter(p)
	for i, rule := range p.Rules {
		e.rule("match", i, rule, e.body(rule))
		e.tightening(i, rule)
		e.rule("certain", i, rule, e.certainBody(rule))
		e.rule("pattern", i, rule, nil)
		e.member("when", i, rule, e.holds(rule, rule.When))
		e.member("constraints", i, rule, e.holds(rule, rule.Constraints))
	}
	e.outcomes()
	return e.module(), nil
}

// emitter builds one module. New nodes get the position at.
type emitter struct {
	policy  *Policy
	rules   []*ast.Rule
	helpers []*ast.Rule
	at      Position
	located *ast.Location  // at, as OPA spells it
	current string         // the id of the rule that is being emitted, for the names of its helpers
	named   map[string]int // how many helpers have a name
}

func newEmitter(p *Policy) *emitter {
	return &emitter{policy: p, at: Position{p.File, 1, 1}, named: map[string]int{}}
}

func (e *emitter) module() *ast.Module {
	m := &ast.Module{Package: &ast.Package{Location: e.location(), Path: Package(e.policy.ID)}}
	for _, t := range m.Package.Path {
		t.Location = m.Package.Location
	}
	m.Rules = append(e.rules, e.helpers...)
	for _, r := range m.Rules {
		r.Module = m
	}
	m.SetRegoVersionSpan(ast.RegoVersionSpanOf(ast.RegoV1))
	return m
}

// rule adds "name contains i if { action; body }", once for each action pattern, so that OPA's index
// finds the rules of an action without looking at the others.
func (e *emitter) rule(name string, i int, rule Rule, body []*ast.Expr) {
	if len(rule.Actions) > 1 && !isReference(body) { // said once: it may hold lists of thousands
		body = []*ast.Expr{e.helper("holds", rule.Pos, [][]*ast.Expr{body})}
	}
	for _, pattern := range rule.Actions {
		e.at = rule.Pos
		var exprs []*ast.Expr
		if x := e.action(pattern); x != nil {
			exprs = append(exprs, x)
		}
		for _, x := range body {
			exprs = append(exprs, x.Copy()) // an expression knows its place in a body
		}
		e.member(name, i, rule, exprs)
	}
}

// isReference says that a body is nothing, or the name of one helper rule.
func isReference(body []*ast.Expr) bool {
	if len(body) != 1 {
		return len(body) == 0
	}
	term, ok := body[0].Terms.(*ast.Term)
	if !ok {
		return false
	}
	_, ok = term.Value.(ast.Var)
	return ok
}

// member adds "name contains i if { body }".
func (e *emitter) member(name string, i int, rule Rule, body []*ast.Expr) {
	e.at = rule.Pos
	e.add(&e.rules, ast.NewHead(ast.Var(name), e.number(i)), body)
}

// add adds a rule; an empty body always holds.
func (e *emitter) add(to *[]*ast.Rule, head *ast.Head, body []*ast.Expr) {
	if len(body) == 0 {
		body = []*ast.Expr{e.expr(ast.NewExpr(e.term(ast.Boolean(true))))}
	}
	head.Location = e.location()
	for _, t := range head.Reference {
		t.Location = head.Location
	}
	r := &ast.Rule{Location: head.Location, Head: head}
	for _, x := range once(body) {
		r.Body.Append(x)
	}
	*to = append(*to, r)
}

// once drops what is said again: two comparisons of a field need its type checked once.
func once(body []*ast.Expr) []*ast.Expr {
	seen := make(map[int][]*ast.Expr, len(body))
	return slices.DeleteFunc(slices.Clone(body), func(x *ast.Expr) bool {
		hash := x.Hash()
		if slices.ContainsFunc(seen[hash], x.Equal) {
			return true
		}
		seen[hash] = append(seen[hash], x)
		return false
	})
}

// action is the condition that an action type matches a pattern; nil for *.
func (e *emitter) action(pattern string) *ast.Expr {
	switch {
	case pattern == "*":
		return nil
	case strings.HasSuffix(pattern, ".*"):
		return e.call(ast.Member, e.text(pattern), e.input("action_patterns"))
	}
	return e.call(ast.Equal, e.input("action_type"), e.text(pattern))
}

// body is what must hold beside the action.
func (e *emitter) body(rule Rule) []*ast.Expr {
	e.current = rule.ID
	return append(e.holds(rule, rule.When), e.holds(rule, rule.Constraints)...)
}

// certainBody is what must be known to be true beside the action.
func (e *emitter) certainBody(rule Rule) []*ast.Expr {
	e.current = rule.ID
	var body []*ast.Expr
	for _, x := range []Expr{rule.When, rule.Constraints} {
		if x != nil {
			body = append(body, e.certain(x, false)...)
		}
	}
	return body
}

// holds is the form of an expression that the rule's effect asks for.
func (e *emitter) holds(rule Rule, x Expr) []*ast.Expr {
	switch {
	case x == nil:
		return nil
	case rule.Effect == Allow:
		return e.certain(x, false)
	}
	return e.possible(x)
}
