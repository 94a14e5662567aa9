package rego

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// TraceRule says which parts of one rule matched.
type TraceRule struct {
	PolicyID         string
	RuleID           string
	PatternMatch     bool
	WhenMatch        bool
	ConstraintsMatch bool
	FinalMatch       bool
	// PossibleMatch: a field that the rule looks at is missing or of the wrong type, so it is not known whether
	// the rule matches. It counts if it is stricter than what follows.
	PossibleMatch bool
	Line          int
}

// Trace is Decide, and beside it each rule of the YAML policies part by part, also of those that an
// earlier rule or layer kept from being asked.
func (l *Layers) Trace(ctx context.Context, in Input) ([]TraceRule, Decision) {
	d := l.Decide(ctx, in)
	doc, err := document(l.subject, in)
	if err != nil {
		return nil, policyError("", err)
	}
	var out []TraceRule
	for _, p := range l.Policies() {
		if p.Raw {
			continue
		}
		rules, err := p.trace(ctx, l, ast.NewTerm(withBudgets(doc, in.Budgets, p.ID)))
		if err != nil {
			return out, policyError(p.ID, err)
		}
		out = append(out, rules...)
	}
	return out, d
}

func (p *Policy) trace(ctx context.Context, l *Layers, input *ast.Term) ([]TraceRule, error) {
	module, err := compiler.CompileTrace(p.YAML)
	if err != nil {
		return nil, err
	}
	traced := &Policy{Header: p.Header, File: p.File, YAML: p.YAML, Text: p.Text}
	if err := traced.prepare(module, "match"); err != nil {
		return nil, err
	}
	sets := map[string]map[int]bool{}
	for _, name := range []string{"pattern", "when", "constraints", "match", "certain", "possible"} {
		if sets[name], err = traced.members(ctx, l, name, input); err != nil {
			return nil, err
		}
	}
	out := make([]TraceRule, len(p.YAML.Rules))
	for i, r := range p.YAML.Rules {
		out[i] = TraceRule{p.ID, r.ID, sets["pattern"][i], sets["when"][i], sets["constraints"][i], sets["match"][i],
			!sets["certain"][i] && (sets["match"][i] || sets["possible"][i]), r.Pos.Line}
	}
	return out, nil
}

// members evaluates one of the sets of rule indices.
func (p *Policy) members(ctx context.Context, l *Layers, name string, input *ast.Term) (map[int]bool, error) {
	ev := newEvaluation(ctx, l.deadline)
	v, err := p.evaluate(p.queryFor(name), ev, input)
	out := map[int]bool{}
	if set, ok := v.(ast.Set); ok && err == nil {
		set.Foreach(func(t *ast.Term) {
			if n, ok := t.Value.(ast.Number); ok {
				if i, ok := n.Int(); ok {
					out[i] = true
				}
			}
		})
	}
	return out, err
}
