package compiler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/compiler"
	engine "github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/test/conformance"
)

// Few names and values, so that policies and actions that are drawn apart meet.
var (
	someActions = rapid.SampledFrom([]string{"a", "a.b", "a.b.c", "d"})
	somePattern = rapid.SampledFrom([]string{"*", "a", "a.*", "a.b.*", "a.b", "d.*"})
	somePaths   = rapid.SampledFrom([]string{"x", "y.z", "list[0]", "amount", "amount_minor", "currency"})
	someHosts   = rapid.SampledFrom([]string{"shop.com", "a.shop.com", "b.a.shop.com", "SHOP.com", "evil.com", "xn--bcher-kva.com", "no host", ""})
	someDomains = rapid.SampledFrom([]string{"shop.com", "*.shop.com", "*.a.shop.com", "bücher.com", "evil.com"})
	someZones   = rapid.SampledFrom([]string{"UTC", "Europe/Amsterdam", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"})
	someDays    = rapid.SampledFrom([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"})
	someLevels  = rapid.SampledFrom([]string{"LOW", "SUBSTANTIAL", "HIGH"})
	someNumbers = rapid.SampledFrom([]string{"0", "1", "2", "5", "0.5", "1.50", "1e1", "0.1", "0.30", "9007199254740991"})
	anyNumbers  = rapid.SampledFrom([]string{"0", "1", "2", "5", "0.5", "1.5", "10", "0.1", "0.3", "-1", "-0.5", "9007199254740991", "0.1000000000000000055511151231257827"})
	someWords   = rapid.SampledFrom([]string{`"a"`, `"b"`, `"ab"`, `"1"`, `""`, `"USD"`, `"true"`})
	someOthers  = rapid.SampledFrom([]string{"true", "false", "null"})
	someValues  = rapid.OneOf(someNumbers, someWords, someOthers)
	anyValues   = rapid.OneOf(anyNumbers, someWords, someOthers, rapid.SampledFrom([]string{"[]", "{}", "[1]", `{"z":1}`}))
	someRegexes = rapid.SampledFrom([]string{"^a", "b$", "^[0-9]+$", "(?i)USD", ""})
)

func quoted(s string) string { return fmt.Sprintf("%q", s) }

// somePolicy is the text of a policy.
func somePolicy(t *rapid.T) string {
	rules := rapid.SliceOfN(rapid.Custom(someRule), 1, 4).Draw(t, "rules")
	return "id: p\ndefault: passthrough\nrules: [\n  " + strings.Join(rules, ",\n  ") + "]\n"
}

func someRule(t *rapid.T) string {
	keys := []string{
		"action: [" + strings.Join(rapid.SliceOfNDistinct(rapid.Map(somePattern, quoted), 1, 2, rapid.ID).Draw(t, "action"), ", ") + "]",
	}
	effect := rapid.SampledFrom([]string{"allow", "deny", "require_approval", "require_deposit"}).Draw(t, "effect")
	keys = append(keys, "effect: "+effect)
	if rapid.Bool().Draw(t, "with when") {
		keys = append(keys, "when: "+someWhen(t, 3))
	}
	if rapid.Bool().Draw(t, "with conditions") {
		keys = append(keys, "conditions: ["+someComparison(t, "field", "operator", "context.")+"]")
	}
	if rapid.Bool().Draw(t, "with constraints") {
		keys = append(keys, "constraints: {"+strings.Join(someConstraints(t), ", ")+"}")
	}
	if effect != "deny" && rapid.Bool().Draw(t, "with requirements") {
		keys = append(keys, "requirements: {min_assurance_level: "+someLevels.Draw(t, "level")+"}")
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

func someWhen(t *rapid.T, depth int) string {
	kind := "match"
	if depth > 0 {
		kind = rapid.SampledFrom([]string{"match", "not", "all", "any"}).Draw(t, "when")
	}
	switch kind {
	case "match":
		return "{match: " + someComparison(t, "path", "op", "$.payload.") + "}"
	case "not":
		return "{not: " + someWhen(t, depth-1) + "}"
	}
	parts := make([]string, rapid.IntRange(1, 3).Draw(t, "parts"))
	for i := range parts {
		parts[i] = someWhen(t, depth-1)
	}
	return "{" + kind + ": [" + strings.Join(parts, ", ") + "]}"
}

func someComparison(t *rapid.T, path, op, prefix string) string {
	name := somePaths.Draw(t, "path")
	values := someValues
	if name == "amount_minor" { // compared with whole numbers only
		values = rapid.OneOf(rapid.SampledFrom([]string{"0", "1", "5", "1e1"}), someWords, someOthers)
	}
	operator := rapid.SampledFrom([]string{"eq", "neq", "in", "nin", "lt", "lte", "gt", "gte", "regex", "exists"}).Draw(t, "op")
	var value string
	switch operator {
	case "in", "nin":
		value = "[" + strings.Join(rapid.SliceOfN(values, 1, 3).Draw(t, "values"), ", ") + "]"
	case "lt", "lte", "gt", "gte":
		value = rapid.SampledFrom([]string{"0", "1", "5", "1e1"}).Draw(t, "limit")
	case "regex":
		value = quoted(someRegexes.Draw(t, "regex"))
	case "exists":
		value = fmt.Sprint(rapid.Bool().Draw(t, "there"))
	default:
		value = values.Draw(t, "value")
	}
	return fmt.Sprintf("{%s: %q, %s: %s, value: %s}", path, prefix+name, op, operator, value)
}

func someConstraints(t *rapid.T) []string {
	var out []string
	with := func(key string, value func() string) {
		if rapid.Bool().Draw(t, "with "+key) {
			out = append(out, key+": "+value())
		}
	}
	domains := func() string {
		return "[" + strings.Join(rapid.SliceOfN(rapid.Map(someDomains, quoted), 1, 2).Draw(t, "domains"), ", ") + "]"
	}
	with("amount_max", func() string { return rapid.SampledFrom([]string{"0", "1", "5"}).Draw(t, "max") })
	with("amount_min", func() string { return rapid.SampledFrom([]string{"0", "1", "5"}).Draw(t, "min") })
	with("currency", func() string { return "[USD]" })
	with("merchant_domain", domains)
	with("allowed_domains", domains)
	with("blocked_domains", domains)
	with("schedule", func() string {
		hours := func(label string) string {
			m := rapid.IntRange(0, 24*60-1).Draw(t, label)
			return fmt.Sprintf("%02d:%02d", m/60, m%60)
		}
		from := hours("from")
		until := rapid.Custom(func(t *rapid.T) string { return hours("until") }).Filter(func(s string) bool { return s != from }).Draw(t, "until")
		days := strings.Join(rapid.SliceOfN(someDays, 1, 3).Draw(t, "days"), ", ")
		return fmt.Sprintf("{days: [%s], hours: %q, timezone: %s}", days, from+"-"+until, someZones.Draw(t, "zone"))
	})
	return out
}

// someAction is a request body.
func someAction(t *rapid.T) string {
	var payload, party []string
	with := func(to *[]string, key string, value *rapid.Generator[string]) {
		if rapid.Bool().Draw(t, "with "+key) {
			*to = append(*to, quoted(key)+":"+value.Draw(t, key))
		}
	}
	hosts := rapid.OneOf(rapid.Map(someHosts, quoted), anyValues)
	with(&payload, "x", anyValues)
	with(&payload, "y", rapid.OneOf(anyValues, rapid.Map(anyValues, func(v string) string { return `{"z":` + v + `}` })))
	with(&payload, "list", rapid.OneOf(anyValues, rapid.Map(anyValues, func(v string) string { return "[" + v + "]" })))
	with(&payload, "amount", anyValues)
	with(&payload, "amount_minor", anyValues)
	with(&payload, "currency", someWords)
	with(&payload, "merchant_domain", hosts)
	with(&payload, "domain", hosts)
	with(&party, "domain", hosts)
	return fmt.Sprintf(`{"action_type":%q,"payload":{%s},"relying_party":{%s}}`,
		someActions.Draw(t, "action"), strings.Join(payload, ","), strings.Join(party, ","))
}

// TestReference holds the compiled module, in stock OPA, to the reference interpreter, for policies that
// no person wrote: the same rule decides, with the same obligations.
func TestReference(t *testing.T) { rapid.Check(t, checkReference) }

func FuzzReference(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkReference)) }

func checkReference(t *rapid.T) {
	src := somePolicy(t)
	p, ds := compiler.Parse("p.yaml", []byte(src))
	if ds.Err() != nil {
		t.Fatalf("%s%v", src, ds.Err())
	}
	decide := prepared(t, p)
	for range 5 {
		body := someAction(t)
		action, err := conformance.ReadAction([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		s := conformance.Situation{Action: action, Assurance: rapid.OneOf(rapid.Just(""), someLevels).Draw(t, "assurance"),
			Now: time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0)}
		want := conformance.Reference([]*compiler.Policy{p}, s)
		got := decide(t, s)
		if got.Rule != want.Rule || got.Rule != "" && (got.Result != want.Result || fmt.Sprint(got.Obligations) != fmt.Sprint(want.Obligations)) {
			t.Fatalf("%s%s\nat %s, stepped up to %q: OPA says %+v, the reference %+v", src, body, s.Now.UTC(), s.Assurance, got, want)
		}
	}
}

// prepared evaluates a policy's decision in stock OPA, from the module and from the Rego that is shown to
// people, which must not differ.
func prepared(t rapid.TB, p *compiler.Policy) func(rapid.TB, conformance.Situation) conformance.Outcome {
	m, err := compiler.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	src, err := compiler.Format(m)
	if err != nil {
		t.Fatal(err)
	}
	var queries []rego.PreparedEvalQuery
	for _, module := range []func(*rego.Rego){rego.ParsedModule(m), rego.Module("p.rego", string(src))} {
		q, err := rego.New(module, rego.Query("data.openleash.policy["+quoted(p.ID)+"].decision"),
			rego.StrictBuiltinErrors(true)).PrepareForEval(context.Background())
		if err != nil {
			t.Fatalf("%v in\n%s", err, src)
		}
		queries = append(queries, q)
	}
	return func(t rapid.TB, s conformance.Situation) conformance.Outcome {
		var out [2]conformance.Outcome
		for i, q := range queries {
			rs, err := q.Eval(context.Background(), rego.EvalInput(inputOf(s)))
			if err != nil {
				t.Fatal(err)
			}
			if len(rs) > 0 {
				out[i] = outcomeOf(t, rs[0].Expressions[0].Value)
			}
		}
		if !reflect.DeepEqual(out[0], out[1]) {
			t.Fatalf("the module says %+v, its text %+v\n%s", out[0], out[1], src)
		}
		return out[0]
	}
}

// inputOf is what OPA sees.
func inputOf(s conformance.Situation) map[string]any {
	input := map[string]any{"now_ns": json.Number(fmt.Sprint(s.Now.UnixNano())), "assurance_level": s.Assurance,
		"action_patterns": compiler.ActionPatterns(s.Action["action_type"].(string))}
	maps.Copy(input, s.Action)
	return input
}

func outcomeOf(t rapid.TB, value any) conformance.Outcome {
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		RuleID      string                `json:"rule_id"`
		Effect      string                `json:"effect"`
		Obligations []compiler.Obligation `json:"obligations"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	result := engine.Deny
	if d.Effect == compiler.Allow.String() {
		result = engine.ResultOf(d.Obligations)
	}
	return conformance.OutcomeOf(engine.Decision{Result: result, PolicyID: "p", RuleID: d.RuleID, Obligations: d.Obligations})
}
