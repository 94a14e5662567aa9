package compiler_test

import (
	"encoding/json"
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

const wholeTable = `policies: [a.yaml, b.rego]
tests:
  - name: everything
    action: {action_type: purchase.order, payload: {amount: 0.1, items: [{sku: x}], gift: null, "on": true}}
    agent: {id: shopper, groups: [sellers]}
    now: 2026-04-10T12:00:00Z
    assurance: HIGH
    budgets: {daily: {spent: 40000}}
    expect: {result: ALLOW, rule: small, policy: null, reason: small, obligations: [DEPOSIT], proof: {required: true, ttl_seconds: 60}, budgets: {daily: {spent: 1, remaining: -1, limit: 5}}}
`

func TestParseTable(t *testing.T) {
	table, ds := compiler.ParseTable("t_test.yaml", []byte(wholeTable))
	if table == nil || len(ds) > 0 {
		t.Fatal(ds)
	}
	test := table.Tests[0]
	body, err := test.JSON()
	if err != nil {
		t.Fatal(err)
	}
	// Words that YAML would turn into booleans, and numbers, arrive as they were written.
	const want = `{"action_type":"purchase.order","payload":{"amount":0.1,"gift":null,"items":[{"sku":"x"}],"on":true}}`
	if string(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
	if test.Expect.Policy == nil || *test.Expect.Policy != "" || *test.Expect.Budgets[0].Remaining != -1 || test.Now.Hour() != 12 {
		t.Errorf("%+v", test)
	}
	if at := test.Budgets[0].Pos; at.Line != 8 || at.Column != 15 {
		t.Errorf("the budget stands at %v", at)
	}
}

// FuzzParseTable: there is a table exactly if there is no error, and its actions are JSON.
func FuzzParseTable(f *testing.F) {
	f.Add([]byte(wholeTable))
	f.Add([]byte("policies: [p.yaml]\ntests:\n  - {name: x, action: {<<: 1}, expect: {}}\n"))
	f.Add([]byte("tests: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		table, ds := compiler.ParseTable("t_test.yaml", src)
		if (table != nil) != (ds.Err() == nil) {
			t.Fatalf("table %v, errors %v", table != nil, ds)
		}
		if table == nil {
			return
		}
		for _, test := range table.Tests {
			if raw, err := test.JSON(); err != nil || !json.Valid(raw) {
				t.Errorf("the action of %q: %s %v", test.Name, raw, err)
			}
		}
	})
}
