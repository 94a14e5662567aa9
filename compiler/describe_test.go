package compiler_test

import (
	"slices"
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		src  string
		want []string
	}{
		{walkThrough, []string{
			"Allows purchases under 100.", "Asks you about purchases from 100 to 500, or where that is not known.",
			"Denies purchases above 500, or where that is not known.", "Denies everything else."}},
		{`
default: passthrough
rules:
  - {action: "*", effect: require_step_up, constraints: {amount_max: 4550, currency: [USD, EUR], allowed_domains: ["*.example.com", shop.de], schedule: {days: [mon, tue, wed, thu, fri], hours: "09:00-17:00", timezone: Europe/Amsterdam}}}
  - {action: [booking.hotel, "data_export.*"], effect: allow, when: {any: [{match: {path: $.payload.city, op: in, value: [Paris, Rome]}}, {not: {match: {path: $.payload.vip, op: exists}}}]}, proof: {required: false}}
budgets:
  - {id: a, limit: 50000, currency: USD, window: day, actions: ["purchase.*"]}
  - {id: b, limit: 20, measure: count, window: 90m, per: owner, on_exceed: require_approval}
`, []string{
			"Asks for your authenticator code for everything up to 45.50, in USD or EUR, at shop.de or *.example.com, on weekdays from 09:00 to 17:00 (Europe/Amsterdam), or where that is not known.",
			"Allows booking.hotel and data exports (where city is Paris or Rome or where vip is not given), without a proof.",
			"At most 500.00 USD a day on purchases, for each agent; denies what goes beyond.",
			"At most 20 actions in any 90m, for all agents together; asks you about what goes beyond.",
			"Leaves everything else to other policies."}},
		{`
rules:
  - {id: yen, action: "purchase.*", effect: allow, constraints: {amount_max: 5000, currency: [JPY]}}
  - {id: dinar, action: "pay.*", effect: allow, constraints: {amount_max: 5000, currency: [KWD]}}
  - {action: "a.*", effect: allow, constraints: {amount_min: 1000, amount_max: 5000, currency: USD}}
  - {action: "b.*", effect: allow, constraints: {amount_max: 500000, currency: [JPY, USD]}}
  - {action: "c.*", effect: deny, constraints: {amount_min: 500000}}
  - {action: "d.*", effect: allow, when: {all: [{match: {path: $.payload.amount_minor, op: lt, value: 500000}}, {match: {path: $.payload.currency, op: eq, value: EUR}}]}}
  - {action: "e.*", effect: allow, conditions: [{field: context.amount, operator: lt, value: 12500}, {field: context.currency, operator: eq, value: USD}]}
budgets:
  - {id: month, limit: 10000, currency: JPY, window: month, timezone: Asia/Tokyo, actions: ["purchase.*"]}
  - {id: many, limit: 1000, measure: count, window: day}
`, []string{
			"Allows purchases up to 5,000 JPY.", "Allows payments up to 5.000 KWD.", "Allows as from 10.00 to 50.00 USD.",
			"Allows bs up to 500,000 minor units, in JPY or USD.", "Denies cs from 500,000 minor units, or where that is not known.",
			"Allows ds under 5,000.00 EUR.", "Allows es under 12,500, in USD.",
			"At most 10,000 JPY a month on purchases, for each agent; denies what goes beyond.",
			"At most 1,000 actions a day, for each agent; denies what goes beyond.",
			"Denies everything else."}},
		{`rules: [{action: ["search.*", "read.*", "wish.*", "fax.*", "reply.*", "mailing.*"], effect: allow}]`, []string{
			"Allows searches, reads, wishes, faxes, replies and mailing.", "Denies everything else."}},
	} {
		if got := compiler.Describe(parse(t, tc.src)); !slices.Equal(got, tc.want) {
			t.Errorf("got\n%q\nwant\n%q", got, tc.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct{ rules, code string }{
		{`[{action: "*", effect: allow}, {action: a, effect: deny}]`, "unreachable_rule"},
		{`[{action: "a.*", effect: deny, conditions: [{field: context.x, operator: eq, value: 1}]}, {action: a.b, effect: allow, conditions: [{field: context.x, operator: eq, value: 1}]}]`, "unreachable_rule"},
		{`[{action: a, effect: allow, conditions: [{field: context.x, operator: eq, value: 1}]}, {action: a, effect: deny, conditions: [{field: context.x, operator: eq, value: 1}]}]`, ""},
		{`[{action: a, effect: allow}, {action: "a.*", effect: deny}]`, ""},
		{`[{action: a, effect: allow, constraints: {amount_max: 5}}]`, "amount_without_currency"},
		{`[{action: a, effect: allow, constraints: {amount_max: 5, currency: USD}}]`, ""},
		{`[{action: a, effect: allow, constraints: {blocked_domains: [evil.com]}}]`, "deny_list_of_agents_words"},
		{`[{action: a, effect: deny, conditions: [{field: context.item, operator: in, value: [gun]}]}]`, "deny_list_of_agents_words"},
	} {
		_, ds := compiler.Parse("p.yaml", []byte("rules: "+tc.rules))
		code := ""
		if len(ds) > 0 {
			code = ds[0].Code
			if ds[0].Severity != compiler.Warning {
				t.Errorf("%s: %s is no warning", tc.rules, ds[0])
			}
		}
		if code != tc.code {
			t.Errorf("%s: got %v, want %q", tc.rules, ds, tc.code)
		}
	}
}
