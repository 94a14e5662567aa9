package compiler_test

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// upTo repeats what unit makes of 0, 1, 2 … to almost a size in bytes.
func upTo(size int, head string, unit func(i int) string, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; ; i++ {
		next := unit(i)
		if b.Len()+len(next)+len(tail) > size {
			return b.String() + tail
		}
		b.WriteString(next)
	}
}

// isLinear holds that eight times as much takes about eight times as long, and not 64 times. On a busy
// machine one of several tries is enough.
func isLinear(t *testing.T, size int, work func(size int) func()) {
	t.Helper()
	fastest := func(work func()) time.Duration {
		best := time.Duration(math.MaxInt64)
		for range 2 {
			begun := time.Now()
			work()
			best = min(best, time.Since(begun))
		}
		return best
	}
	var some, all time.Duration
	for range 5 {
		some, all = fastest(work(size/8)), fastest(work(size))
		if all < 24*max(some, 100*time.Microsecond) {
			return
		}
	}
	t.Errorf("an eighth takes %v, the whole %v", some, all)
}

// TestCost: reading, linting and complaining take time in proportion to the file, whether it is a policy
// or not.
func TestCost(t *testing.T) {
	the := func(unit string) func(int) string { return func(int) string { return unit } }
	each := func(format string) func(int) string { return func(i int) string { return fmt.Sprintf(format, i) } }
	deep := strings.Repeat("a.", 61)
	for name, src := range map[string]struct {
		head string
		unit func(int) string
		tail string
	}{
		"comments":     {"", the("#\n"), ""},
		"new lines":    {"a:", the("\n"), ""},
		"dashes":       {"", the("- "), ""},
		"questions":    {"", the("? "), ""},
		"documents":    {"", the("---\n"), ""},
		"quotes":       {"a: '", the("''"), "'"},
		"aliases":      {"a: &a [x]\nb: [", the("*a,"), "]"},
		"tags":         {"a: ", the("!!str "), ""},
		"a key twice":  {"", the("a: 1\n"), ""},
		"unknown keys": {"", each("k%d: 1\n"), ""},
		"late errors":  {"rules:\n", the("#\n"), strings.Repeat("- {}\n", 500)},
		"agents":       {"rules: []\napplies_to: {agents: [", each("a%d, "), "]}"},
		"params":       {"rules: [{action: a, effect: allow, obligations: [{type: DEPOSIT, params: {", each("k%d: 1, "), "}}]}]"},
		"deep actions": {"rules:\n", func(i int) string {
			var actions strings.Builder
			for k := range 8 {
				fmt.Fprintf(&actions, `"%s*",`, deep[:2*(61-(8*i+k)%55)])
			}
			return fmt.Sprintf("- {effect: allow, conditions: [{field: context.x, operator: eq, value: %d}], action: [%s]}\n", i, &actions)
		}, ""},
		"same rules": {"rules:\n", the("- {effect: allow, action: a, constraints: {amount_max: 5}}\n"), ""},
		"long conditions": {"rules:\n", func(i int) string {
			return fmt.Sprintf("- {effect: allow, action: a, conditions: [{field: context.x, operator: in, value: [%s%d]}]}\n", strings.Repeat("1,", 500), i)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			isLinear(t, compiler.MaxFile/2, func(size int) func() {
				text := upTo(size, src.head, src.unit, src.tail)
				return func() {
					_, ds := compiler.Parse("p.yaml", []byte(text))
					ds.Render(io.Discard, func(string) []byte { return []byte(text) })
				}
			})
		})
	}
}

// TestTableCost is TestCost for a table of tests.
func TestTableCost(t *testing.T) {
	isLinear(t, 10_000, func(budgets int) func() {
		src := "policies: [a]\ntests: [{name: a, action: {}, expect: {result: DENY}, budgets: {" + numbers("b%d: {spent: 1}", budgets) + "}}]"
		return func() {
			if _, ds := compiler.ParseTable("t.yaml", []byte(src)); ds.Err() != nil {
				t.Fatal(ds.Err())
			}
		}
	})
}

// TestModuleGrowsWithItsText: a rule with many actions says its conditions once, whatever its effect.
func TestModuleGrowsWithItsText(t *testing.T) {
	for _, condition := range []string{"in", "nin"} {
		for _, effect := range []string{"allow", "deny", "require_approval"} {
			src := fmt.Sprintf("rules: [{effect: %s, action: [%s], conditions: [{field: context.x, operator: %s, value: [%s]}]}]",
				effect, numbers("a%d", compiler.MaxActions), condition, numbers("v%d", 1000))
			m, err := compiler.Compile(parse(t, src))
			if err != nil {
				t.Fatal(err)
			}
			terms := 0
			ast.WalkTerms(m, func(*ast.Term) bool { terms++; return false })
			if terms > len(src) {
				t.Errorf("%s, %s: %d bytes become %d terms", effect, condition, len(src), terms)
			}
		}
	}
}

func numbers(format string, n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(items, ", ")
}
