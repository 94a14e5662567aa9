package compiler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/test/conformance"
)

// rule is the id of the rule that decides, in OPA; empty if none does.
func rule(t *testing.T, policy, action, now string) string {
	t.Helper()
	body, err := conformance.ReadAction([]byte(action))
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	return prepared(t, parse(t, "id: p\ndefault: passthrough\n"+policy))(t, conformance.Situation{Action: body, Now: at}).Rule
}

const noon = "2026-04-10T12:00:00Z"

// TestUnknown: each comparison on what makes it true, false and unknown, in a rule that allows and one
// that denies, with and without a not.
func TestUnknown(t *testing.T) {
	const missing = ""
	for _, tc := range []struct {
		comparison string // of $.payload.x
		yes, no    string
		unknown    []string
	}{
		{"op: eq, value: 1", "1.0", "2", []string{missing, `"1"`, "true", "null", "[1]"}},
		{"op: eq, value: a", `"a"`, `"b"`, []string{missing, "1"}},
		{"op: eq, value: true", "true", "false", []string{missing, `"true"`, "1"}},
		{"op: eq, value: null", "null", missing, nil},
		{"op: neq, value: 1", "2", "1", []string{missing, `"2"`}},
		{"op: in, value: [1, a]", `"a"`, "2", []string{missing, "true", "{}"}},
		{"op: nin, value: [1, a]", `"b"`, "1", []string{missing, "true", "{}"}},
		{"op: lt, value: 0.3", "0.1", "0.3", []string{missing, `"0.1"`, "null", "[]"}},
		{"op: lte, value: 5", "5", "5.1", []string{missing, `"5"`}},
		{"op: gt, value: 5", "5.1", "5", []string{missing, `"6"`, "true"}},
		{"op: gte, value: 5", "5", "4", []string{missing, `"6"`, "{}"}},
		{`op: regex, value: "^a+$"`, `"aa"`, `"b"`, []string{missing, "1", "null"}},
		{"op: exists", "null", missing, nil},
		{"op: exists, value: false", missing, "null", nil},
	} {
		matches := func(effect, when, value string) bool {
			payload := "{}"
			if value != missing {
				payload = `{"x":` + value + `}`
			}
			policy := fmt.Sprintf("rules: [{action: a, effect: %s, when: %s}]", effect, when)
			return rule(t, policy, `{"action_type":"a","payload":`+payload+`}`, noon) != ""
		}
		check := func(value string, certain, possible bool) {
			t.Helper()
			when := "{match: {path: $.payload.x, " + tc.comparison + "}}"
			for _, form := range []struct {
				effect, when string
				want         bool
			}{
				{"allow", when, certain}, {"deny", when, possible},
				{"allow", "{not: " + when + "}", !possible}, {"deny", "{not: " + when + "}", !certain},
				{"allow", "{not: {not: " + when + "}}", certain},
				{"allow", "{any: [" + when + ", {match: {path: $.payload.other, op: exists}}]}", certain},
				{"deny", "{any: [" + when + ", {match: {path: $.payload.other, op: exists}}]}", possible},
				{"deny", "{all: [" + when + ", {not: {match: {path: $.payload.other, op: exists}}}]}", possible},
			} {
				if got := matches(form.effect, form.when, value); got != form.want {
					t.Errorf("%s on %q: %s when %s: %v", tc.comparison, value, form.effect, form.when, got)
				}
			}
		}
		check(tc.yes, true, true)
		if tc.comparison != "op: eq, value: null" { // a missing field is unknown to it
			check(tc.no, false, false)
		}
		for _, value := range tc.unknown {
			check(value, false, true)
		}
	}
}

// TestMoney: amounts are compared with amounts only.
func TestMoney(t *testing.T) {
	for _, tc := range []struct{ condition, payload, want string }{
		{"conditions: [{field: context.amount, operator: lt, value: 100}]", `{"amount":45}`, "allow"},
		{"conditions: [{field: context.amount, operator: lt, value: 100}]", `{"amount":45.5}`, "allow"},
		{"conditions: [{field: context.amount, operator: lt, value: 100}]", `{"amount":-45}`, "deny"},
		{"conditions: [{field: context.amount, operator: nin, value: [100]}]", `{"amount":-45}`, "deny"},
		{"conditions: [{field: context.amount_minor, operator: lt, value: 100}]", `{"amount_minor":45}`, "allow"},
		{"conditions: [{field: context.amount_minor, operator: lt, value: 100}]", `{"amount_minor":45.5}`, "deny"},
		{"conditions: [{field: context.amount_minor, operator: neq, value: 100}]", `{"amount_minor":-1}`, "deny"},
		{"conditions: [{field: context.balance, operator: lt, value: 100}]", `{"balance":-45}`, "allow"},
		{"conditions: [{field: \"context.items[0].amount\", operator: lt, value: 100}]", `{"items":[{"amount":-1}]}`, "deny"},
		{"constraints: {amount_max: 100}", `{"amount_minor":100}`, "allow"},
		{"constraints: {amount_max: 100}", `{"amount_minor":1e2}`, "allow"},
		{"constraints: {amount_max: 100}", `{"amount_minor":-1}`, "deny"},
		{"constraints: {amount_max: 100}", `{"amount_minor":0.5}`, "deny"},
		{"constraints: {amount_max: 100}", `{"amount_minor":"5"}`, "deny"},
		{"constraints: {amount_min: 100}", `{"amount_minor":99}`, ""},
	} {
		allow := "{id: allow, action: a, effect: allow, " + tc.condition + "}"
		deny := "{id: deny, action: a, effect: deny, " + tc.condition + "}"
		if got := rule(t, "rules: ["+allow+", "+deny+"]", `{"action_type":"a","payload":`+tc.payload+`}`, noon); got != tc.want {
			t.Errorf("%s on %s: got %q, want %q", tc.condition, tc.payload, got, tc.want)
		}
	}
}

// TestSchedule: nights belong to the day on which they began, and clocks are those of the zone, also
// where they are put forward (2026-03-29 in Amsterdam: 02:00 is 03:00) and back (2026-10-25: 03:00 is 02:00).
func TestSchedule(t *testing.T) {
	for _, tc := range []struct {
		schedule, now string
		want          bool
	}{
		{`{hours: "09:00-17:00"}`, "2026-04-10T08:59:59Z", false},
		{`{hours: "09:00-17:00"}`, "2026-04-10T09:00:00Z", true},
		{`{hours: "09:00-17:00"}`, "2026-04-10T16:59:59Z", true},
		{`{hours: "09:00-17:00"}`, "2026-04-10T17:00:00Z", false},
		{`{hours: "09:00-24:00"}`, "2026-04-10T23:59:59Z", true},
		{`{hours: "00:00-09:00"}`, "2026-04-10T00:00:00Z", true},
		{`{hours: "09:00-17:00", timezone: Europe/Amsterdam}`, "2026-04-10T07:00:00Z", true},  // summer
		{`{hours: "09:00-17:00", timezone: Europe/Amsterdam}`, "2026-01-10T07:30:00Z", false}, // winter
		{`{hours: "02:00-03:00", timezone: Europe/Amsterdam}`, "2026-03-29T00:59:59Z", false}, // 01:59:59
		{`{hours: "02:00-03:00", timezone: Europe/Amsterdam}`, "2026-03-29T01:00:00Z", false}, // 03:00:00: the hour is left out
		{`{hours: "02:00-03:00", timezone: Europe/Amsterdam}`, "2026-10-25T00:30:00Z", true},  // 02:30
		{`{hours: "02:00-03:00", timezone: Europe/Amsterdam}`, "2026-10-25T01:30:00Z", true},  // 02:30 again
		{`{hours: "02:00-03:00", timezone: Europe/Amsterdam}`, "2026-10-25T02:00:00Z", false},
		{`{days: [fri], hours: "22:00-06:00"}`, "2026-04-10T21:59:59Z", false}, // a Friday
		{`{days: [fri], hours: "22:00-06:00"}`, "2026-04-10T22:00:00Z", true},
		{`{days: [fri], hours: "22:00-06:00"}`, "2026-04-11T05:59:59Z", true},
		{`{days: [fri], hours: "22:00-06:00"}`, "2026-04-11T06:00:00Z", false},
		{`{days: [fri], hours: "22:00-06:00"}`, "2026-04-10T05:00:00Z", false}, // Thursday's night
		{`{days: [sat], hours: "22:00-06:00"}`, "2026-04-12T05:00:00Z", true},  // into Sunday
		{`{days: [fri]}`, "2026-04-10T23:30:00Z", true},
		{`{days: [fri], timezone: Asia/Kathmandu}`, "2026-04-10T18:14:59Z", true}, // +05:45
		{`{days: [fri], timezone: Asia/Kathmandu}`, "2026-04-10T18:15:00Z", false},
		{`{days: [MON, Sun]}`, "2026-04-12T00:00:00Z", true},
	} {
		for effect, want := range map[string]bool{"allow": tc.want, "deny": tc.want} {
			policy := "rules: [{action: a, effect: " + effect + ", constraints: {schedule: " + tc.schedule + "}}]"
			if got := rule(t, policy, `{"action_type":"a"}`, tc.now) != ""; got != want {
				t.Errorf("%s %s at %s: %v", effect, tc.schedule, tc.now, got)
			}
		}
	}
}

// TestDomains: names compare in lower case and ASCII form; a wildcard is not for the name itself.
func TestDomains(t *testing.T) {
	for _, tc := range []struct {
		list, host string
		want       bool
	}{
		{"shop.example", "shop.example", true},
		{"Shop.Example", "sHOP.eXAMPLE", true},
		{"shop.example", "a.shop.example", false},
		{"shop.example", "shop.example.evil.com", false},
		{"shop.example", "shop.example.", false},
		{"'*.shop.example'", "a.b.shop.example", true},
		{"'*.shop.example'", "shop.example", false},
		{"'*.shop.example'", "evilshop.example", false},
		{"'*.shop.example'", ".shop.example", false},
		{"bücher.example", "xn--bcher-kva.example", true},
		{"BÜCHER.example", "xn--bcher-kva.example", true},
		{"bücher.example", "bücher.example", false}, // a request gives the ASCII form
		{"'*.bücher.example'", "a.xn--bcher-kva.example", true},
		{"straße.example", "xn--strae-oqa.example", true},
		{"straße.example", "strasse.example", false},
		{"shop.example", "shop.example\\n", false},
		{"shop.example", "https://shop.example", false},
		{"shop.example", "shop.example:443", false},
		{"k.example", "\u212a.example", false}, // the Kelvin sign, which lower case makes a k
	} {
		policy := "rules: [{action: a, effect: allow, constraints: {merchant_domain: [" + tc.list + "]}}]"
		for _, action := range []string{`{"action_type":"a","payload":{"merchant_domain":"%s"}}`, `{"action_type":"a","relying_party":{"domain":"%s"}}`} {
			if got := rule(t, policy, fmt.Sprintf(action, tc.host), noon) != ""; got != tc.want {
				t.Errorf("%s in %s: %v", tc.host, tc.list, got)
			}
		}
	}
}

// TestActions holds what a pattern matches to what OPA finds by the list of patterns.
func TestActions(t *testing.T) {
	for _, tc := range []struct {
		pattern, action string
		want            bool
	}{
		{"a", "a", true}, {"a", "a.b", false}, {"a.*", "a", true}, {"a.*", "a.b.c", true}, {"a.*", "ab", false},
		{"a.b.*", "a", false}, {"a.b.*", "a.b.c", true}, {"*", "anything", true}, {"A", "a", true}, {"a.*", "A.B", true}, {"*", "A", true},
	} {
		if got := compiler.MatchesAction(tc.pattern, tc.action); got != tc.want {
			t.Errorf("MatchesAction(%q, %q) = %v", tc.pattern, tc.action, got)
		}
		policy := "rules: [{action: '" + tc.pattern + "', effect: allow}]"
		if got := rule(t, policy, `{"action_type":"`+tc.action+`"}`, noon) != ""; got != tc.want {
			t.Errorf("%s matches %s: %v", tc.pattern, tc.action, got)
		}
	}
}
