package compiler

import (
	"crypto/sha256"
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
		for _, m := range misread(rule) {
			warn(m.at, "constraint_of_deny", "constraints say when a rule matches, so the rule %s denies %s; %s", rule.ID, m.denies, m.instead)
		}
		for _, at := range agentsOwnWords(rule) {
			warn(at, "deny_list_of_agents_words", "the agent chooses what stands in this field, so a list of what is denied is easily avoided; list what is allowed")
		}
	}
	return ds
}

// maxShadows bounds how many earlier rules one is compared with, so that linting stays linear.
const maxShadows = 16

// earlier are the rules that were seen, by an action pattern and what else they ask for ("" for nothing).
type earlier map[earlierKey][]*patterned

type earlierKey struct{ pattern, conditions string }

// patterned is a rule with its action patterns.
type patterned struct {
	*Rule
	patterns map[string]bool
}

func (seen earlier) add(rule *Rule, conditions string) {
	p := &patterned{rule, map[string]bool{}}
	for _, a := range rule.Actions {
		p.patterns[a] = true
		key := earlierKey{a, conditions}
		seen[key] = append(seen[key], p)
	}
}

// shadow finds an earlier rule that matches whenever rule would: its patterns cover all of this one's,
// and it has no conditions, or the same.
func (seen earlier) shadow(rule *Rule, conditions string) *Rule {
	if len(rule.Actions) == 0 {
		return nil
	}
	left := maxShadows
	for _, pattern := range wider(rule.Actions[0]) {
		for _, c := range []string{"", conditions} {
			for _, before := range seen[earlierKey{pattern, c}] {
				if left--; left < 0 {
					return nil
				}
				// A rule that denies also matches what is unknown, so it covers one that allows; not the other way round.
				if (c == "" || before.Effect == Deny || rule.Effect == Allow) && before.covers(rule) {
					return before.Rule
				}
			}
		}
	}
	return nil
}

// wider are the patterns that match all that one does.
func wider(pattern string) []string {
	if pattern == "*" {
		return []string{"*"}
	}
	name := pattern
	if n := len(name); n > 2 && name[n-2:] == ".*" {
		name = name[:n-2]
		return slices.DeleteFunc(ActionPatterns(name), func(p string) bool { return p == name })
	}
	return ActionPatterns(name)
}

func (p *patterned) covers(rule *Rule) bool {
	for _, pattern := range rule.Actions {
		if !slices.ContainsFunc(wider(pattern), func(w string) bool { return p.patterns[w] }) {
			return false
		}
	}
	return true
}

// conditionsOf is a text that is the same for rules that ask for the same; empty for nothing.
func conditionsOf(rule *Rule) string {
	if rule.When == nil && rule.Constraints == nil {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v %#v", unplaced(rule.When), unplaced(rule.Constraints)))
	return string(sum[:])
}

// unplaced is an expression without positions, and with values that print differently if they differ.
func unplaced(e Expr) Expr {
	each := func(exprs []Expr) []Expr {
		out := make([]Expr, len(exprs))
		for i, x := range exprs {
			out[i] = unplaced(x)
		}
		return out
	}
	switch e := e.(type) {
	case All:
		return All{Exprs: each(e.Exprs)}
	case Any:
		return Any{Exprs: each(e.Exprs)}
	case Not:
		return Not{Expr: unplaced(e.Expr)}
	case Match:
		e.Pos, e.Values = Position{}, slices.Clone(e.Values)
		for i, v := range e.Values {
			e.Values[i] = Literal{Value: v.kind() + " " + fmt.Sprint(v.Value)} // the text 5 is not the number
		}
		return e
	case AmountBound:
		e.Pos = Position{}
		return e
	case Domains:
		e.Pos = Position{}
		return e
	case Schedule:
		e.Pos = Position{}
		return e
	}
	return e
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

// agentsOwnWords finds lists of what is denied that are held against what the agent writes.
func agentsOwnWords(rule *Rule) []Position {
	var out []Position
	refused := map[Effect]Op{Allow: Nin, Deny: In}[rule.Effect] // how a rule says that a list is not wanted
	for _, l := range leaves(rule) {
		switch x := l.expr.(type) {
		case Domains:
			if wanted := x.Blocked == l.negated; wanted == (rule.Effect == Deny) {
				out = append(out, x.Pos)
			}
		case Match:
			if x.Path[0] == "payload" && l.op(x.Op) == refused && x.Values[0].kind() == "string" {
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
