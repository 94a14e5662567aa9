package rego_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/rego"
)

func benchmarkDecide(b *testing.B, rules int) {
	var text strings.Builder
	text.WriteString("rules:\n")
	for i := range rules {
		fmt.Fprintf(&text, "  - {action: \"purchase.a%d\", effect: allow, conditions: [{field: context.amount, operator: lt, value: 100}]}\n", i)
	}
	text.WriteString("  - {action: \"purchase.order\", effect: allow, conditions: [{field: context.amount, operator: lt, value: 100}]}\n")
	l := engine(b, yaml("p", text.String())).Layers(subject)
	in := ask(`{"amount":45,"currency":"USD","merchant_domain":"shop.example.com","category":"office_supplies","order_reference":"PO-2026-000184"}`)
	b.ReportAllocs()
	for b.Loop() {
		if d := l.Decide(context.Background(), in); d.Result != rego.Allow {
			b.Fatal(d)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkDecide(b, n) })
	}
}

// BenchmarkSwap is one policy changed beside 10,000 others of its owner.
func BenchmarkSwap(b *testing.B) {
	s := rego.NewSet(rego.Options{})
	var policies []*rego.Policy
	for i := range 10_000 {
		p, ds := s.Try(yaml(fmt.Sprint("p", i), rule("allow", "")))
		if p == nil {
			b.Fatal(ds)
		}
		policies = append(policies, p)
	}
	s.Swap(owner, s.Next(owner, nil, policies))
	for n := 0; b.Loop(); n++ {
		p, _ := s.Try(yaml("p5000", fmt.Sprintf("rank: %d\n%s", n%1000, rule("allow", ""))))
		s.Swap(owner, s.Next(owner, map[string]bool{p.File: true}, []*rego.Policy{p}))
	}
}

// BenchmarkLayers is a decision that the last of several layers makes.
func BenchmarkLayers(b *testing.B) {
	for _, n := range []int{1, 2, 5} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var files []rego.File
			for i := range n - 1 {
				files = append(files, yaml(fmt.Sprint("a", i), "rank: 1\nrules: [{action: 'other.*', effect: allow}]"))
			}
			l := engine(b, append(files, yaml("z", "rules: [{action: 'purchase.*', effect: allow, conditions: [{field: context.amount, operator: lt, value: 100}]}]"))...).Layers(subject)
			in := ask(`{"amount":45,"currency":"USD","merchant_domain":"shop.example.com","category":"office_supplies","order_reference":"PO-2026-000184"}`)
			b.ReportAllocs()
			for b.Loop() {
				if d := l.Decide(context.Background(), in); d.Result != rego.Allow {
					b.Fatal(d)
				}
			}
		})
	}
}

// BenchmarkRaw is a decision of a policy in Rego, which is bounded and watched.
func BenchmarkRaw(b *testing.B) {
	l := engine(b, raw(`decision := {"effect": "allow", "rule_id": "r"} if input.payload.amount < 100`)).Layers(subject)
	in := ask(`{"amount":45,"currency":"USD"}`)
	b.ReportAllocs()
	for b.Loop() {
		if d := l.Decide(context.Background(), in); d.Result != rego.Allow {
			b.Fatal(d)
		}
	}
}

// BenchmarkMemory reports what a compiled policy of ten rules holds.
func BenchmarkMemory(b *testing.B) {
	const policies = 200
	var files []rego.File
	for i := range policies {
		files = append(files, yaml(fmt.Sprint("p", i), "rules:\n"+strings.Repeat("  - {action: 'purchase.*', effect: allow, conditions: [{field: context.amount, operator: lt, value: 100}]}\n", 10)))
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		e := engine(b, files...)
		b.ReportMetric(float64(heap()-before)/policies, "B/policy")
		runtime.KeepAlive(e)
	}
}
