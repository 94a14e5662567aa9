package compiler_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// upTo repeats what unit makes of 0, 1, 2 … to almost the size that a file may have.
func upTo(head string, unit func(i int) string, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; ; i++ {
		next := unit(i)
		if b.Len()+len(next)+len(tail) > compiler.MaxFile {
			return b.String() + tail
		}
		b.WriteString(next)
	}
}

// TestCost: nothing that fits into a file takes long to read, to lint or to complain about, whether it
// is a policy or not.
func TestCost(t *testing.T) {
	the := func(unit string) func(int) string { return func(int) string { return unit } }
	each := func(format string) func(int) string { return func(i int) string { return fmt.Sprintf(format, i) } }
	deep := strings.Repeat("a.", 61)
	for name, src := range map[string]string{
		"comments":     upTo("", the("#\n"), ""),
		"new lines":    upTo("a:", the("\n"), ""),
		"dashes":       upTo("", the("- "), ""),
		"questions":    upTo("", the("? "), ""),
		"documents":    upTo("", the("---\n"), ""),
		"quotes":       upTo("a: '", the("''"), "'"),
		"aliases":      upTo("a: &a [x]\nb: [", the("*a,"), "]"),
		"tags":         upTo("a: ", the("!!str "), ""),
		"a key twice":  upTo("", the("a: 1\n"), ""),
		"unknown keys": upTo("", each("k%d: 1\n"), ""),
		"late errors":  upTo("rules:\n", the("#\n"), strings.Repeat("- {}\n", 500)),
		"params":       upTo("rules: [{action: a, effect: allow, obligations: [{type: DEPOSIT, params: {", each("k%d: 1, "), "}}]}]"),
		"deep actions": upTo("rules:\n", func(i int) string {
			var actions strings.Builder
			for k := range 8 {
				fmt.Fprintf(&actions, `"%s*",`, deep[:2*(61-(8*i+k)%55)])
			}
			return fmt.Sprintf("- {effect: allow, conditions: [{field: context.x, operator: eq, value: %d}], action: [%s]}\n", i, &actions)
		}, ""),
		"long conditions": upTo("rules:\n", func(i int) string {
			return fmt.Sprintf("- {effect: allow, action: a, conditions: [{field: context.x, operator: in, value: [%s%d]}]}\n", strings.Repeat("1,", 500), i)
		}, ""),
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			_, ds := compiler.Parse("p.yaml", []byte(src))
			parsed := time.Since(begun)
			ds.Render(io.Discard, func(string) []byte { return []byte(src) })
			took := time.Since(begun)
			t.Logf("read in %v, %d errors shown in %v", parsed, len(ds), took-parsed)
			if took > hang {
				t.Errorf("took %v", took)
			}
		})
	}
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
