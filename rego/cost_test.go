package rego_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// TestCost: policies whose rules are as long as they may be are prepared in time in proportion to their
// size. Eight times as much takes about eight times as long, and not 64 times; on a busy machine one of
// several tries is enough.
func TestCost(t *testing.T) {
	conditions := func(format string) string { return numbered(format, compiler.MaxConditions) }
	patterns := numbered("a%d.*", compiler.MaxActions)
	for name, tc := range map[string]struct {
		rule string
		most int
	}{
		"rules":            {`{action: a%d, effect: allow, conditions: [{field: context.x, operator: lt, value: 5}]}`, compiler.MaxParts / 9},
		"rules of one":     {`{id: r%d, action: a, effect: deny, conditions: [{field: context.x, operator: lt, value: 5}]}`, compiler.MaxParts / 9},
		"action patterns":  {`{id: r%d, effect: allow, conditions: [{field: context.x, operator: lt, value: 5}], action: [` + patterns + `]}`, 32},
		"amounts, allowed": {`{id: r%d, action: a, effect: allow, conditions: [` + conditions("{field: payload.x%d.amount_minor, operator: lt, value: 1}") + `]}`, 16},
		"amounts, denied":  {`{id: r%d, action: a, effect: deny, conditions: [` + conditions("{field: payload.x%d.amount_minor, operator: lt, value: 1}") + `]}`, 16},
		"alternatives":     {`{id: r%d, action: a, effect: deny, when: {any: [` + conditions("{match: {path: $.payload.x%d, op: neq, value: 1}}") + `]}}`, 16},
		"constraints":      {`{id: r%d, action: a, effect: deny, constraints: {amount_max: 5, currency: USD, allowed_domains: a.b, blocked_domains: c.d, merchant_domain: x.y, schedule: {days: [mon], hours: "22:00-06:00", timezone: Europe/Amsterdam}}}`, 96},
	} {
		t.Run(name, func(t *testing.T) {
			prepare := func(rules int) time.Duration {
				f := rego.File{Path: "p.yaml", Text: []byte("rules: [" + numbered(tc.rule, rules) + "]")}
				best := time.Duration(math.MaxInt64)
				for range 2 {
					begun := time.Now()
					if _, ds := rego.Check(f); ds.Err() != nil {
						t.Fatalf("%.300v", ds)
					}
					best = min(best, time.Since(begun))
				}
				return best
			}
			var some, all time.Duration
			for range 5 {
				if some, all = prepare(tc.most/8), prepare(tc.most); all < 24*some {
					return
				}
			}
			t.Errorf("an eighth takes %v, the whole %v", some, all)
		})
	}
}

// numbered is a list of n things, of which each says its number once or not at all.
func numbered(format string, n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = strings.Replace(format, "%d", fmt.Sprint(i), 1)
	}
	return strings.Join(items, ", ")
}
