package rego_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/rego"
)

// TestPatternsAtLoad: a regular expression that stands in a policy is looked at when the policy is loaded.
func TestPatternsAtLoad(t *testing.T) {
	for _, tc := range []struct{ policy, want string }{
		{`decision := regex.match("^[a-z]{1,64}$", "a")`, ""},
		{`decision := regex.match("(a?){100}b", "a")`, "3:25 regex_too_large"},
		{`decision := regex.match("((a{9}){9}){9}", "a")`, "3:25 regex_too_large"},
		{`decision := regex.match("(a{1000}){1000}", "a")`, "3:25 invalid_regex"},
		{`decision := regex.match("(", "a")`, "3:25 invalid_regex"},
		{`decision := regex.match("` + strings.Repeat("a|", 600) + `", "a")`, "3:25 regex_too_large"},
		{`decision := regex.find_n("a{999}", "a", 1)`, "3:26 regex_too_large"},
		{`decision := regex.find_all_string_submatch_n("a{999}", "a", 1)`, "3:46 regex_too_large"},
		{`decision := regex.split("a{999}", "a")`, "3:25 regex_too_large"},
		{`decision := regex.replace("a", "a{999}", "b")`, "3:32 regex_too_large"},
		{`decision := regex.replace("a", "b", "a{999}")`, ""},
		{`decision := count([1 | regex.match("a{999}", input.x)])`, "3:36 regex_too_large"},
		{`decision := 1 if not regex.match("a{999}", input.x)`, "3:34 regex_too_large"},
		{`decision := 1 if regex.match("a{999}", lower(input.x)) else := regex.match("b{999}", "b")`, "3:30 regex_too_large 3:76 regex_too_large"},
		{`decision := upper(concat("", regex.split("a{999}", input.x)))`, "3:42 regex_too_large"},
		{`decision := regex.is_valid("a{999}")`, ""},
		{"decision := 1\n" + strings.Repeat(`x if regex.match("`+strings.Repeat("a", 200)+"\", input.x)\n", 51), "54:18 regex_too_large"},
		{"decision := 1\n" + strings.Repeat(`x if regex.match("`+strings.Repeat(`\\pL|`, 200)+"\", input.x)\n", 100), "16:18 regex_too_large"},
	} {
		_, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(tc.policy)}, rego.Options{})
		var got []string
		for _, d := range ds {
			got = append(got, fmt.Sprintf("%d:%d %s", d.Pos.Line, d.Pos.Column, d.Code))
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%.100s: got %q, want %q", tc.policy, got, tc.want)
		}
	}
}

// TestPatternsAtCall: what a call would take too long for is refused before it begins, and its policy denies.
func TestPatternsAtCall(t *testing.T) {
	texts := doubled(`"aaaaaaaaaaaaaaaa"`, `concat("", [v, v])`, 12) // v12 is 64 KiB
	for _, tc := range []struct{ call, want string }{
		{`regex.match("a{200}b", v12)`, ""},
		{`regex.match("^[a-z]+$", concat("", [v12, v12, v12, v12]))`, ""},
		{`regex.match(concat("", ["a{", "999}"]), "a")`, "1001 steps"},
		{`regex.match("(a|b){70}c", concat("", [v12, v12]))`, "too long for this regex"},
		{`regex.match(concat("", ["(", ""]), "a")`, "not RE2"},
		{`regex.find_n(".*b|a", v12, -1)`, "too long to find all matches"},
		{`regex.find_n(".*b|a", v12, 20)`, ""},
		{`regex.find_all_string_submatch_n(".*b|a", v12, -1)`, "too long to find all matches"},
		{`regex.split("[ ,]+", v12)`, "too long to find all matches"},
		{`regex.split("[ ,]+", v8)`, ""},
		{`regex.replace(v12, ".*b|a", "")`, "too long to find all matches"},
		{`regex.replace(v8, "a", v12)`, "more than"},
		{`replace(v12, "a", v4)`, ""},
		{`replace(v12, "a", v10)`, "more than"},
		{`glob.match("*.example.com", [], v12)`, ""},
		{`glob.match("*a?*a?*b?*c", [], v5)`, ""},
		{`glob.match("*a?*a?*a?*a?*b?*c", ["."], v8)`, "so many stars"},
		{`glob.match("*a*a*a*a*a*a*a*a*a*a*a*a*b", ["."], v3)`, "so many stars"},
		{`glob.match(v12, [], "a")`, "a glob is at most"},
	} {
		policy := texts + "called if " + tc.call + "\ncalled if true\n" + `decision := {"effect": "allow", "rule_id": "r"} if called`
		e, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(policy)}, rego.Options{Deadline: time.Minute})
		if ds.Err() != nil {
			t.Fatal(ds)
		}
		d := e.Layers(subject).Decide(t.Context(), ask("{}"))
		if tc.want == "" && d.Result != rego.Allow || tc.want != "" && (d.Result != rego.Deny || d.Err == nil || !strings.Contains(d.Err.Error(), tc.want)) {
			t.Errorf("%s: got %s, %v, want %q", tc.call, d.Result, d.Err, tc.want)
		}
	}
}
