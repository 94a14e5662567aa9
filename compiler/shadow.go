package compiler

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

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
