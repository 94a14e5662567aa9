package rego

import (
	"fmt"
	"slices"

	"github.com/openleash/openleash-go/compiler"
)

// Uncounted warns of rules that let pass what a budget of another policy cannot count, so that it is denied after
// all. Within one policy, the compiler warns.
func (e *Engine) Uncounted() compiler.Diagnostics {
	var ds compiler.Diagnostics
	for _, p := range e.policies {
		if p.YAML == nil || !p.Enabled {
			continue
		}
		for _, other := range e.policies {
			if other == p || !other.Enabled || !meet(p, other) {
				continue
			}
			for _, rule := range p.YAML.Rules {
				if what := compiler.Uncountable(rule, other.Budgets); what != "" {
					ds = append(ds, compiler.Diagnostic{Code: "budget_cannot_count", Severity: compiler.Warning, Pos: rule.Pos,
						Message: fmt.Sprintf("the rule %s allows %s, which no budget of the policy %s can count, so they are denied; "+
							"limit the actions of those budgets, or require a currency that they have", rule.ID, what, other.ID)})
				}
			}
		}
	}
	return ds
}

// meet reports whether two policies can apply to the same agent.
func meet(a, b *Policy) bool {
	common := func(x, y []string) bool {
		return slices.ContainsFunc(x, func(s string) bool { return slices.Contains(y, s) })
	}
	open := func(p *Policy) bool { return len(p.Agents)+len(p.Groups) == 0 }
	return open(a) || open(b) || common(a.Agents, b.Agents) || len(a.Groups) > 0 || len(b.Groups) > 0 // an agent may be in any group
}
