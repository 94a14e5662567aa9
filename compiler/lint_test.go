package compiler_test

import (
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

// TestSameConditions: rules are the same to the linter only if their values are of the same kind.
func TestSameConditions(t *testing.T) {
	for _, tc := range []struct {
		rules string
		want  int
	}{
		{`[{action: a, effect: deny, conditions: [{field: context.x, operator: eq, value: 5}]}, {action: a, effect: deny, conditions: [{field: context.x, operator: eq, value: "5"}]}]`, 0},
		{`[{action: a, effect: deny, conditions: [{field: context.x, operator: eq, value: 5}]}, {action: a, effect: deny, conditions: [{field: context.x, operator: eq, value: 5}]}]`, 1},
		{`[{action: ["a.*", b], effect: deny}, {action: [b, a.c], effect: allow}]`, 1},
		{`[{action: ["a.*"], effect: deny}, {action: [a.c, b], effect: allow}]`, 0},
	} {
		_, ds := compiler.Parse("p.yaml", []byte("rules: "+tc.rules))
		if len(ds.Warnings()) != tc.want || ds.Err() != nil {
			t.Errorf("%s: %v", tc.rules, ds)
		}
	}
}
