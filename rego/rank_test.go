package rego_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openleash/openleash-go/rego"
)

// TestWithRank holds that a rank goes into the METADATA of Rego, and that nothing else changes.
func TestWithRank(t *testing.T) {
	const body = "package openleash.policy.pol_x\n\nimport rego.v1\n\n# rank: 5\ndecision := {\"effect\": \"allow\", \"rule_id\": \"r\"}\n"
	for name, tc := range map[string]struct{ before, after string }{
		"none":                   {"", "# METADATA\n# custom:\n#   rank: 70\n"},
		"a licence":              {"# Ours.\n\n", "# Ours.\n\n# METADATA\n# custom:\n#   rank: 70\n"},
		"a rank":                 {"# METADATA\n# custom:\n#   enabled: false\n#   rank:  5\n", "# METADATA\n# custom:\n#   enabled: false\n#   rank:  70\n"},
		"custom without rank":    {"# METADATA\n# custom:\n#     guardrail: true\n", "# METADATA\n# custom:\n#     rank: 70\n#     guardrail: true\n"},
		"METADATA alone":         {"# METADATA\n# title: Rank\n", "# METADATA\n# custom:\n#   rank: 70\n# title: Rank\n"},
		"in the description too": {"# METADATA\n# description: |\n#   rank: 5\n# custom:\n#   rank: 5 # low\n", "# METADATA\n# description: |\n#   rank: 5\n# custom:\n#   rank: 70 # low\n"},
		"windows":                {"# METADATA\r\n# custom:\r\n#   enabled: true\r\n", "# METADATA\r\n# custom:\r\n#   rank: 70\r\n#   enabled: true\r\n"},
		"a form of its own":      {"# METADATA\n# custom: {rank: 5}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, ds := rego.Check(rego.File{Path: "pol_x.rego", Text: []byte(tc.before + body)})
			if ds.Err() != nil {
				t.Fatal(ds.Err())
			}
			got, err := p.WithRank(70)
			if (err != nil) != (tc.after == "") {
				t.Fatal(err)
			}
			if want := tc.after + body; err == nil && string(got) != want {
				t.Error(cmp.Diff(want, string(got)))
			}
		})
	}
}
