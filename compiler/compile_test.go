package compiler_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

const walkThrough = `id: pol_spending_limit
name: Spending Limit Policy
description: Controls agent purchasing behavior

rules:
  - action: "purchase.*"
    effect: ALLOW
    conditions:
      - field: context.amount
        operator: lt
        value: 100
  - action: "purchase.*"
    effect: REQUIRE_APPROVAL
    conditions:
      - field: context.amount
        operator: gte
        value: 100
      - field: context.amount
        operator: lte
        value: 500
  - action: "purchase.*"
    effect: DENY
    conditions:
      - field: context.amount
        operator: gt
        value: 500
`

func parse(t testing.TB, src string) *compiler.Policy {
	t.Helper()
	p, ds := compiler.Parse("policy.yaml", []byte(src))
	if ds.Err() != nil {
		t.Fatal(ds.Err())
	}
	return p
}

func TestWalkThrough(t *testing.T) {
	for payload, want := range map[string]string{
		`{"amount":45}`: "rule_1", `{"amount":99.5}`: "rule_1", `{"amount":250}`: "rule_2", `{"amount":600}`: "rule_3",
		`{"amount":"45"}`: "rule_3", `{"amount":-45}`: "rule_3", `{}`: "rule_3",
	} {
		if got := rule(t, strings.TrimPrefix(walkThrough, "id: pol_spending_limit\n"), `{"action_type":"purchase.order","payload":`+payload+`}`, noon); got != want {
			t.Errorf("%s: got %s, want %s", payload, got, want)
		}
	}
	if got := rule(t, strings.TrimPrefix(walkThrough, "id: pol_spending_limit\n"), `{"action_type":"refund","payload":{}}`, noon); got != "" {
		t.Errorf("another action: %s", got)
	}
}

// plainRule and richRule are one of many, each on an action of its own.
const (
	plainRule = `  - action: "shop_%d.*"
    effect: require_approval
    conditions:
      - {field: context.amount, operator: gte, value: 100}
      - {field: context.amount, operator: lte, value: 500}
`
	richRule = `  - action: "shop_%d.*"
    effect: require_approval
    description: Larger orders come to me
    conditions:
      - {field: context.amount, operator: gte, value: 100}
      - {field: context.category, operator: in, value: [books, tools, food]}
    constraints:
      amount_max: 50000
      currency: [EUR, USD]
      merchant_domain: [shop.example, "*.books.example"]
      schedule: {days: [mon, tue, wed, thu, fri], hours: "09:00-17:00", timezone: Europe/Amsterdam}
`
)

func largePolicy(rule string, n int) string {
	var b strings.Builder
	b.WriteString("id: large\nrules:\n")
	for i := range n {
		fmt.Fprintf(&b, rule, i)
	}
	return b.String()
}

// loaded is a policy ready to be asked, as the engine keeps it.
type loaded struct {
	policy   *compiler.Policy
	compiler *ast.Compiler
}

func load(t testing.TB, src string) loaded {
	p := parse(t, src)
	m, err := compiler.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	c := ast.NewCompiler()
	if c.Compile(map[string]*ast.Module{"policy.yaml": m}); c.Failed() {
		t.Fatal(c.Errors)
	}
	return loaded{p, c}
}

// BenchmarkPolicy is the way from text to a policy that is ready for OPA to evaluate.
func BenchmarkPolicy(b *testing.B) {
	for kind, rule := range map[string]string{"plain": plainRule, "rich": richRule} {
		for _, n := range []int{10, 100, 1000} {
			src := largePolicy(rule, n)
			b.Run(fmt.Sprintf("%s/rules=%d", kind, n), func(b *testing.B) {
				for b.Loop() {
					load(b, src)
				}
				b.ReportMetric(float64(heldBytes(b, src))/1024, "KiB/policy")
			})
		}
	}
}

// BenchmarkCompile is the part of it that is this package's.
func BenchmarkCompile(b *testing.B) {
	src := largePolicy(richRule, 100)
	for b.Loop() {
		if _, err := compiler.Compile(parse(b, src)); err != nil {
			b.Fatal(err)
		}
	}
}

// heldBytes is the memory that one policy holds.
func heldBytes(b *testing.B, src string) uint64 {
	const copies = 5
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	held := make([]loaded, copies)
	for i := range held {
		held[i] = load(b, src)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(held)
	return (after.HeapAlloc - before.HeapAlloc) / copies
}
