package rego

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/openleash/openleash-go/compiler"
)

// Result is what a decision says. The zero value is none of them and allows nothing.
type Result string

// The results.
const (
	Allow           Result = "ALLOW"
	Deny            Result = "DENY"
	RequireApproval Result = "REQUIRE_APPROVAL"
	RequireStepUp   Result = "REQUIRE_STEP_UP"
	RequireDeposit  Result = "REQUIRE_DEPOSIT"
)

// Decision is what the policies of an agent say of one action.
type Decision struct {
	Result      Result
	PolicyID    string // whose rule or default decided
	RuleID      string // empty for a default
	Reason      string // for people and for the agent
	Obligations []compiler.Obligation
	Proof       compiler.ProofSpec
	Matches     []Match // the rules that matched, guardrail first
	Err         error   // the cause of a policy_error

	document ast.Object // what the policies saw
}

// Match is one rule that matched.
type Match struct {
	PolicyID string
	RuleID   string
	Effect   string
}

// ResultOf is what an allow with these obligations amounts to.
func ResultOf(obligations []compiler.Obligation) Result {
	for _, o := range []struct {
		typ    string
		result Result
	}{{compiler.HumanApproval, RequireApproval}, {compiler.StepUpAuth, RequireStepUp}, {compiler.Deposit, RequireDeposit}} {
		if slices.ContainsFunc(obligations, func(have compiler.Obligation) bool { return have.Type == o.typ }) {
			return o.result
		}
	}
	return Allow
}

// outcome is what one policy says, if it decides, or what one of its rules adds.
type outcome struct {
	policy      *Policy
	rule        *compiler.Rule // nil for a default and for Rego
	ruleID      string
	effect      compiler.Effect
	reason      string
	obligations []compiler.Obligation
	proof       compiler.ProofSpec
	possibly    []*outcome // the rules before it that possibly match, and made it stricter
}

func (o *outcome) result() Result {
	if o.effect != compiler.Allow {
		return Deny
	}
	return ResultOf(o.obligations)
}

// Decide asks the guardrails and the layers. An error on the way is a DENY.
func (l *Layers) Decide(ctx context.Context, in Input) Decision {
	doc, err := document(l.subject, in)
	if err != nil {
		return policyError("", err)
	}
	ev := newEvaluation(ctx, l.deadline)
	ev.tracer = in.Tracer
	guardrail, possibly, fault := l.first(ev, l.guardrails, doc, in)
	switch {
	case fault != nil:
		return policyError(fault.policyID, fault)
	case guardrail != nil && guardrail.effect == compiler.Deny:
		return combine(guardrail, nil, doc, l.explain(guardrail, doc))
	case guardrail != nil || len(possibly) > 0:
		guardrail = tighten(guardrail, possibly)
	}
	layer, possibly, fault := l.first(ev, l.layers, doc, in)
	if fault != nil {
		return policyError(fault.policyID, fault)
	}
	if layer == nil {
		layer = l.fallback()
	}
	layer = tighten(layer, possibly)
	return combine(guardrail, layer, doc, l.explain(layer, doc))
}

// policyFault is an evaluation that failed.
type policyFault struct {
	policyID string
	err      error
}

func (e *policyFault) Error() string { return fmt.Sprintf("policy %s: %v", e.policyID, e.err) }
func (e *policyFault) Unwrap() error { return e.err }

func policyError(policyID string, err error) Decision {
	reason := "policy_error: a policy could not be evaluated; its owner finds the cause in the server's log"
	if topdown.IsCancel(errors.Unwrap(err)) {
		reason = "policy_error: a policy took too long"
	}
	return Decision{Result: Deny, PolicyID: policyID, Reason: reason, Err: err}
}

// first returns what the first policy says that does not abstain, and the rules before its rule that possibly
// match, of the policies that abstained too.
func (l *Layers) first(ev *evaluation, policies []*Policy, doc ast.Object, in Input) (*outcome, []*outcome, *policyFault) {
	var possibly []*outcome
	for _, p := range policies {
		input := doc
		if p.readsBudgets {
			input = withBudgets(doc, in.Budgets, p.ID)
		}
		out, added, err := p.decide(ev, input, in)
		if err != nil {
			return nil, nil, &policyFault{p.ID, err}
		}
		possibly = append(possibly, added...)
		if out != nil {
			return out, possibly, nil
		}
	}
	return nil, possibly, nil
}

// fallback is the first default that is not passthrough; DENY if there is none.
func (l *Layers) fallback() *outcome {
	for _, p := range l.layers {
		switch p.Default {
		case compiler.DefaultPassthrough:
			continue
		case compiler.DefaultAllow:
			return &outcome{policy: p, effect: compiler.Allow, proof: compiler.ProofSpec{Required: true},
				reason: "no rule matches; the policy allows by default"}
		case compiler.DefaultRequireApproval:
			return &outcome{policy: p, effect: compiler.Allow, proof: compiler.ProofSpec{Required: true},
				obligations: []compiler.Obligation{{Type: compiler.HumanApproval}},
				reason:      "no rule matches; the policy asks its owner by default"}
		}
		return &outcome{policy: p, reason: "no rule allows this"}
	}
	return &outcome{reason: "no rule allows this"}
}

// decide asks one policy: what its first rule that matches says, or nil if it abstains; and what its rules before
// that add because they possibly match.
func (p *Policy) decide(ev *evaluation, doc ast.Object, in Input) (*outcome, []*outcome, error) {
	input := ast.NewTerm(doc)
	v, err := p.evaluate(p.query, ev, input)
	if err != nil || v == nil {
		return nil, nil, err
	}
	if p.Raw {
		out, err := p.rawOutcome(v)
		return out, nil, err
	}
	matching, err := indices(v)
	if err != nil {
		return nil, nil, err
	}
	first := len(p.YAML.Rules)
	if len(matching) > 0 {
		first = matching[0]
	}
	var out *outcome
	if first < len(p.YAML.Rules) {
		if out = p.outcome(first, in.AssuranceLevel); out.effect == compiler.Deny {
			return out, nil, nil // nothing is stricter
		}
	}
	possibly, err := p.possibly(ev, doc, in, first)
	return out, possibly, err
}

// outcome is what a rule of the policy says.
func (p *Policy) outcome(i int, assurance string) *outcome {
	rule := &p.YAML.Rules[i]
	out := &outcome{policy: p, rule: rule, ruleID: rule.ID, effect: rule.Effect, reason: rule.Description,
		obligations: rule.Obligations, proof: rule.Proof}
	if rule.MinAssurance != "" && !reaches(assurance, rule.MinAssurance) {
		out.obligations = append(slices.Clone(out.obligations), compiler.Obligation{Type: compiler.StepUpAuth,
			Params: json.RawMessage(`{"min_assurance_level":"` + rule.MinAssurance + `"}`)})
	}
	return out
}

// indices returns a set of numbers in rising order.
func indices(v ast.Value) ([]int, error) {
	set, ok := v.(ast.Set)
	if !ok {
		return nil, fmt.Errorf("%v is not a set", v)
	}
	out := make([]int, 0, set.Len())
	for _, t := range set.Slice() {
		n, ok := t.Value.(ast.Number)
		if !ok {
			return nil, fmt.Errorf("the set contains %v", t)
		}
		i, ok := n.Int()
		if !ok {
			return nil, fmt.Errorf("the set contains %v", t)
		}
		out = append(out, i)
	}
	slices.Sort(out)
	return out, nil
}

// assuranceLevels in rising order; the first is none.
var assuranceLevels = []string{"", "LOW", "SUBSTANTIAL", "HIGH"}

// reaches says whether a level of assurance is at least the one that is wanted.
func reaches(have, want string) bool {
	return slices.Index(assuranceLevels, have) >= slices.Index(assuranceLevels, want)
}

// Satisfies says whether an approval at a level of assurance settles a step-up. One that names no level
// is settled by any.
func Satisfies(o compiler.Obligation, level string) bool {
	var params struct {
		Level string `json:"min_assurance_level"`
	}
	if len(o.Params) > 0 {
		if err := json.Unmarshal(o.Params, &params); err != nil {
			return false
		}
	}
	if params.Level == "" {
		return level != ""
	}
	return slices.Contains(assuranceLevels[1:], params.Level) && reaches(level, params.Level)
}

// combine keeps the stricter of what a guardrail and a layer say, and what both oblige to.
func combine(guardrail, layer *outcome, doc ast.Object, explained string) Decision {
	decider := layer
	if layer == nil || guardrail != nil && layer.effect == compiler.Allow && guardrail.result() != Allow && layer.result() == Allow {
		decider = guardrail
	}
	d := Decision{RuleID: decider.ruleID, Reason: decider.reason, Proof: decider.proof, document: doc}
	if decider.policy != nil {
		d.PolicyID = decider.policy.ID
	}
	for _, side := range []*outcome{guardrail, layer} {
		if side == nil {
			continue
		}
		for _, o := range append(slices.Clone(side.possibly), side) {
			if m := o.match(); m.RuleID != "" && !slices.Contains(d.Matches, m) {
				d.Matches = append(d.Matches, m)
			}
		}
	}
	if decider.effect != compiler.Allow {
		d.Result, d.Proof = Deny, compiler.ProofSpec{}
		d.Reason = joinReason(d, explained)
		return d
	}
	if layer != nil {
		d.Obligations, d.Proof = layer.obligations, layer.proof
	}
	if guardrail != nil {
		d.Obligations = joinObligations(guardrail.obligations, d.Obligations)
		d.Proof = joinProof(guardrail.proof, d.Proof)
	}
	d.Result = ResultOf(d.Obligations)
	d.Reason = joinReason(d, explainPossibly(doc, guardrail, layer))
	return d
}

// match names the outcome's rule for the log; the zero Match if it has none.
func (o *outcome) match() Match {
	if o.policy == nil || o.ruleID == "" {
		return Match{}
	}
	return Match{o.policy.ID, o.ruleID, o.effect.String()}
}

func joinReason(d Decision, explained string) string {
	reason := d.Reason
	if reason == "" {
		reason = fmt.Sprintf("rule %s of policy %s", d.RuleID, d.PolicyID)
		if strings.HasPrefix(explained, reason+" possibly matches") {
			return explained
		}
	}
	if explained != "" {
		reason += "; " + explained
	}
	return reason
}

func joinObligations(a, b []compiler.Obligation) []compiler.Obligation {
	out := slices.Clone(a)
	for _, o := range b {
		if !slices.ContainsFunc(out, func(have compiler.Obligation) bool {
			return have.Type == o.Type && string(have.Params) == string(o.Params)
		}) {
			out = append(out, o)
		}
	}
	return out
}

// joinProof asks for a proof if one side does, of the shorter life.
func joinProof(a, b compiler.ProofSpec) compiler.ProofSpec {
	out := compiler.ProofSpec{Required: a.Required || b.Required, TTLSeconds: a.TTLSeconds, Redeem: a.Redeem || b.Redeem}
	if out.TTLSeconds == 0 || b.TTLSeconds != 0 && b.TTLSeconds < out.TTLSeconds {
		out.TTLSeconds = b.TTLSeconds
	}
	return out
}
