package compiler

import (
	"fmt"
	"sync"

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

// owesText says what a rule owes: its obligations.
const owesText = `
owes(i) := rules[i].obligations

first := object.union(rules[min(match)], {"obligations": owes(min(match))})
`

// assuredText says the same where rules ask for a level of assurance: beside its obligations, a rule owes a
// step-up to its level, unless the action was stepped up to it.
const assuredText = `
owes(i) := array.concat(rules[i].obligations, [step_up |
	level := assurance[i]
	not reached(level)
	step_up := {"type": "STEP_UP_AUTH", "params": {"min_assurance_level": level}}
])

reached("LOW") if input.assurance_level in {"LOW", "SUBSTANTIAL", "HIGH"}

reached("SUBSTANTIAL") if input.assurance_level in {"SUBSTANTIAL", "HIGH"}

reached("HIGH") if input.assurance_level == "HIGH"

first := object.union(rules[min(match)], {"obligations": owes(min(match))})
`

// possiblyText joins what the rules before the first that match, and only possibly match, owe. It decides in the
// name of the first of them that keeps the action from passing, if the matching rule would let it pass.
const possiblyText = `
possibly := [object.union(rules[i], {"obligations": owes(i)}) |
	some i in possible
	not decided(i)
	owes(i) != []
]

decided(i) if i >= min(match)

decision := first if first.effect == "deny"

decision := first if {
	first.effect == "allow"
	possibly == []
}

decision := object.union(decider, {"obligations": owed, "proof": proof}) if {
	first.effect == "allow"
	possibly != []
}

decider := first if not takes_over

decider := blocking[0] if takes_over

takes_over if {
	not blocks(first)
	count(blocking) > 0
}

blocking := [o | some o in possibly; blocks(o)]

blocks(outcome) if {
	some o in outcome.obligations
	o.type != "COUNTERPARTY_ATTESTATION"
}

joined := array.concat(possibly, [first])

owed := [o |
	all := [o | some outcome in joined; some o in outcome.obligations]
	some n, o in all
	not o in array.slice(all, 0, n)
]

proof := object.union_n([{"required": true in {o.proof.required | some o in joined}}, lifetime, redemption])

redemption := {"redeem": o.proof.redeem | some o in joined}

lifetimes := {o.proof.ttl_seconds | some o in joined}

lifetime := {"ttl_seconds": min(lifetimes)}

lifetime := {} if lifetimes == set()
`

// decision adds the outcome of the first rule that matches, made stricter by what rules before it possibly add.
// Where no rule owes anything, that is "decision := rules[min(match)]".
func (e *emitter) decision() {
	assurance := ast.NewObject()
	tightens := false
	for i, rule := range e.policy.Rules {
		if rule.MinAssurance != "" {
			assurance.Insert(e.number(i), e.text(rule.MinAssurance))
		}
		tightens = tightens || rule.Tightens()
	}
	if !tightens && assurance.Len() == 0 {
		e.add(&e.rules, assigned("decision", e.term(ast.Ref{e.variable("rules"), e.termCall(ast.Min, e.variable("match"))})), nil)
		return
	}
	if tightens {
		e.fixed(possiblyRules())
	} else {
		e.add(&e.rules, assigned("decision", e.variable("first")), nil)
	}
	if assurance.Len() == 0 {
		e.fixed(owesRules())
		return
	}
	e.add(&e.rules, assigned("assurance", e.term(assurance)), nil)
	e.fixed(assuredRules())
}

var (
	owesRules     = sync.OnceValue(func() []*ast.Rule { return parseRules(owesText) })
	assuredRules  = sync.OnceValue(func() []*ast.Rule { return parseRules(assuredText) })
	possiblyRules = sync.OnceValue(func() []*ast.Rule { return parseRules(possiblyText) })
)

// parseRules parses Rego of our own, into which nothing of a policy goes.
func parseRules(text string) []*ast.Rule {
	m, err := ast.ParseModuleWithOpts("", "package openleash\n"+text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		panic(fmt.Sprintf("rules of the compiler: %v", err))
	}
	return m.Rules
}

// fixed adds rules that are the same in every module.
func (e *emitter) fixed(rules []*ast.Rule) {
	e.at = Position{e.policy.File, 1, 1}
	at := e.location()
	for _, r := range rules {
		r = r.Copy()
		ast.WalkNodes(r, func(n ast.Node) bool {
			n.SetLoc(at)
			return false
		})
		e.rules = append(e.rules, r)
	}
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
	if rule.Proof.Redeem {
		proof["redeem"] = RedeemRequired
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
		if b.SettleBy != nil {
			m["settle_by"] = b.SettleBy
		}
		out[i] = m
	}
	return out
}
