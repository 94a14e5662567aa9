package rego

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// tightening are the rules of a policy that compiler.Rule.Tightens, by action pattern, so that finding those of an
// action takes no longer with a thousand rules.
type tightening map[string][]int

func tighteningOf(p *compiler.Policy) tightening {
	t := tightening{}
	for i, rule := range p.Rules {
		if rule.Tightens() {
			for _, pattern := range rule.Actions {
				t[pattern] = append(t[pattern], i)
			}
		}
	}
	return t
}

// possibly returns what the rules before one add because they possibly match: their condition is unknown. OPA is
// asked only if a field that such a rule looks at is missing or of the wrong type.
func (p *Policy) possibly(ev *evaluation, doc ast.Object, in Input, before int) ([]*outcome, error) {
	if len(p.tightening) == 0 || !p.inDoubt(doc, in.ActionType, before) {
		return nil, nil
	}
	v, err := p.evaluate(p.queryFor("possible"), ev, ast.NewTerm(doc))
	if err != nil || v == nil {
		return nil, err
	}
	possible, err := indices(v)
	if err != nil {
		return nil, err
	}
	var out []*outcome
	for _, i := range possible {
		if i >= before {
			break
		}
		if o := p.outcome(i, in.AssuranceLevel); len(o.obligations) > 0 {
			out = append(out, o)
		}
	}
	return out, nil
}

// inDoubt says whether the condition of a rule before one may be unknown.
func (p *Policy) inDoubt(doc ast.Object, actionType string, before int) bool {
	for _, pattern := range compiler.ActionPatterns(actionType) {
		for _, i := range p.tightening[pattern] {
			rule := &p.YAML.Rules[i]
			if i < before && !(isKnown(doc, rule.When) && isKnown(doc, rule.Constraints)) {
				return true
			}
		}
	}
	return false
}

// isKnown says that every comparison of an expression is known. False only means that one may be unknown.
func isKnown(doc ast.Object, e compiler.Expr) bool {
	each := func(exprs []compiler.Expr) bool {
		return !slices.ContainsFunc(exprs, func(x compiler.Expr) bool { return !isKnown(doc, x) })
	}
	switch e := e.(type) {
	case nil, compiler.Schedule:
		return true
	case compiler.All:
		return each(e.Exprs)
	case compiler.Any:
		return each(e.Exprs)
	case compiler.Not:
		return isKnown(doc, e.Expr)
	case compiler.Match:
		ref := e.Field()
		return e.Op == compiler.Exists || ref.Type != "any" && problem(doc, ref) == ""
	case compiler.AmountBound:
		return problem(doc, e.Field()) == ""
	case compiler.Domains:
		given := false
		for _, path := range e.Paths {
			given = given || lookup(doc, path) != nil
			if problem(doc, compiler.FieldRef{Path: path, Type: "domain"}) != "" {
				return false
			}
		}
		return given
	}
	return false
}

// tighten makes an outcome stricter by rules that possibly match: what they owe is owed too. It is decided in the
// name of the first of them that keeps the action from passing, if the outcome would let it pass. A nil outcome is
// that of guardrails of which none matches.
func tighten(o *outcome, possibly []*outcome) *outcome {
	if len(possibly) == 0 || o != nil && o.effect != compiler.Allow {
		return o
	}
	out := outcome{effect: compiler.Allow, possibly: possibly}
	decider := o
	if o == nil || o.result() == Allow {
		for _, p := range possibly {
			if p.result() != Allow {
				decider = p
				break
			}
		}
	}
	if decider == nil {
		decider = possibly[0]
	}
	out.policy, out.rule, out.ruleID, out.reason = decider.policy, decider.rule, decider.ruleID, decider.reason
	all := possibly
	if o != nil {
		all = append(slices.Clone(possibly), o)
	}
	out.proof = all[0].proof
	for _, p := range all {
		out.obligations, out.proof = joinObligations(out.obligations, p.obligations), joinProof(out.proof, p.proof)
	}
	return &out
}
