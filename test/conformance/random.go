package conformance

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// Few names and values, so that policies and actions that are drawn apart meet.
var (
	someActions = rapid.SampledFrom([]string{"a", "a.b", "A.b.C", "d"})
	somePattern = rapid.SampledFrom([]string{"*", "a", "a.*", "a.b.*", "A.b", "d.*"})
	somePaths   = rapid.SampledFrom([]string{"x", "y.z", "list[0]", "amount", "amount_minor", "currency"})
	SomeHosts   = rapid.SampledFrom([]string{"shop.com", "a.shop.com", "b.a.shop.com", "SHOP.com", "evil.com", "xn--bcher-kva.com", "no host", ""})
	someDomains = rapid.SampledFrom([]string{"shop.com", "*.shop.com", "*.a.shop.com", "bücher.com", "evil.com"})
	someZones   = rapid.SampledFrom([]string{"UTC", "Europe/Amsterdam", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"})
	someDays    = rapid.SampledFrom([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"})
	SomeLevels  = rapid.SampledFrom([]string{"LOW", "SUBSTANTIAL", "HIGH"})
	someNumbers = rapid.SampledFrom([]string{"0", "1", "2", "5", "0.5", "1.50", "1e1", "0.1", "0.30", "9007199254740991"})
	anyNumbers  = rapid.SampledFrom([]string{"0", "1", "2", "5", "0.5", "1.5", "10", "0.1", "0.3", "-1", "-0.5", "9007199254740991", "0.1000000000000000055511151231257827"})
	someWords   = rapid.SampledFrom([]string{`"a"`, `"b"`, `"ab"`, `"1"`, `""`, `"USD"`, `"true"`})
	someOthers  = rapid.SampledFrom([]string{"true", "false", "null"})
	SomeValues  = rapid.OneOf(someNumbers, someWords, someOthers)
	anyValues   = rapid.OneOf(anyNumbers, someWords, someOthers, rapid.SampledFrom([]string{"[]", "{}", "[1]", `{"z":1}`}))
	someRegexes = rapid.SampledFrom([]string{"^a", "b$", "^[0-9]+$", "(?i)USD", ""})
)

func quoted(s string) string { return fmt.Sprintf("%q", s) }

// SomePolicy draws the text of a policy: a few rules after the keys that head names.
func SomePolicy(t *rapid.T, head string, effects ...string) string {
	rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return someRule(t, effects) }), 1, 4).Draw(t, "rules")
	return head + "\nrules: [\n  " + strings.Join(rules, ",\n  ") + "]\n"
}

// The effects of rules, and those of a guardrail's.
var (
	AllEffects       = []string{"allow", "deny", "require_approval", "require_deposit"}
	GuardrailEffects = []string{"deny", "require_approval", "require_deposit", "require_step_up"}
)

func someRule(t *rapid.T, effects []string) string {
	keys := []string{
		"action: [" + strings.Join(rapid.SliceOfNDistinct(rapid.Map(somePattern, quoted), 1, 2, rapid.ID).Draw(t, "action"), ", ") + "]",
	}
	effect := rapid.SampledFrom(effects).Draw(t, "effect")
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
		keys = append(keys, "requirements: {min_assurance_level: "+SomeLevels.Draw(t, "level")+"}")
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
	values := SomeValues
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

// SomeAction draws a request body.
func SomeAction(t *rapid.T) string {
	var payload, party []string
	with := func(to *[]string, key string, value *rapid.Generator[string]) {
		if rapid.Bool().Draw(t, "with "+key) {
			*to = append(*to, quoted(key)+":"+value.Draw(t, key))
		}
	}
	hosts := rapid.OneOf(rapid.Map(SomeHosts, quoted), anyValues)
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
