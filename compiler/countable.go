package compiler

import (
	"fmt"
	"slices"
	"strings"
)

// Uncountable says what of the actions that a rule lets pass the budgets of one policy cannot count, so that
// they are denied (budget_uncountable): the currencies that no budget has, or, where the rule requires no
// currency, all but those that the budgets have. It is empty if the budgets count everything, or if none of
// them counts money on these actions.
func Uncountable(rule Rule, budgets []Budget) string {
	if rule.Effect != Allow {
		return ""
	}
	var counted []string
	for _, b := range budgets {
		if b.Measure == "amount" && within(rule.Actions, b.Actions) && !slices.Contains(counted, b.Currency) {
			counted = append(counted, b.Currency)
		}
	}
	if counted == nil {
		return ""
	}
	required := clausesOf(rule).currencies
	if required == nil {
		return "actions without an amount in " + list(counted, "or")
	}
	missing := slices.DeleteFunc(slices.Clone(required), func(code string) bool { return slices.Contains(counted, code) })
	if len(missing) == 0 {
		return ""
	}
	return "amounts in " + list(missing, "or")
}

// uncountable warns of rules that let pass what the policy's own budgets then refuse.
func uncountable(p *Policy) Diagnostics {
	var ds Diagnostics
	for _, rule := range p.Rules {
		if what := Uncountable(rule, p.Budgets); what != "" {
			ds = append(ds, Diagnostic{Code: "budget_cannot_count", Severity: Warning, Pos: rule.Pos,
				Message: fmt.Sprintf("the rule %s allows %s, which no budget of this policy can count, so they are denied; "+
					"require a currency in the rule, add a budget in that currency, or limit the actions of the budgets", rule.ID, what)})
		}
	}
	return ds
}

// within says whether all that one of the rule's patterns matches is counted by a budget's pattern. A wider rule,
// such as one for everything, is not within: rules before it may be for what the budget counts.
func within(rule, budget []string) bool {
	return slices.ContainsFunc(rule, func(r string) bool {
		return slices.ContainsFunc(budget, func(b string) bool {
			return b == "*" || r != "*" && MatchesAction(b, strings.TrimSuffix(r, ".*"))
		})
	})
}
