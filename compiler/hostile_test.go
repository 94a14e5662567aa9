package compiler_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/compiler"
)

// hang is far beyond what any input may take, on any machine: a second on an idle one.
const hang = 10 * time.Second

// TestHostile: what is made to hurt is refused, with a code and a place, and soon.
func TestHostile(t *testing.T) {
	rule := "  - {action: a, effect: allow}\n"
	for _, tc := range []struct{ name, src, code string }{
		{"nothing", "", "empty_file"},
		{"a null", "~", "wrong_type"},
		{"a NUL", "rules: []\x00", "invalid_yaml"},
		{"ten megabytes", "rules:\n" + strings.Repeat(rule, 10<<20/len(rule)), "file_too_large"},
		{"a hundred thousand rules", "rules: [" + strings.Repeat("1,", 100_000) + "]", "too_many_rules"},
		{"rules of one letter", "rules: [" + strings.Repeat("a,", 4000) + "]", "wrong_type"},
		{"fifty thousand keys", keys(50_000), "too_many_errors"},
		{"budgets", "rules: []\nbudgets: [" + strings.Repeat("{},", 101) + "]", "too_many_budgets"},
		{"values", "rules: [{action: a, effect: allow, conditions: [{field: context.x, operator: in, value: [" + strings.Repeat("1,", 10_001) + "]}]}]", "list_too_long"},
		{"actions", "rules: [{effect: allow, action: [" + strings.Repeat("a,", 101) + "]}]", "list_too_long"},
		{"no currency", "rules: [{action: a, effect: allow, constraints: {currency: []}}]", "empty_list"},
		{"no values", "rules: [{action: a, effect: deny, conditions: [{field: context.x, operator: in, value: []}]}]", "empty_list"},
		{"no domains", "rules: [{action: a, effect: deny, constraints: {allowed_domains: [], merchant_domain: []}}]", "empty_list"},
		{"currencies", "rules: [{action: a, effect: allow, constraints: {currency: [" + strings.Repeat("USD,", 10_001) + "]}}]", "list_too_long"},
		{"a long name", "rules: []\nname: " + strings.Repeat("a", 5000), "text_too_long"},
		{"a long regex", "rules: [{action: a, effect: allow, conditions: [{field: context.x, operator: regex, value: " + strings.Repeat("a", 2000) + "}]}]", "regex_too_large"},
		{"a long path", "rules: [{action: a, effect: allow, conditions: [{field: context." + strings.Repeat("a", 300) + ", operator: exists}]}]", "invalid_path"},
		{"a long number", "rules: [{action: a, effect: allow, conditions: [{field: context.x, operator: eq, value: 1" + strings.Repeat("0", 500_000) + "}]}]", "invalid_number"},
		{"a huge exponent", "rules: [{action: a, effect: allow, conditions: [{field: context.x, operator: eq, value: 1e999999999}]}]", "invalid_number"},
		{"deep lists", "rules: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "too_deep"},
		{"deeper lists", "rules: " + strings.Repeat("[", 500_000), "invalid_yaml"},
		{"deep mappings", "rules: " + strings.Repeat("{a: ", 5000) + "b" + strings.Repeat("}", 5000), "too_deep"},
		{"deep when", "rules: [{action: a, effect: allow, when: " + strings.Repeat("{not: ", 100) + "{}" + strings.Repeat("}", 100) + "}]", "too_deep"},
		{"deep params", "rules: [{action: a, effect: allow, obligations: [{type: DEPOSIT, params: " + strings.Repeat("{a: ", 100) + "1" + strings.Repeat("}", 100) + "}]}]", "too_deep"},
		{"a bomb", bomb(), "anchor"},
		{"an anchor to itself", "rules: &a [*a]", "anchor"},
		{"an unknown anchor", "rules: *a", "invalid_yaml"},
		{"merging", "rules: [{<<: {action: a}, effect: allow}]", "wrong_key"},
		{"a key twice", "rules: []\nrules: []", "duplicate_key"},
		{"a key of another kind", "rules: []\n5: a", "wrong_key"},
		{"a key of null", "rules: []\n~: a", "wrong_key"},
		{"a list as a key", "rules: []\n? [a]\n: b", "wrong_key"},
		{"a tag", "rules: !!python/object:os.system []", "tag"},
		{"binary", "rules: []\nname: !!binary aGk=", "tag"},
		{"two documents", "rules: []\n---\nrules: []", "several_documents"},
		{"something after the end", "rules: []\n...\nmore: []", "invalid_yaml"},
		{"tabs", "rules:\n\t- action: a", "invalid_yaml"},
		{"Latin-1", "name: caf\xe9\nrules: []", "invalid_utf8"},
		{"half a surrogate", "name: \xed\xa0\x80\nrules: []", "invalid_utf8"},
		{"UTF-16", "\xff\xfer\x00u\x00l\x00e\x00s\x00", "invalid_utf8"},
		{"words that YAML 1.1 takes for booleans", "rules: []\nenabled: on", "wrong_type"},
		{"a thousand errors a rule", "rules: [" + strings.Repeat("{conditions: [1,2,3,4]},", 4000) + "]", "missing_key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			begun := time.Now()
			p, ds := compiler.Parse("p.yaml", []byte(tc.src))
			var shown strings.Builder
			ds[:min(len(ds), 100)].Render(&shown, func(string) []byte { return []byte(tc.src) })
			if took := time.Since(begun); took > hang {
				t.Errorf("took %v", took)
			}
			if p != nil || ds.Err() == nil {
				t.Fatal("is a policy")
			}
			if shown.Len() > 100_000 {
				t.Errorf("says %d bytes", shown.Len())
			}
			for _, d := range ds {
				if d.Pos.Line < 1 || d.Pos.Column < 1 || d.Pos.File != "p.yaml" {
					t.Errorf("stands nowhere: %+v", d)
				}
				if d.Code == tc.code {
					return
				}
			}
			t.Errorf("got %.300s, want %s", shown.String(), tc.code)
		})
	}
}

// keys is a mapping of n keys.
func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

// bomb is the billion laughs.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [lol]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	return b.String() + "rules: *a29\n"
}

func FuzzParse(f *testing.F) {
	for _, src := range []string{walkThrough, fullPolicy, bomb(), "rules: [{", "%YAML 1.1\n---\n'rules': []\r\n...\n"} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, ds := compiler.Parse("p.yaml", []byte(src))
		if (p == nil) != (ds.Err() != nil) {
			t.Fatalf("policy %v, errors %v", p, ds.Err())
		}
		ds.Render(&strings.Builder{}, func(string) []byte { return []byte(src) })
		if p == nil {
			return
		}
		compiler.Describe(p)
		for _, e := range compiler.Examples(p) {
			if !json.Valid(e) {
				t.Errorf("the example %s", e)
			}
		}
		loadable(t, p)
	})
}
