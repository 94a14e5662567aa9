package compiler

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Package is the package path of a policy's module: data.openleash.policy["<id>"].
func Package(id string) ast.Ref {
	return ast.Ref{ast.DefaultRootDocument, ast.StringTerm("openleash"), ast.StringTerm("policy"), ast.StringTerm(id)}
}

// Compile builds the OPA module of a policy:
//
//	package openleash.policy["<id>"]
//
//	match contains 0 if { … }        # one or more per rule; its location is the rule's
//	rules := [{"effect": …, …}, …]
//	decision := rules[min(match)]    # undefined: the policy abstains
//	default_effect := "deny"
//	budgets := […]
//
// The input is the action request's own fields at the root, and beside them agent, owner, now, now_ns,
// action_patterns, assurance_level and budgets.
func Compile(p *Policy) (*ast.Module, error) {
	e := newEmitter(p)
	for i, rule := range p.Rules {
		e.rule("match", i, rule, e.body(rule))
	}
	e.tables()
	return e.module()
}

// CompileTrace is Compile, and beside match the sets pattern, when and constraints: the indices of the
// rules of which that part held, in the form that the rule's effect uses.
func CompileTrace(p *Policy) (*ast.Module, error) {
	e := newEmitter(p)
	for i, rule := range p.Rules {
		e.rule("match", i, rule, e.body(rule))
		e.rule("pattern", i, rule, nil)
		e.member("when", i, rule, e.holds(rule, rule.When))
		e.member("constraints", i, rule, e.holds(rule, rule.Constraints))
	}
	e.tables()
	return e.module()
}

// Format prints a module as Rego.
func Format(m *ast.Module) ([]byte, error) {
	return format.AstWithOpts(m, format.Opts{RegoVersion: ast.RegoV1, IgnoreLocations: true})
}

// emitter builds one module. New nodes get the position at.
type emitter struct {
	policy  *Policy
	rules   []*ast.Rule
	helpers []*ast.Rule
	at      Position
	current string // the id of the rule that is being emitted, for the names of its parts
	parts   int    // named so far, in the whole module
}

func newEmitter(p *Policy) *emitter {
	return &emitter{policy: p, at: Position{p.File, 1, 1}}
}

func (e *emitter) module() (*ast.Module, error) {
	loc := e.location()
	m := &ast.Module{Package: &ast.Package{Location: loc, Path: Package(e.policy.ID)}}
	for _, t := range m.Package.Path {
		t.Location = loc
	}
	m.Rules = append(e.rules, e.helpers...)
	for _, r := range m.Rules {
		r.Module = m
	}
	m.SetRegoVersion(ast.RegoV1)
	return m, nil
}

func (e *emitter) location() *ast.Location {
	return &ast.Location{File: e.at.File, Row: e.at.Line, Col: e.at.Column, Text: []byte(e.at.String())}
}

// rule adds "name contains i if { action; body }", once for each action pattern, so that OPA's index
// finds the rules of an action without looking at the others.
func (e *emitter) rule(name string, i int, rule Rule, body []*ast.Expr) {
	e.at = rule.Pos
	for _, pattern := range rule.Actions {
		exprs := make([]*ast.Expr, 0, len(body)+1)
		if cond := e.action(pattern); cond != nil {
			exprs = append(exprs, cond)
		}
		for _, x := range body {
			exprs = append(exprs, x.Copy())
		}
		e.member(name, i, rule, exprs)
	}
}

// member adds "name contains i if { body }".
func (e *emitter) member(name string, i int, rule Rule, body []*ast.Expr) {
	e.at = rule.Pos
	head := ast.NewHead(ast.Var(name), e.term(ast.Number(json.Number(fmt.Sprint(i)))))
	e.add(&e.rules, head, body)
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
	r := &ast.Rule{Location: e.location(), Head: head}
	for _, x := range body {
		if !r.Body.Contains(x) { // two comparisons of a field need its type checked once
			r.Body.Append(x)
		}
	}
	*to = append(*to, r)
}

// action is the condition that an action type matches a pattern; nil for *.
func (e *emitter) action(pattern string) *ast.Expr {
	switch {
	case pattern == "*":
		return nil
	case strings.HasSuffix(pattern, ".*"):
		return e.call(ast.Member, e.text(pattern), e.input("action_patterns"))
	default:
		return e.call(ast.Equal, e.input("action_type"), e.text(pattern))
	}
}

// body is what must hold beside the action.
func (e *emitter) body(rule Rule) []*ast.Expr {
	e.current = rule.ID
	return append(e.holds(rule, rule.When), e.holds(rule, rule.Constraints)...)
}

// holds is the form of an expression that the rule's effect asks for.
func (e *emitter) holds(rule Rule, x Expr) []*ast.Expr {
	switch {
	case x == nil:
		return nil
	case rule.Effect == Allow:
		return e.certain(x, false)
	default:
		return e.possible(x)
	}
}

// tables adds the rules' outcomes, the decision, the default and the budgets.
func (e *emitter) tables() {
	p := e.policy
	e.at = Position{p.File, 1, 1}
	outcomes := make([]any, len(p.Rules))
	stepUp := false
	for i, rule := range p.Rules {
		outcomes[i] = outcome(rule)
		stepUp = stepUp || rule.MinAssurance != ""
	}
	e.constant("rules", outcomes)
	if len(p.Rules) == 0 {
		e.add(&e.rules, ast.NewHead("match", nil, e.term(ast.NewSet())), nil)
	}
	first := e.termCall(ast.Min, e.variable("match"))
	chosen := ast.NewTerm(ast.Ref{e.variable("rules"), first})
	if !stepUp {
		e.add(&e.rules, ast.NewHead("decision", nil, chosen), nil)
	} else {
		e.steppedUp(chosen)
	}
	if !p.Guardrail {
		e.constant("default_effect", string(p.Default))
	}
	if len(p.Budgets) > 0 {
		e.constant("budgets", budgetTable(p.Budgets))
	}
}

// steppedUp adds the decision of a policy with assurance levels: a rule's outcome has the obligation
// STEP_UP_AUTH unless the action was stepped up to its level.
func (e *emitter) steppedUp(chosen *ast.Term) {
	for i, rule := range e.policy.Rules {
		if rule.MinAssurance == "" {
			continue
		}
		e.at = rule.Pos
		enough := e.call(ast.Member, e.input("assurance_level"), e.set(levelsFrom(rule.MinAssurance)...))
		enough.Negated = true
		key := ast.ArrayTerm(e.term(ast.Number(json.Number(fmt.Sprint(i)))), e.text(rule.MinAssurance))
		e.add(&e.helpers, ast.NewHead("step_up", key), []*ast.Expr{enough})
	}
	e.at = Position{e.policy.File, 1, 1}
	owed := func() *ast.Expr {
		// some level; step_up[[min(match), level]]
		return ast.NewExpr(ast.NewTerm(ast.Ref{e.variable("step_up"),
			ast.ArrayTerm(e.termCall(ast.Min, e.variable("match")), e.variable("level"))}))
	}
	some := ast.NewExpr(&ast.SomeDecl{Location: e.location(), Symbols: []*ast.Term{e.variable("level")}})
	obligation := ast.ObjectTerm(
		[2]*ast.Term{e.text("type"), e.text(StepUpAuth)},
		[2]*ast.Term{e.text("params"), ast.ObjectTerm([2]*ast.Term{e.text("min_assurance_level"), e.variable("level")})})
	obligations := e.termCall(ast.ArrayConcat, ast.NewTerm(append(chosen.Value.(ast.Ref).Copy(), e.text("obligations"))), ast.ArrayTerm(obligation))
	with := e.termCall(ast.ObjectUnion, chosen, ast.ObjectTerm([2]*ast.Term{e.text("obligations"), obligations}))
	e.add(&e.rules, ast.NewHead("decision", nil, with), []*ast.Expr{e.expr(some), e.expr(owed())})

	none := ast.NewExpr(e.variable("owes_step_up"))
	none.Negated = true
	e.add(&e.rules, ast.NewHead("decision", nil, chosen.Copy()), []*ast.Expr{e.expr(none)})
	someToo := ast.NewExpr(&ast.SomeDecl{Location: e.location(), Symbols: []*ast.Term{e.variable("level")}})
	e.add(&e.helpers, ast.NewHead("owes_step_up", nil, e.term(ast.Boolean(true))), []*ast.Expr{e.expr(someToo), e.expr(owed())})
}

var levels = []string{"LOW", "SUBSTANTIAL", "HIGH"}

// levelsFrom are the levels that suffice where one is asked for.
func levelsFrom(level string) []Literal {
	var out []Literal
	for i, l := range levels {
		if l == level || len(out) > 0 {
			out = append(out, Literal{Value: levels[i]})
		}
	}
	return out
}

// Outcome is what a rule yields when it decides, as raw Rego does too.
func outcome(rule Rule) map[string]any {
	obligations := make([]any, len(rule.Obligations))
	for i, o := range rule.Obligations {
		entry := map[string]any{"type": o.Type}
		if len(o.Params) > 0 {
			entry["params"] = o.Params
		}
		obligations[i] = entry
	}
	proof := map[string]any{"required": rule.Proof.Required}
	if rule.Proof.TTLSeconds > 0 {
		proof["ttl_seconds"] = rule.Proof.TTLSeconds
	}
	out := map[string]any{"rule_id": rule.ID, "effect": rule.Effect.String(), "obligations": obligations, "proof": proof}
	if rule.Description != "" {
		out["reason"] = rule.Description
	}
	return out
}

// budgetTable is the budgets as raw Rego declares them.
func budgetTable(budgets []Budget) []any {
	out := make([]any, len(budgets))
	for i, b := range budgets {
		m := map[string]any{"id": b.ID, "limit": b.Limit, "measure": b.Measure, "window": b.windowText(),
			"per": b.Per, "actions": b.Actions, "on_exceed": b.OnExceed}
		if b.Measure == "amount" {
			m["currency"], m["amount"] = b.Currency, b.Amount.String()
		}
		if b.Zone != "" {
			m["timezone"] = b.Zone
		}
		if b.Calendar == "week" {
			m["week_starts"] = weekdays[b.WeekStart]
		}
		if len(b.AlertAt) > 0 {
			m["alert_at"] = b.AlertAt
		}
		out[i] = m
	}
	return out
}
