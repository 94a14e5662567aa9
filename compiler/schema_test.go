package compiler_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/openleash/openleash-go/compiler"
)

// TestSchemaIsTheParsers tries the same texts on both: what the parser takes, the schema must take, and
// what the schema can see, it must refuse as the parser does.
func TestSchemaIsTheParsers(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(compiler.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(compiler.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(compiler.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	// Editors load it from the repository.
	const published = "../docs/policy.schema.json"
	if text, err := os.ReadFile(published); err != nil || !bytes.Equal(text, compiler.Schema()) {
		t.Errorf("%s is not the schema (%v); run go run ./cmd/openleash policy schema >docs/policy.schema.json", published, err)
	}
	cases := map[string]string{"full": fullPolicy, "walk-through": walkThrough}
	for name, change := range map[string][2]string{
		"unknown key":          {"version: 1", "versoin: 1"},
		"version 2":            {"version: 1", "version: 2"},
		"unknown effect":       {"Require_Approval", "require_aproval"},
		"unknown operator":     {"operator: lte", "operator: le"},
		"text for a number":    {"operator: lte, value: 5", "operator: lte, value: '5'"},
		"number for a list":    {"op: in, value: [1, a, null]", "op: in, value: 1"},
		"unknown key of rule":  {"    conditions:", "    condition:"},
		"two in when":          {"when: {all:", "when: {match: {path: $.payload.a, op: exists}, all:"},
		"no effect":            {"    effect: Require_Approval\n", ""},
		"negative amount":      {"amount_max: 5", "amount_max: -5"},
		"unknown constraint":   {"amount_max: 5", "amount_maximum: 5"},
		"unknown level":        {"HIGH", "HIGHEST"},
		"unknown obligation":   {"type: DEPOSIT", "type: DEPOSITS"},
		"long proof":           {"ttl_seconds: 60", "ttl_seconds: 3601"},
		"unknown day":          {"[Mon]", "[Monday]"},
		"unknown hours":        {"09:00-17:00", "9-17"},
		"unknown window":       {"window: week", "window: fortnight"},
		"unknown budget key":   {"on_exceed: deny", "on_exceeds: deny"},
		"unknown per":          {"per: group", "per: team"},
		"alert of nothing":     {"alert_at: [80]", "alert_at: [0]"},
		"no rules":             {"rules:", "budget:"},
		"unknown default":      {"default: passthrough", "default: pass"},
		"exists with a number": {"op: exists}", "op: exists, value: 1}"},
		"bad id":               {"id: p", "id: a/b"},
		"bad action":           {`action: [a, "b.*"]`, `action: "a.*.b"`},
		"bad currency":         {"currency: [USD]", "currency: [usd]"},
	} {
		if !strings.Contains(fullPolicy, change[0]) {
			t.Fatalf("%s changes nothing", name)
		}
		cases[name] = strings.Replace(fullPolicy, change[0], change[1], 1)
	}
	for name, src := range cases {
		var value any
		if err := yaml.Unmarshal([]byte(src), &value); err != nil {
			t.Fatal(err)
		}
		_, ds := compiler.Parse("p.yaml", []byte(src))
		bySchema := schema.Validate(value)
		if (ds.Err() == nil) != (bySchema == nil) {
			t.Errorf("%s: the parser says %v, the schema says %v", name, ds.Err(), bySchema)
		}
		if ok := name == "full" || name == "walk-through"; ok != (ds.Err() == nil) {
			t.Errorf("%s: the parser says %v", name, ds.Err())
		}
	}
}

// fullPolicy has every key.
const fullPolicy = `
version: 1
id: p
name: n
description: d
enabled: true
owner: usr_01h455vb4pex5vsknk084sn02q
applies_to: {agents: [a], groups: [g]}
rank: 5
default: passthrough
rules:
  - id: r
    effect: Require_Approval
    action: [a, "b.*"]
    description: d
    when: {all: [{any: [{match: {path: $.payload.a, op: in, value: [1, a, null]}}]}, {not: {match: {path: $.payload.b, op: exists}}}]}
    conditions: [{field: context.amount, operator: lte, value: 5}, {field: context.s, operator: regex, value: "^a"}, {field: context.b, operator: eq, value: true}]
    constraints: {amount_max: 5, amount_min: 1, currency: [USD], merchant_domain: a.com, allowed_domains: ["*.a.com"], blocked_domains: [b.com], schedule: {days: [Mon], hours: "09:00-17:00", timezone: UTC}}
    requirements: {min_assurance_level: HIGH}
    obligations: [{type: DEPOSIT, params: {a: 1}}]
    proof: {required: true, ttl_seconds: 60}
budgets:
  - {id: b, limit: 5, currency: USD, measure: amount, amount: $.payload.x, window: week, timezone: UTC, week_starts: sunday, per: group, actions: "*", on_exceed: deny, alert_at: [80]}
`
