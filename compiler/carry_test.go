package compiler

import "testing"

func TestSetRenamedFrom(t *testing.T) {
	const rules = "rules: [{action: a, effect: allow, constraints: {currency: USD}}]\n"
	for name, tc := range map[string]struct{ in, want, policy string }{
		"flow":    {"budgets:\n  - {id: day, limit: 5, window: day, currency: USD} # x\n", "budgets:\n  - {id: day, renamed_from: daily, limit: 5, window: day, currency: USD} # x\n", ""},
		"quoted":  {"budgets:\n  - {limit: 5, window: day, currency: USD, id: 'day'}\n", "budgets:\n  - {limit: 5, window: day, currency: USD, id: 'day', renamed_from: daily}\n", ""},
		"lines":   {"budgets:\n  - id: day # x\n    limit: 5\n    window: day\n    currency: USD\n", "budgets:\n  - id: day # x\n    renamed_from: daily\n    limit: 5\n    window: day\n    currency: USD\n", ""},
		"no end":  {"budgets:\n  - limit: 5\n    window: day\n    currency: USD\n    id: day", "budgets:\n  - limit: 5\n    window: day\n    currency: USD\n    id: day\n    renamed_from: daily\n", ""},
		"Windows": {"budgets:\r\n  - id: day\r\n    limit: 5\r\n    window: day\r\n    currency: USD\r\n", "budgets:\r\n  - id: day\r\n    renamed_from: daily\r\n    limit: 5\r\n    window: day\r\n    currency: USD\r\n", ""},
		"both":    {"budgets:\n  - {id: day, limit: 5, window: day, currency: USD}\n", "renamed_from: \"old\"\n" + "budgets:\n  - {id: day, renamed_from: daily, limit: 5, window: day, currency: USD}\n", "old"},
		"taken":   {"budgets:\n  - {id: day, renamed_from: x, limit: 5, window: day, currency: USD}\n", "", ""},
		"none":    {"budgets:\n  - {id: other, limit: 5, window: day, currency: USD}\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in, want := rules+tc.in, tc.want
			if tc.policy != "" {
				want = "renamed_from: \"old\"\n" + rules + tc.want[len("renamed_from: \"old\"\n"):]
			} else if want != "" {
				want = rules + want
			}
			got, err := SetRenamedFrom([]byte(in), tc.policy, map[string]string{"day": "daily"})
			if string(got) != want || (err == nil) != (want != "") {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}
