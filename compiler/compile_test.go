package compiler_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

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

func parse(t *testing.T, src string) *compiler.Policy {
	t.Helper()
	p, ds := compiler.Parse("policy.yaml", []byte(src))
	if ds.Err() != nil {
		t.Fatal(ds.Err())
	}
	return p
}

// decide evaluates a module's decision in OPA.
func decide(t *testing.T, opt func(*rego.Rego), id string, input map[string]any) map[string]any {
	t.Helper()
	in := map[string]any{"action_patterns": compiler.ActionPatterns(input["action_type"].(string)), "now_ns": json.Number("1775822400000000000")}
	for k, v := range input {
		in[k] = v
	}
	rs, err := rego.New(opt, rego.Query(`data.openleash.policy["`+id+`"].decision`), rego.Input(in), rego.StrictBuiltinErrors(true)).Eval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) == 0 {
		return nil
	}
	return rs[0].Expressions[0].Value.(map[string]any)
}

func TestWalkThrough(t *testing.T) {
	p := parse(t, walkThrough)
	m, err := compiler.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := compiler.Format(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	for name, opt := range map[string]func(*rego.Rego){"module": rego.ParsedModule(m), "text": rego.Module("p.rego", string(text))} {
		for amount, want := range map[any]string{45: "rule_1", 250: "rule_2", 600: "rule_3", "45": "rule_3", nil: "rule_3", -45: "rule_3", 99.5: "rule_1"} {
			payload := map[string]any{}
			if amount != nil {
				payload["amount"] = amount
			}
			d := decide(t, opt, p.ID, map[string]any{"action_type": "purchase.order", "payload": payload})
			if d["rule_id"] != want {
				t.Errorf("%s: %v: got %v, want %s", name, amount, d, want)
			}
		}
		if d := decide(t, opt, p.ID, map[string]any{"action_type": "refund", "payload": map[string]any{}}); d != nil {
			t.Errorf("%s: another action: %v", name, d)
		}
	}
	_ = ast.RegoV1
}

func TestEveryForm(t *testing.T) {
	p := parse(t, `
rules:
  - action: [a, "b.*", "*"]
    effect: require_approval
    when: {any: [{match: {path: $.payload.x, op: in, value: [1, "a", null]}}, {not: {all: [{match: {path: $.payload.y, op: exists}}, {match: {path: $.payload.s, op: regex, value: "^a+$"}}]}}]}
    constraints: {amount_max: 100, amount_min: 1, currency: [USD, EUR], merchant_domain: ["*.example.com", shop.de], blocked_domains: bad.com, schedule: {days: [mon, fri], hours: "22:00-06:00", timezone: Europe/Amsterdam}}
    requirements: {min_assurance_level: SUBSTANTIAL}
    obligations: [{type: DEPOSIT, params: {amount: 5}}]
    proof: {required: false, ttl_seconds: 60}
  - action: "*"
    effect: deny
    when: {any: [{match: {path: $.payload.x, op: nin, value: [1, "a"]}}, {match: {path: $.payload.z, op: neq, value: true}}]}
    constraints: {amount_max: 100, merchant_domain: ["*.example.com", shop.de], schedule: {hours: "09:00-17:00"}}
budgets:
  - {id: d, limit: 5, currency: USD, window: week, alert_at: [80, 100]}
`)
	for name, compile := range map[string]func(*compiler.Policy) (*ast.Module, error){"compile": compiler.Compile, "trace": compiler.CompileTrace} {
		m, err := compile(p)
		if err != nil {
			t.Fatal(err)
		}
		text, err := compiler.Format(m)
		if err != nil {
			t.Fatal(err)
		}
		if name == "compile" {
			t.Logf("%s", text)
		}
		for _, opt := range []func(*rego.Rego){rego.ParsedModule(m), rego.Module("p.rego", string(text))} {
			d := decide(t, opt, "policy", map[string]any{"action_type": "b.c", "payload": map[string]any{}})
			if d == nil || d["rule_id"] != "rule_2" {
				t.Errorf("%s: %v", name, d)
			}
		}
	}
}

func TestGiven(t *testing.T) {
	p := parse(t, `
rules:
  - {id: missing, action: a, effect: allow, conditions: [{field: context.x, operator: exists, value: false}]}
  - {id: given, action: a, effect: allow, conditions: [{field: context.x, operator: exists}]}
  - {id: allowed, action: b, effect: allow, constraints: {allowed_domains: [shop.example.com]}}
  - {id: unblocked, action: c, effect: allow, constraints: {blocked_domains: [shop.example.com]}}
`)
	m, err := compiler.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ action, payload, party, want string }{
		{"a", `{}`, `{}`, "missing"}, {"a", `{"x":false}`, `{}`, "given"}, {"a", `{"x":null}`, `{}`, "given"},
		{"b", `{}`, `{"domain":"shop.example.com"}`, "allowed"}, {"b", `{"domain":"SHOP.example.com"}`, `{}`, "allowed"},
		{"b", `{}`, `{}`, ""}, {"b", `{"domain":"shop.example.com"}`, `{"domain":"evil.com"}`, ""}, {"b", `{"domain":1}`, `{"domain":"shop.example.com"}`, ""},
		{"c", `{}`, `{"domain":"other.com"}`, "unblocked"}, {"c", `{}`, `{"domain":"shop.example.com"}`, ""}, {"c", `{}`, `{}`, ""},
	} {
		var payload, party map[string]any
		if err := json.Unmarshal([]byte(tc.payload), &payload); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(tc.party), &party); err != nil {
			t.Fatal(err)
		}
		d := decide(t, rego.ParsedModule(m), p.ID, map[string]any{"action_type": tc.action, "payload": payload, "relying_party": party})
		if got, _ := d["rule_id"].(string); got != tc.want {
			t.Errorf("%s %s %s: got %q, want %q", tc.action, tc.payload, tc.party, got, tc.want)
		}
	}
}
