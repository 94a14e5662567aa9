package compiler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

// TestLimits: what is at a limit compiles; one more is refused where it stands.
func TestLimits(t *testing.T) {
	const (
		condition = "{field: context.x%d, operator: gt, value: 1}"
		match     = "{match: {path: $.payload.x%d, op: neq, value: 1}}"
		schedule  = "{action: a%d, effect: deny, constraints: {schedule: {days: [mon]}}}"
	)
	conditions := func(n int) string {
		return "rules: [{action: a, effect: deny, conditions: [" + numbers(condition, n) + "]}]"
	}
	when := func(n int) string {
		return "rules: [{action: a, effect: allow, when: {any: [" + numbers(match, n) + "]}}]"
	}
	values := func(operator string) func(n int) string {
		return func(n int) string {
			return "rules: [{action: a, effect: deny, conditions: [{field: context.x, operator: " + operator + ", value: [" + numbers("v%d", n) + "]}]}]"
		}
	}
	domains := func(n int) string {
		return "rules: [{action: a, effect: allow, constraints: {merchant_domain: [" + numbers(`"*.d%d.com"`, n) + "]}}]"
	}
	rules := func(rule string) func(n int) string {
		return func(n int) string { return "rules: [" + numbers(rule, n) + "]" }
	}
	hundred := numbers("a%d", compiler.MaxActions)
	patterns := func(n int) string {
		return "rules: [" + numbers("{id: r%d, effect: allow, action: ["+hundred+"]}", n) + "]"
	}
	params := func(n int) string {
		return "rules: [{action: a, effect: allow, obligations: [{type: DEPOSIT, params: {list: [" + numbers("%d", n) + "]}}]}]"
	}
	for _, tc := range []struct {
		name string
		src  func(n int) string
		most int
		code string
	}{
		{"conditions of a rule", conditions, compiler.MaxConditions, "too_many_conditions"},
		{"parts of a when", when, compiler.MaxConditions, "too_many_conditions"},
		{"conditions beside constraints", func(n int) string {
			return "rules: [{action: a, effect: allow, constraints: {amount_max: 5, currency: EUR}, conditions: [" + numbers(condition, n) + "]}]"
		}, compiler.MaxConditions - 2, "too_many_conditions"},
		{"rules", rules("{action: a%d, effect: allow}"), compiler.MaxRules, "too_many_rules"},
		{"rules with a condition", rules("{action: a%d, effect: allow, conditions: [{field: context.x, operator: lt, value: 5}]}"), compiler.MaxParts / 3, "too_many_parts"},
		{"rules with a schedule", rules(schedule), compiler.MaxParts / 9, "too_many_parts"},
		{"values", values("in"), compiler.MaxParts - 3, "too_many_parts"},
		{"values of what is not wanted", values("nin"), compiler.MaxParts - 3, "too_many_parts"},
		{"domains", domains, compiler.MaxParts - 6, "too_many_parts"},
		{"action patterns", patterns, compiler.MaxParts / 100, "too_many_parts"},
		{"bytes of regexes", func(n int) string {
			regex := "{id: r%d, action: a, effect: deny, conditions: [{field: context.x, operator: regex, value: " + strings.Repeat("a", 97) + "}]}"
			return "rules: [" + numbers(regex, n) + "]"
		}, compiler.MaxParts / 100, "too_many_parts"},
		{"params", params, compiler.MaxParts - 3, "too_many_parts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := compiler.Compile(parse(t, tc.src(tc.most))); err != nil {
				t.Error(err)
			}
			p, ds := compiler.Parse("p.yaml", []byte(tc.src(tc.most+1)))
			if errs := ds.Errors(); p != nil || len(errs) != 1 || errs[0].Code != tc.code || errs[0].Pos.Line != 1 {
				t.Errorf("one more: %.300v", errs)
			}
		})
	}
}

// TestLimitsArePlaced: the place of what is too much is the first of it.
func TestLimitsArePlaced(t *testing.T) {
	var b strings.Builder
	b.WriteString("rules:\n- action: a\n  effect: deny\n  conditions:\n")
	for i := range compiler.MaxConditions + 5 {
		fmt.Fprintf(&b, "  - {field: context.x%d, operator: exists}\n", i)
	}
	_, ds := compiler.Parse("p.yaml", []byte(b.String()))
	if want := (compiler.Position{File: "p.yaml", Line: 5 + compiler.MaxConditions, Column: 5}); len(ds) != 1 || ds[0].Pos != want {
		t.Errorf("got %v, want one at %v", ds, want)
	}
}
