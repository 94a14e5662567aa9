package policytest

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// Coverage is which lines of one policy the tests reached.
type Coverage struct {
	File    string `json:"file"`
	Lines   int    `json:"lines"` // that count
	Covered int    `json:"covered"`
	Rules   int    `json:"rules"` // of YAML; 0 for Rego
	Decided int    `json:"decided"`
	Missed  []int  `json:"missed"` // lines, rising
}

// Percent is how much is covered; all of nothing is 100.
func (c Coverage) Percent() float64 {
	if c.Lines == 0 {
		return 100
	}
	return 100 * float64(c.Covered) / float64(c.Lines)
}

// coverage counts as it is evaluated: OPA's coverage sees every expression, and rules of YAML count
// when they decide.
type coverage struct {
	*cover.Cover
	policies map[string]*rego.Policy // by file
	decided  map[place]bool
}

// place is where a rule begins. Several rules may stand on one line.
type place struct {
	file      string
	line, col int
}

func newCoverage() *coverage {
	return &coverage{cover.New(), map[string]*rego.Policy{}, map[place]bool{}}
}

// count takes the policies of an engine into account.
func (c *coverage) count(e *rego.Engine) {
	for _, p := range e.Policies() {
		c.policies[p.File] = p
	}
}

// decide notes the rules that decided.
func (c *coverage) decide(e *rego.Engine, d rego.Decision) {
	for _, m := range d.Matches {
		p := e.Policy(m.PolicyID)
		if p == nil || p.YAML == nil {
			continue
		}
		for _, r := range p.YAML.Rules {
			if r.ID == m.RuleID {
				c.decided[place{p.File, r.Pos.Line, r.Pos.Column}] = true
			}
		}
	}
}

// regoTracer sees the evaluation of tests in Rego, in which matching is all that can be seen of a rule.
type regoTracer struct{ *coverage }

func (t regoTracer) TraceEvent(e topdown.Event) {
	t.Cover.TraceEvent(e)
	if r, ok := e.Node.(*ast.Rule); ok && e.Op == topdown.ExitOp && r.Location != nil && r.Head.Name == "match" {
		t.decided[place{r.Location.File, r.Location.Row, r.Location.Col}] = true
	}
}

// summary is the coverage by policy.
func (c *coverage) summary() []Coverage {
	modules := map[string]*ast.Module{}
	for file, p := range c.policies {
		if m, err := p.Module(); err == nil && p.Raw {
			modules[file] = withoutConstants(m)
		}
	}
	seen := c.Report(modules)
	var out []Coverage
	for _, file := range slices.Sorted(maps.Keys(c.policies)) {
		if p := c.policies[file]; p.Raw {
			out = append(out, ofRego(file, seen.Files[file]))
		} else {
			out = append(out, c.ofYAML(p.YAML, seen))
		}
	}
	return out
}

// withoutConstants leaves out what an engine reads when it loads a policy.
func withoutConstants(m *ast.Module) *ast.Module {
	m.Rules = slices.DeleteFunc(m.Rules, func(r *ast.Rule) bool {
		name := r.Head.Ref()[0].Value
		return name.Compare(ast.Var("default_effect")) == 0 || name.Compare(ast.Var("budgets")) == 0
	})
	return m
}

// ofRego counts lines as OPA does; one that is covered in part counts as missed.
func ofRego(file string, r *cover.FileReport) Coverage {
	out := Coverage{File: file, Missed: []int{}}
	if r == nil {
		return out
	}
	lines := map[int]bool{}
	mark := func(ranges []cover.Range, covered bool) {
		for _, rng := range ranges {
			for line := rng.Start.Row; line <= rng.End.Row; line++ {
				lines[line] = covered
			}
		}
	}
	mark(r.Covered, true)
	mark(r.NotCovered, false)
	out.tally(lines)
	return out
}

// tally counts lines, each covered or not.
func (c *Coverage) tally(lines map[int]bool) {
	c.Lines = len(lines)
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		if lines[line] {
			c.Covered++
		} else {
			c.Missed = append(c.Missed, line)
		}
	}
}

// ofYAML counts the lines of rules and of conditions. A line with several counts as covered when all
// of them are.
func (c *coverage) ofYAML(p *compiler.Policy, seen cover.Report) Coverage {
	out := Coverage{File: p.File, Rules: len(p.Rules), Missed: []int{}}
	lines := map[int]bool{}
	mark := func(line int, covered bool) {
		before, known := lines[line]
		lines[line] = covered && (before || !known)
	}
	for _, r := range p.Rules {
		hit := c.decided[place{p.File, r.Pos.Line, r.Pos.Column}]
		if mark(r.Pos.Line, hit); hit {
			out.Decided++
		}
		for _, pos := range slices.Concat(leaves(r.When), leaves(r.Constraints)) {
			mark(pos.Line, seen.IsCovered(p.File, pos.Line))
		}
	}
	out.tally(lines)
	return out
}

// leaves are the places of the comparisons in an expression.
func leaves(e compiler.Expr) []compiler.Position {
	each := func(parts []compiler.Expr) (out []compiler.Position) {
		for _, p := range parts {
			out = append(out, leaves(p)...)
		}
		return out
	}
	switch e := e.(type) {
	case compiler.All:
		return each(e.Exprs)
	case compiler.Any:
		return each(e.Exprs)
	case compiler.Not:
		return leaves(e.Expr)
	case compiler.Match:
		return []compiler.Position{e.Pos}
	case compiler.AmountBound:
		return []compiler.Position{e.Pos}
	case compiler.Domains:
		return []compiler.Position{e.Pos}
	case compiler.Schedule:
		return []compiler.Position{e.Pos}
	}
	return nil
}
