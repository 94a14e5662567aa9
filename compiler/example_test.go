package compiler

import (
	"slices"
	"strings"
	"testing"
)

func TestExamples(t *testing.T) {
	p, ds := Parse("p.yaml", []byte(`id: shop
rules:
  - action: "purchase.*"
    effect: allow
    constraints: {amount_max: 5000, currency: USD, allowed_domains: ["*.shop.example"]}
  - action: mail.send
    effect: deny
    conditions:
      - {field: context.to, operator: in, value: [boss, press]}
      - {field: context.size, operator: gt, value: 1.5}
  - {action: "*", effect: require_approval}
`))
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range Examples(p) {
		got = append(got, string(e))
	}
	want := []string{
		`{"action_type":"purchase","payload":{"amount_minor":5000,"currency":"USD","domain":"www.shop.example"}}`,
		`{"action_type":"purchase","payload":{"amount_minor":5001,"currency":"USD","domain":"www.shop.example"}}`,
		`{"action_type":"purchase","payload":{"currency":"USD","domain":"www.shop.example"}}`,
		`{"action_type":"purchase","payload":{"amount_minor":5000,"currency":"EUR","domain":"www.shop.example"}}`,
		`{"action_type":"purchase","payload":{"amount_minor":5000,"currency":"USD","domain":"elsewhere.example"}}`,
		`{"action_type":"mail.send","payload":{"size":1.6,"to":"boss"}}`,
		`{"action_type":"mail.send","payload":{"size":1.5,"to":"boss"}}`,
		`{"action_type":"mail.send","payload":{"size":1.6,"to":"press"}}`,
		`{"action_type":"something"}`,
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no example %s; there are\n%s", w, strings.Join(got, "\n"))
		}
	}
}
