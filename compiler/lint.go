package compiler

import (
	"encoding/json"
	"fmt"
	"slices"
)

// lint warns of what is allowed and probably not meant.
func lint(p *Policy) Diagnostics {
	var ds Diagnostics
	warn := func(at Position, code, format string, args ...any) {
		ds = append(ds, Diagnostic{Code: code, Severity: Warning, Pos: at, Message: fmt.Sprintf(format, args...)})
	}
	seen := earlier{}
	lastAllow := lastRule(p, func(r *Rule) bool { return r.Effect == Allow })
	lastAllowAll := lastRule(p, allowsAll)
	for i := range p.Rules {
		rule := &p.Rules[i]
		conditions := conditionsOf(rule)
		if before := seen.shadow(rule, conditions); before != nil {
			warn(rule.Pos, "unreachable_rule", "the rule %s can never match: the rule %s, before it, matches whenever this one would", rule.ID, before.ID)
		}
		seen.add(rule, conditions)
		if at, ok := amountWithoutCurrency(rule); ok {
			warn(at, "amount_without_currency", "the limit holds in every currency alike; add a currency to the rule %s", rule.ID)
		}
		for _, n := range neverHolding(rule) {
			warn(n.at, "never_holds", "this never holds: %s", n.why)
		}
		for _, m := range misread(rule) {
			warn(m.at, "constraint_of_deny", "constraints say when a rule matches, so the rule %s denies %s; %s", rule.ID, m.denies, m.instead)
		}
		if i < lastAllowAll && rule.Effect == Deny && len(conditions) == 0 && !slices.Contains(rule.Actions, "*") {
			warn(rule.Pos, "deny_list_of_actions", "the agent chooses the name of its action, and a later rule allows all that %s does not name; list what is allowed", rule.ID)
		}
		for _, at := range agentsOwnWords(rule, i < lastAllow || p.Default == DefaultAllow || p.Default == DefaultPassthrough) {
			warn(at, "deny_list_of_agents_words", "the agent chooses what stands in this field, so a list of what is denied is easily avoided; list what is allowed")
		}
	}
	for _, b := range p.Budgets {
		if b.MayLower(SettlerAgent) {
			warn(b.Pos, "agent_settles", "the agent may lower what counts against the budget %s, so it can give itself the budget back; leave agent out of settle_by", b.ID)
		}
		if b.Per == "group" && (len(p.Groups) == 0 || len(p.Agents) > 0) {
			warn(b.Pos, "agents_without_group", "the budget %s counts per group: an agent that is in no group is denied what the budget counts; set applies_to.groups, or per: agent", b.ID)
		}
	}
	return append(ds, uncountable(p)...)
}

// amountWithoutCurrency finds an upper limit on money in a rule that allows and names no currency.
func amountWithoutCurrency(rule *Rule) (Position, bool) {
	var at Position
	found := false
	for _, l := range leaves(rule) {
		switch x := l.expr.(type) {
		case AmountBound:
			if l.op(x.Op) == Lte && !found {
				at, found = x.Pos, true
			}
		case Match:
			switch op := l.op(x.Op); {
			case slices.Equal(x.Path, currencyPath):
				return at, false
			case slices.Equal(x.Path, amountPath) && (op == Lt || op == Lte) && !found:
				at, found = x.Pos, true
			}
		}
	}
	return at, found && rule.Effect == Allow
}

// impossible is a condition that holds for no request.
type impossible struct {
	at  Position
	why string
}

// neverHolding finds limits on money that nothing fits. A rule that denies may ask for an amount below 0: it
// matches what is no amount at all.
func neverHolding(rule *Rule) []impossible {
	var out []impossible
	for _, l := range leaves(rule) {
		if m, ok := l.expr.(Match); ok && rule.Effect == Allow && l.op(m.Op) == Lt && m.numberType() != "number" && isZero(m.Values[0]) {
			out = append(out, impossible{m.Pos, m.Path.String() + " is never below 0"})
		}
	}
	var most, least *AmountBound
	for _, x := range constraintsOf(rule) {
		if b, ok := x.(AmountBound); ok {
			if b.Op == Lte {
				most = &b
			} else {
				least = &b
			}
		}
	}
	if most != nil && least != nil && compareNumbers(most.Limit, least.Limit) < 0 {
		out = append(out, impossible{most.Pos, fmt.Sprintf("amount_max is %s, and amount_min is %s", most.Limit, least.Limit)})
	}
	return out
}

func isZero(l Literal) bool {
	n, ok := l.Value.(json.Number)
	return ok && compareNumbers(n, "0") == 0
}

// misreading is a constraint of a rule that denies, which people take for what the rule leaves alone.
type misreading struct {
	at              Position
	denies, instead string
}

// misread finds constraints whose names say the opposite of what they do where a rule denies.
func misread(rule *Rule) []misreading {
	if rule.Effect != Deny {
		return nil
	}
	var out []misreading
	var most *AmountBound
	least := false
	for _, l := range constraintsOf(rule) {
		switch x := l.(type) {
		case Domains:
			switch {
			case x.Blocked:
				out = append(out, misreading{x.Pos, "every domain but those in blocked_domains", "put blocked_domains on the rule that allows"})
			case slices.Equal(x.Paths[0], domainPath):
				out = append(out, misreading{x.Pos, "the domains in allowed_domains", "put allowed_domains on the rule that allows"})
			}
		case AmountBound:
			if x.Op == Lte {
				most = &x
			}
			least = least || x.Op == Gte
		}
	}
	if most != nil && !least {
		out = append(out, misreading{most.Pos, "amounts up to amount_max and no larger ones", "put amount_max on the rule that allows, or deny from amount_min on"})
	}
	return out
}

// constraintsOf are the constraints of a rule, one by one.
func constraintsOf(rule *Rule) []Expr {
	switch x := rule.Constraints.(type) {
	case nil:
		return nil
	case All:
		return x.Exprs
	default:
		return []Expr{x}
	}
}

// lastRule is the index of the last rule of a kind; -1 if there is none.
func lastRule(p *Policy, is func(*Rule) bool) int {
	for i := len(p.Rules) - 1; i >= 0; i-- {
		if is(&p.Rules[i]) {
			return i
		}
	}
	return -1
}

// allowsAll reports whether a rule allows every action, whatever is in it.
func allowsAll(r *Rule) bool {
	return r.Effect == Allow && slices.Contains(r.Actions, "*") && len(conditionsOf(r)) == 0 && len(r.Obligations) == 0
}

// agentsFields are the parts of an action that the agent writes.
var agentsFields = []string{"payload", "relying_party", "subject", "resource"}

// agentsOwnWords finds what is denied by holding it against what the agent writes: lists, and single values if anything
// else may be allowed.
func agentsOwnWords(rule *Rule, more bool) []Position {
	var out []Position
	refused := map[Effect][]Op{Allow: {Nin, Neq}, Deny: {In}}[rule.Effect] // how a rule says what is not wanted
	if rule.Effect == Deny && more {
		refused = append(refused, Eq)
	}
	for _, l := range leaves(rule) {
		switch x := l.expr.(type) {
		case Domains:
			if wanted := x.Blocked == l.negated; wanted == (rule.Effect == Deny) {
				out = append(out, x.Pos)
			}
		case Match:
			name, _ := x.Path[0].(string)
			if slices.Contains(agentsFields, name) && slices.Contains(refused, l.op(x.Op)) && x.Values[0].kind() == "string" {
				out = append(out, x.Pos)
			}
		}
	}
	return out
}

// leaf is a comparison, and whether it stands under an odd number of nots.
type leaf struct {
	expr    Expr
	negated bool
}

// op is what a leaf's comparison amounts to.
func (l leaf) op(op Op) Op {
	if o, ok := opposite[op]; ok && l.negated {
		return o
	}
	return op
}

// leaves are the comparisons of a rule.
func leaves(rule *Rule) []leaf {
	var out []leaf
	var walk func(e Expr, negated bool)
	walk = func(e Expr, negated bool) {
		switch e := e.(type) {
		case nil:
		case All:
			for _, x := range e.Exprs {
				walk(x, negated)
			}
		case Any:
			for _, x := range e.Exprs {
				walk(x, negated)
			}
		case Not:
			walk(e.Expr, !negated)
		default:
			out = append(out, leaf{e, negated})
		}
	}
	walk(rule.When, false)
	walk(rule.Constraints, false)
	return out
}
