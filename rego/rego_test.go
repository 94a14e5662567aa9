package rego_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/bundle"
	opa "github.com/open-policy-agent/opa/v1/rego"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

const owner = "usr_01h455vb4pex5vsknk084sn02q"

var noon = time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)

func engine(t testing.TB, files ...rego.File) *rego.Engine {
	t.Helper()
	e, ds := rego.Compile(context.Background(), owner, []string{owner}, files, rego.Options{Deadline: 10 * time.Second})
	if ds.Err() != nil {
		t.Fatal(ds.Err())
	}
	return e
}

func yaml(name, text string) rego.File { return rego.File{Path: name + ".yaml", Text: []byte(text)} }

var subject = rego.Subject{AgentID: "shopper", PrincipalID: "agt_1", Groups: []string{"buyers"}, OwnerID: owner, OwnerType: "HUMAN"}

func ask(payload string) rego.Input {
	return rego.Input{Action: json.RawMessage(`{"action_type":"purchase.order","payload":` + payload + `}`), ActionType: "purchase.order", Now: noon}
}

func rule(effect, more string) string {
	return fmt.Sprintf("rules: [{action: '*', effect: %s%s}]\n", effect, more)
}

// TestLayers holds the order of layers, defaults and guardrails, in the engine and in the bundle.
func TestLayers(t *testing.T) {
	none := "rules: []\n"
	for name, tc := range map[string]struct {
		files  []rego.File
		result rego.Result
		policy string
		owes   string
	}{
		"agent before group":        {files: []rego.File{yaml("g", "applies_to: {groups: [buyers]}\n"+rule("deny", "")), yaml("a", "applies_to: {agents: [shopper]}\n"+rule("allow", ""))}, result: rego.Allow, policy: "a"},
		"group before all":          {files: []rego.File{yaml("o", rule("deny", "")), yaml("g", "applies_to: {groups: [buyers]}\n"+rule("allow", ""))}, result: rego.Allow, policy: "g"},
		"rank before id":            {files: []rego.File{yaml("a", rule("deny", "")), yaml("b", "rank: 1\n"+rule("allow", ""))}, result: rego.Allow, policy: "b"},
		"id at last":                {files: []rego.File{yaml("b", rule("deny", "")), yaml("a", rule("allow", ""))}, result: rego.Allow, policy: "a"},
		"another agent's":           {files: []rego.File{yaml("a", "applies_to: {agents: [other]}\n"+rule("allow", "")), yaml("b", none)}, result: rego.Deny, policy: "b"},
		"not enabled":               {files: []rego.File{yaml("a", "enabled: false\n"+rule("allow", "")), yaml("b", none)}, result: rego.Deny, policy: "b"},
		"default deny":              {files: []rego.File{yaml("a", none)}, result: rego.Deny, policy: "a"},
		"default allow":             {files: []rego.File{yaml("a", "default: allow\n"+none)}, result: rego.Allow, policy: "a"},
		"default require_approval":  {files: []rego.File{yaml("a", "default: require_approval\n"+none)}, result: rego.RequireApproval, policy: "a", owes: "HUMAN_APPROVAL"},
		"passthrough":               {files: []rego.File{yaml("a", "default: passthrough\n"+none), yaml("b", "default: allow\n"+none)}, result: rego.Allow, policy: "b"},
		"all pass through":          {files: []rego.File{yaml("a", "default: passthrough\n"+none)}, result: rego.Deny},
		"guardrail denies":          {files: []rego.File{yaml("a", "applies_to: {agents: [shopper]}\n"+rule("allow", "")), yaml("g", "guardrail: true\n"+rule("deny", ""))}, result: rego.Deny, policy: "g"},
		"guardrail requires":        {files: []rego.File{yaml("a", rule("allow", "")), yaml("g", "guardrail: true\n"+rule("require_step_up", ""))}, result: rego.RequireStepUp, policy: "g", owes: "STEP_UP_AUTH"},
		"guardrail abstains":        {files: []rego.File{yaml("a", rule("allow", "")), yaml("g", "guardrail: true\nrules: [{action: other, effect: deny}]")}, result: rego.Allow, policy: "a"},
		"layer denies all the same": {files: []rego.File{yaml("a", rule("deny", "")), yaml("g", "guardrail: true\n"+rule("require_approval", ""))}, result: rego.Deny, policy: "a"},
		"obligations are joined":    {files: []rego.File{yaml("a", rule("require_deposit", "")), yaml("g", "guardrail: true\n"+rule("require_step_up", ""))}, result: rego.RequireStepUp, policy: "a", owes: "STEP_UP_AUTH DEPOSIT"},
		"guardrail and a default":   {files: []rego.File{yaml("a", "default: allow\n"+none), yaml("g", "guardrail: true\n"+rule("require_approval", ""))}, result: rego.RequireApproval, policy: "g", owes: "HUMAN_APPROVAL"},
		"guardrail alone":           {files: []rego.File{yaml("g", "guardrail: true\n"+rule("require_approval", ""))}, result: rego.Deny},
		"assurance":                 {files: []rego.File{yaml("a", rule("allow", ", requirements: {min_assurance_level: SUBSTANTIAL}"))}, result: rego.RequireStepUp, policy: "a", owes: "STEP_UP_AUTH"},
		"attestation":               {files: []rego.File{yaml("a", rule("allow", ", obligations: [{type: COUNTERPARTY_ATTESTATION}]"))}, result: rego.Allow, policy: "a", owes: "COUNTERPARTY_ATTESTATION"},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, tc.files...)
			d := e.Layers(subject).Decide(t.Context(), ask("{}"))
			if d.Result != tc.result || d.PolicyID != tc.policy || owes(d) != tc.owes {
				t.Errorf("engine: got %s by %q owing %q (%v)", d.Result, d.PolicyID, owes(d), d.Err)
			}
			if diff := cmp.Diff(wire(d), evalBundle(t, e, ask("{}"))); diff != "" {
				t.Errorf("bundle differs from engine:\n%s", diff)
			}
		})
	}
}

func owes(d rego.Decision) string {
	var out []string
	for _, o := range d.Obligations {
		out = append(out, o.Type)
	}
	return strings.Join(out, " ")
}

// wire is a decision as the bundle spells it.
func wire(d rego.Decision) map[string]any {
	nullable := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	out := map[string]any{"result": d.Result, "policy_id": nullable(d.PolicyID), "rule_id": nullable(d.RuleID), "proof": d.Proof, "obligations": d.Obligations}
	if d.Obligations == nil {
		out["obligations"] = []any{}
	}
	return roundTrip(out)
}

func roundTrip(v any) map[string]any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	return out
}

// evalBundle evaluates an engine's bundle with OPA's own packages.
func evalBundle(t *testing.T, e *rego.Engine, in rego.Input) map[string]any {
	t.Helper()
	var buf bytes.Buffer
	if err := rego.WriteBundle(&buf, e, nil); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.NewReader(&buf).Read()
	if err != nil {
		t.Fatal(err)
	}
	if b.Manifest.Revision != e.Revision() {
		t.Errorf("the bundle's revision is %q", b.Manifest.Revision)
	}
	doc, err := subject.Document(in)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := opa.New(opa.ParsedBundle("b", &b), opa.Query("data.openleash.decision"), opa.ParsedInput(doc), opa.StrictBuiltinErrors(true)).Eval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) == 0 {
		t.Fatal("the bundle's decision is undefined")
	}
	return roundTrip(rs[0].Expressions[0].Value)
}

func TestReasonsNameWhatIsWrong(t *testing.T) {
	l := engine(t, yaml("p", `
rules:
  - {action: "purchase.*", effect: allow, conditions: [{field: context.amount, operator: lt, value: 100}]}
  - {action: "purchase.*", effect: deny, conditions: [{field: context.amount, operator: gt, value: 500}]}
`)).Layers(subject)
	for payload, want := range map[string]string{
		`{}`:              "$.payload.amount is missing",
		`{"amount":"45"}`: "$.payload.amount must be a",
	} {
		d := l.Decide(t.Context(), ask(payload))
		if d.Result != rego.Deny || !strings.Contains(d.Reason, want) {
			t.Errorf("%s: %s, %q", payload, d.Result, d.Reason)
		}
	}
}

func raw(text string) rego.File {
	return rego.File{Path: "raw.rego", Text: []byte("package openleash.policy.raw\n\n" + text)}
}

func TestRawRego(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		result rego.Result
		reason string
	}{
		"allows":           {text: `decision := {"effect": "allow", "rule_id": "r"} if input.payload.amount < 100`, result: rego.Allow},
		"abstains":         {text: `decision := {"effect": "allow", "rule_id": "r"} if input.payload.amount > 100`, result: rego.Deny, reason: "no rule"},
		"no effect":        {text: `decision := {"rule_id": "r"}`, result: rego.Deny, reason: "policy_error"},
		"no rule_id":       {text: `decision := {"effect": "allow"}`, result: rego.Deny, reason: "policy_error"},
		"a string":         {text: `decision := "allow"`, result: rego.Deny, reason: "policy_error"},
		"unknown member":   {text: `decision := {"effect": "allow", "rule_id": "r", "owner": "x"}`, result: rego.Deny, reason: "policy_error"},
		"bad obligation":   {text: `decision := {"effect": "allow", "rule_id": "r", "obligations": [{"type": "HUMAN_APROVAL"}]}`, result: rego.Deny, reason: "policy_error"},
		"two decisions":    {text: "decision := {\"effect\": \"allow\", \"rule_id\": \"r\"}\ndecision := {\"effect\": \"deny\", \"rule_id\": \"s\"}", result: rego.Deny, reason: "policy_error"},
		"built-in error":   {text: `decision := {"effect": "deny", "rule_id": "r"} if to_number("x") > 1`, result: rego.Deny, reason: "policy_error"},
		"default allow":    {text: "default_effect := \"allow\"\ndecision := {\"effect\": \"deny\", \"rule_id\": \"r\"} if input.payload.amount > 100", result: rego.Allow},
		"require_approval": {text: `decision := {"effect": "REQUIRE_APPROVAL", "rule_id": "r"}`, result: rego.RequireApproval},
		"needs a deposit":  {text: `decision := {"effect": "allow", "rule_id": "r", "obligations": [{"type": "DEPOSIT"}]}`, result: rego.RequireDeposit},
	} {
		t.Run(name, func(t *testing.T) {
			e, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(tc.text), yaml("other", "enabled: false\n"+rule("allow", ""))}, rego.Options{Deadline: 10 * time.Second})
			if ds.Err() != nil {
				t.Fatal(ds.Err())
			}
			d := e.Layers(subject).Decide(t.Context(), ask(`{"amount":5}`))
			if d.Result != tc.result || !strings.Contains(d.Reason, tc.reason) || (d.Err != nil) != (tc.reason == "policy_error") {
				t.Errorf("got %s, %q, %v", d.Result, d.Reason, d.Err)
			}
			if d.Err == nil {
				if diff := cmp.Diff(wire(d), evalBundle(t, e, ask(`{"amount":5}`))); diff != "" {
					t.Errorf("bundle differs from engine:\n%s", diff)
				}
			}
		})
	}
}

func TestRawRegoIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ text, code string }{
		"another package":  {"package elsewhere\ndecision := 1", "wrong_package"},
		"no decision":      {"package openleash.policy.raw\nallow := true", "missing_decision"},
		"http.send":        {"package openleash.policy.raw\ndecision := http.send({\"method\": \"GET\", \"url\": \"http://x\"})", "rego_type_error"},
		"environment":      {"package openleash.policy.raw\ndecision := opa.runtime()", "rego_type_error"},
		"clock":            {"package openleash.policy.raw\ndecision := time.now_ns()", "rego_type_error"},
		"random":           {"package openleash.policy.raw\ndecision := rand.intn(\"a\", 5)", "rego_type_error"},
		"name resolution":  {"package openleash.policy.raw\ndecision := net.lookup_ip_addr(\"x\")", "rego_type_error"},
		"another built-in": {"package openleash.policy.raw\ndecision := \"a\" if lower(\"A\") == \"A\" with lower as upper", "mocked_document"},
		"files":            {"package openleash.policy.raw\ndecision := json.match_schema({}, {\"$ref\": \"file:///etc/passwd\"})", "rego_type_error"},
		"recursion":        {"package openleash.policy.raw\ndecision := x\nx := decision", "rego_recursion_error"},
		"syntax":           {"package openleash.policy.raw\ndecision := ", "rego_parse_error"},
		"bad metadata key": {"# METADATA\n# custom:\n#   gaurdrail: true\npackage openleash.policy.raw\ndecision := 1", "unknown_key"},
		"bad budget":       {"package openleash.policy.raw\nbudgets := [{\"id\": \"b\"}]\ndecision := 1", "missing_key"},
		"budget of input":  {"package openleash.policy.raw\nbudgets := input.x\ndecision := 1", "rego_error"},
	} {
		t.Run(name, func(t *testing.T) {
			_, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{{Path: "raw.rego", Text: []byte(tc.text)}}, rego.Options{})
			if len(ds) == 0 || ds[0].Code != tc.code || ds[0].Pos.File != "raw.rego" || ds[0].Pos.Line < 1 {
				t.Errorf("got %v, want %s", ds, tc.code)
			}
		})
	}
}

// TestRawRegoSeesItselfAlone tries promise 15.
func TestRawRegoSeesItselfAlone(t *testing.T) {
	for text, fine := range map[string]bool{
		"a := data.openleash.policy.raw.b\nb := 1":                    true,
		"import data.openleash.policy.raw.b as c\na := c\nb := 1":     true,
		"import rego.v1\na := 1":                                      true,
		"a := input.data.x":                                           true,
		"a := {\"data\": 1}":                                          true,
		"a := b.data\nb := {\"data\": 1}":                             true,
		"a := data.openleash.policy.rawx":                             false,
		"a := data.openleash.policy.other.match":                      false,
		"a := data.openleash.policy[input.x]":                         false,
		"a := data.openleash.policy.raw[data.x]":                      false,
		"a := data.openleash[_]":                                      false,
		"a := data":                                                   false,
		"a := data[input.x]":                                          false,
		"a := walk(data)":                                             false,
		"a := [x | x := data.z]":                                      false,
		"a := {data.x: 1}":                                            false,
		"a := input.y[input.z[data.x.y]]":                             false,
		"a := 1 if input.x else := data.z":                            false,
		"a := 1 if { every x in data.y { x } }":                       false,
		"a := 1 if input.x with data.y as 1":                          false,
		"import data.other.b\na := b":                                 false,
		"import data.openleash.policy.other as raw2\na := raw2.match": false,
	} {
		_, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{
			raw(text + "\ndecision := {\"effect\": \"deny\", \"rule_id\": \"r\"}")}, rego.Options{})
		if fine && ds.Err() != nil || !fine && (len(ds) == 0 || ds[0].Code != "outside_reference" || ds[0].Pos.Line < 2) {
			t.Errorf("%s: %v", text, ds)
		}
	}
}

func TestEndlessPolicyIsCutOff(t *testing.T) {
	e, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(`
ns := [a | some a in split(sprintf("%099d", [0]), "")]
decision := {"effect": "allow", "rule_id": "r"} if {
	count([1 | some a in ns; some b in ns; some c in ns; some d in ns; some e in ns; a != b; c != d; e != d]) > 0
}
decision := {"effect": "allow", "rule_id": "r"} if {
	every a in ns { every b in ns { every c in ns { every d in ns { every e in ns { concat("", [a, b, c, d, e]) == "00000" } } } } }
}`)}, rego.Options{Deadline: 20 * time.Millisecond})
	if ds.Err() != nil {
		t.Fatal(ds.Err())
	}
	d := e.Layers(subject).Decide(t.Context(), ask("{}"))
	if d.Result != rego.Deny || d.Reason != "policy_error: a policy took too long" {
		t.Errorf("got %s, %q, %v", d.Result, d.Reason, d.Err)
	}
}

func TestBudgetReadings(t *testing.T) {
	file := func(name string) rego.File {
		return yaml(name, `
rules: [{action: "*", effect: allow, conditions: [{field: budgets.daily.remaining, operator: gte, value: 10}]}]
budgets: [{id: daily, limit: 100, measure: count, window: day}]
default: passthrough`)
	}
	l := engine(t, file("a"), file("b")).Layers(subject)
	in := ask("{}")
	in.Budgets = []rego.BudgetReading{{PolicyID: "a", ID: "daily", Limit: 100, Remaining: 5}, {PolicyID: "b", ID: "daily", Limit: 100, Remaining: 50}}
	if d := l.Decide(t.Context(), in); d.PolicyID != "b" || d.Result != rego.Allow {
		t.Errorf("got %s by %s: each policy sees its own budget", d.Result, d.PolicyID)
	}
}

func TestActionCannotSpeakForTheServer(t *testing.T) {
	l := engine(t, yaml("p", rule("allow", ", requirements: {min_assurance_level: LOW}"))).Layers(subject)
	for _, name := range []string{"agent", "owner", "now", "now_ns", "action_patterns", "assurance_level", "budgets"} {
		in := rego.Input{Action: json.RawMessage(`{"action_type":"purchase.order","` + name + `":"HIGH"}`), ActionType: "purchase.order", Now: noon}
		if d := l.Decide(t.Context(), in); d.Result != rego.Deny || d.Err == nil {
			t.Errorf("%s: %s", name, d.Result)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"action_type":"a.b","payload":{"a":[1,-2.5e3,true,false,null,"x\"\u00e9"]}}`, `{`, `{"a":}`, `[1,]`, `"`, `{"a":1}x`} {
		f.Add([]byte(s))
	}
	l := engine(f, yaml("p", rule("allow", ""))).Layers(subject)
	f.Fuzz(func(t *testing.T, src []byte) {
		d := l.Decide(t.Context(), rego.Input{Action: src, ActionType: "a.b", Now: noon})
		if d.Err != nil && d.Result != rego.Deny {
			t.Errorf("%q: %s with %v", src, d.Result, d.Err)
		}
		if d.Err == nil && json.Valid(src) && src[0] != '{' && strings.TrimSpace(string(src))[0] != '{' {
			t.Errorf("%q was taken for an action", src)
		}
	})
}

func TestMatchIsDecision(t *testing.T) {
	// The engine asks for match and looks the outcome up; stock OPA evaluates decision.
	e := engine(t, yaml("p", `
rules:
  - {action: "purchase.*", effect: allow, conditions: [{field: context.amount, operator: lt, value: 100}], requirements: {min_assurance_level: HIGH}}
  - {action: "purchase.*", effect: require_approval, conditions: [{field: context.amount, operator: lte, value: 500}], obligations: [{type: DEPOSIT, params: {amount: 3}}], proof: {ttl_seconds: 60}}
  - {action: "purchase.*", effect: deny}
`))
	for _, payload := range []string{`{"amount":1}`, `{"amount":250}`, `{"amount":600}`, `{"amount":"1"}`, `{}`} {
		for _, level := range []string{"", "SUBSTANTIAL", "HIGH"} {
			in := ask(payload)
			in.AssuranceLevel = level
			d := e.Layers(subject).Decide(t.Context(), in)
			if diff := cmp.Diff(wire(d), evalBundle(t, e, in)); diff != "" {
				t.Errorf("%s at %q:\n%s", payload, level, diff)
			}
		}
	}
}

func TestCompiledObligation(t *testing.T) {
	high := compiler.Obligation{Type: compiler.StepUpAuth, Params: json.RawMessage(`{"min_assurance_level":"HIGH"}`)}
	if rego.Satisfies(high, "SUBSTANTIAL") || !rego.Satisfies(high, "HIGH") || rego.Satisfies(compiler.Obligation{Type: compiler.StepUpAuth}, "") {
		t.Error("a step-up is satisfied by a lower level")
	}
}
