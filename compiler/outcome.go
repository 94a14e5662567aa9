package compiler

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// levels of assurance, in rising order.
var levels = []string{"LOW", "SUBSTANTIAL", "HIGH"}

// outcomes adds what the rules yield, the decision, the default and the budgets.
func (e *emitter) outcomes() {
	p := e.policy
	e.at = Position{p.File, 1, 1}
	table := make([]any, len(p.Rules))
	for i, rule := range p.Rules {
		table[i] = outcome(rule)
	}
	e.constant("rules", table)
	if len(p.Rules) == 0 {
		e.add(&e.rules, ast.NewHead("match", nil, e.term(ast.NewSet())), nil)
	}
	e.decision()
	if !p.Guardrail {
		e.constant("default_effect", string(p.Default))
	}
	if len(p.Budgets) > 0 {
		e.constant("budgets", budgetTable(p.Budgets))
	}
}

// decision adds the outcome of the first rule that matches. A rule with an assurance level owes a step-up
// beside, unless the action was stepped up to it:
//
//	decision := rules[min(match)] if not step_up
//	decision := object.union(rules[min(match)], {"obligations": array.concat(…, [step_up])})
func (e *emitter) decision() {
	first := e.term(ast.Ref{e.variable("rules"), e.termCall(ast.Min, e.variable("match"))})
	if !e.stepUp() {
		e.add(&e.rules, assigned("decision", first), nil)
		return
	}
	none := e.expr(ast.NewExpr(e.variable("step_up")))
	none.Negated = true
	e.add(&e.rules, assigned("decision", first), []*ast.Expr{none})

	owed := append(first.Value.(ast.Ref).Copy(), e.text("obligations"))
	obligations := e.termCall(ast.ArrayConcat, e.term(owed), e.term(ast.NewArray(e.variable("step_up"))))
	e.add(&e.rules, assigned("decision", e.termCall(ast.ObjectUnion, first,
		e.object("obligations", obligations))), nil)
}

// stepUp adds, for each level that rules ask for,
//
//	step_up := {"type": "STEP_UP_AUTH", …} if { min(match) in {rules}; not input.assurance_level in {levels} }
//
// and says whether there is one.
func (e *emitter) stepUp() bool {
	found := false
	for i, level := range levels {
		var asking []*ast.Term
		for n, rule := range e.policy.Rules {
			if rule.MinAssurance == level {
				asking = append(asking, e.number(n))
			}
		}
		if asking == nil {
			continue
		}
		found = true
		matched := e.call(ast.Member, e.termCall(ast.Min, e.variable("match")), e.term(ast.NewSet(asking...)))
		enough := e.call(ast.Member, e.input("assurance_level"), e.set(texts(levels[i:])...))
		enough.Negated = true
		params := e.object("min_assurance_level", e.text(level))
		e.add(&e.helpers, assigned("step_up", e.object("type", e.text(StepUpAuth), "params", params)), []*ast.Expr{matched, enough})
	}
	return found
}

// constant adds "name := value". What it is given is plain data of ours.
func (e *emitter) constant(name ast.Var, value any) {
	if err := util.RoundTrip(&value); err != nil {
		panic(fmt.Sprintf("encoding %s: %v", name, err))
	}
	e.add(&e.rules, assigned(name, e.term(ast.MustInterfaceToValue(value))), nil)
}

func assigned(name ast.Var, value *ast.Term) *ast.Head {
	head := ast.NewHead(name, nil, value)
	head.Assign = true
	return head
}

// outcome is what a rule yields when it decides, as raw Rego does too.
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
