package rego_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/openleash/openleash-go/rego"
)

// doubled are rules each of which holds the one before it twice: n lines make 2^n of the first.
func doubled(first, double string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v0 := %s\n", first)
	for i := range n {
		fmt.Fprintf(&b, "v%d := %s\n", i+1, strings.ReplaceAll(double, "v", fmt.Sprintf("v%d", i)))
	}
	return b.String()
}

// TestHostileRego tries promise 14: what a policy in Rego asks for ends, and takes no more memory than
// there is, whether OPA heeds the deadline on the way or not.
func TestHostileRego(t *testing.T) {
	text := doubled(`"aaaaaaaaaaaaaaaa"`, `concat("", [v, v])`, 16)
	for name, policy := range map[string]string{
		"text that doubles":           doubled(`"aaaaaaaaaaaaaaaa"`, `concat("", [v, v])`, 40) + `decision := v40`,
		"lists that double":           doubled(`[1, 2, 3, 4]`, `array.concat(v, v)`, 40) + `decision := count(v40)`,
		"a tree that doubles":         doubled(`[1, 2, 3, 4]`, `[v, v]`, 40) + `decision := v40`,
		"such a tree as a rule":       doubled(`[1]`, `[v, v]`, 40) + `decision := {"effect": "allow", "rule_id": v40}`,
		"such a tree as params":       doubled(`{"a": 1}`, `{"a": v, "b": v}`, 40) + `decision := {"effect": "allow", "rule_id": "r", "obligations": [{"type": "DEPOSIT", "params": v40}]}`,
		"such a tree as text":         doubled(`[1]`, `[v, v]`, 40) + `decision := sprintf("%v", [v40])`,
		"such a tree as JSON":         doubled(`[1]`, `[v, v]`, 40) + `decision := json.marshal(v40)`,
		"two such trees compared":     doubled(`[1]`, `[v, v]`, 40) + strings.ReplaceAll(doubled(`[1]`, `[v, v]`, 40), "v", "w") + `decision := v40 == w40`,
		"numbers that square":         doubled(`12345678901234567890`, `v * v`, 40) + `decision := v40`,
		"a delimiter":                 text + `decision := concat(v16, split(v12, ""))`,
		"a replacement":               text + `decision := replace(v16, "a", v16)`,
		"a replacement by regex":      text + `decision := regex.replace(v16, "a", v16)`,
		"a wide column":               `decision := sprintf("%999999999d", [1])`,
		"a wide column from outside":  `decision := sprintf("%*d", [999999999, 1])`,
		"a format":                    text + `decision := sprintf(replace(v10, "a", "%[1]s"), [v16])`,
		"a regex that is long to try": text + `decision := regex.match(concat("", [v10, "(a|b)*c"]), v16)`,
		"a loop in a loop":            `decision := count([1 | some a in split(sprintf("%0999d", [1]), ""); some b in split(sprintf("%0999d", [1]), ""); some c in split(sprintf("%0999d", [1]), ""); a != b; b != c])`,
		"walking":                     doubled(`[1]`, `[v, v]`, 40) + `decision := count([x | walk(v40, [x, _])])`,
	} {
		t.Run(name, func(t *testing.T) {
			e, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(policy)}, rego.Options{Deadline: 20 * time.Millisecond})
			if ds.Err() != nil {
				if ds[0].Code != "too_large" {
					t.Fatal(ds.Err())
				}
				return // refused before it is ever evaluated
			}
			if d := e.Layers(subject).Decide(t.Context(), ask("{}")); d.Result != rego.Deny || d.Err == nil {
				t.Errorf("got %s, %q", d.Result, d.Reason)
			}
		})
	}
}

// TestPromise36_ValuesThatGrowAreRefused: values that hold one another several times are refused from the text alone,
// before OPA's type checker or a comparison meets them, whatever way they are written.
func TestPromise36_ValuesThatGrowAreRefused(t *testing.T) {
	chain := func(step string, n int) string { // of rules v0 to v<n>
		return doubled(`[1, input.action_type]`, step, n)
	}
	var locals, reversed strings.Builder
	for i := range 40 {
		fmt.Fprintf(&locals, "\tl%d := [l%d, l%d]\n", i+1, i, i)
		fmt.Fprintf(&reversed, "\tl%d = [l%d, l%d]\n", 40-i, 39-i, 39-i)
	}
	for name, policy := range map[string]string{
		"rules":                chain(`[v, v]`, 40) + `decision := {"effect": "allow", "rule_id": "r"} if v40 == v39`,
		"objects":              chain(`{"a": v, "b": v}`, 40) + `decision := v40`,
		"sets":                 chain(`{v, [v]}`, 40) + `decision := v40`,
		"locals":               "decision := l40 if {\n\tl0 := [input.x]\n" + locals.String() + "}",
		"locals the other way": "decision := l40 if {\n" + reversed.String() + "\tl0 = [input.x]\n}",
		"a function":           "f(x) := [x, x]\ndecision := " + strings.Repeat("f(", 20) + "1" + strings.Repeat(")", 20),
		"functions of functions": "f0(x) := [x, x]\n" + func() (out string) {
			for i := range 10 {
				out += fmt.Sprintf("f%d(x) := f%d(f%d(x))\n", i+1, i, i)
			}
			return out
		}() + "decision := f10(1)",
		"comprehensions":          chain(`[[x, x] | some x in [v]]`, 40) + `decision := v40`,
		"loops over constants":    chain(`[v | some _ in [1, 2]]`, 40) + `decision := v40`,
		"indices":                 chain(`[v | [1, 2][_]]`, 40) + `decision := v40`,
		"partial sets":            chain(`{[x, y] | some x in [v]; some y in [v]}`, 40) + `decision := v40`,
		"else":                    chain(`[v, v] if input.x else := [v]`, 40) + `decision := v40`,
		"the package by its path": strings.ReplaceAll(chain(`[v, v]`, 40), "[v", "[data.openleash.policy.raw.v") + `decision := v40`,
	} {
		t.Run(name, func(t *testing.T) {
			_, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(policy)}, rego.Options{})
			if len(ds) == 0 || ds[0].Code != "too_large" || ds[0].Pos.Line < 2 {
				t.Errorf("got %v", ds)
			}
		})
	}
	for name, policy := range map[string]string{
		"a table":               "t := [" + strings.Repeat("[1, 2, 3], ", 2000) + "1]\ndecision := {\"effect\": \"allow\", \"rule_id\": \"r\"} if count(t) == 2001",
		"loops over the input":  `decision := {"effect": "allow", "rule_id": "r"} if count([[a, b] | some a in input.payload.items; some b in input.payload.items]) == 0`,
		"a lookup in a table":   "t := {\"a\": [1, 2], \"b\": [3, 4]}\nu := [x | some x in t[input.payload.k]]\nw := [x | some x in u]\nz := [x | some x in w]\ndecision := {\"effect\": \"allow\", \"rule_id\": \"r\"} if count(z) == 0",
		"a function of a value": "f(x) := [x, x]\ndecision := {\"effect\": \"allow\", \"rule_id\": \"r\"} if count(f(f(f(input.payload)))) == 2",
	} {
		t.Run(name, func(t *testing.T) {
			if _, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(policy)}, rego.Options{}); ds.Err() != nil {
				t.Error(ds.Err())
			}
		})
	}
}

// json.patch can copy a value into itself, and comparing that overflows the stack of the whole process.
func TestPromise36_NoValueHoldsItself(t *testing.T) {
	_, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(`decision := json.patch({"a": {}}, [{"op": "copy", "from": "/a", "path": "/a/k"}])`)}, rego.Options{})
	if len(ds) == 0 || ds[0].Code != "rego_type_error" {
		t.Errorf("got %v", ds)
	}
}

func TestWhatMakesMuchOfLittleIsRefused(t *testing.T) {
	for _, call := range []string{`bits.lsh(1, 1000000000000)`, `numbers.range(1, 1000000000000)`, `graph.reachable_paths({"a": ["a"]}, {"a"})`,
		`json.marshal_with_options({}, {"prefix": ""})`, `yaml.unmarshal("")`, `yaml.is_valid("")`, `rand.intn("a", 5)`,
		`strings.render_template("{{range .a}}{{range $.a}}{{end}}{{end}}", {"a": [1]})`} {
		_, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw("decision := " + call)}, rego.Options{})
		if len(ds) == 0 || ds[0].Code != "rego_type_error" || ds[0].Pos.Line != 3 {
			t.Errorf("%s: %v", call, ds)
		}
	}
}

// TestBoundedBuiltinsAreOPAs holds calls through the bound, in every place where one may stand.
func TestBoundedBuiltinsAreOPAs(t *testing.T) {
	for name, policy := range map[string]string{
		"in a body":          `decision := {"effect": "allow", "rule_id": "r"} if startswith(input.action_type, "purchase")`,
		"in a head":          `decision := {"effect": lower("ALLOW"), "rule_id": sprintf("r%d", [1])}`,
		"in a comprehension": `decision := {"effect": "allow", "rule_id": "r"} if count([x | some x in split("a.b", "."); upper(x) == "A"]) == 1`,
		"in every":           `decision := {"effect": "allow", "rule_id": "r"} if every x in ["a", "b"] { contains("ab", x) }`,
		"under not":          `decision := {"effect": "allow", "rule_id": "r"} if not endswith(input.action_type, "x")`,
		"in a function":      "f(x) := trim(x, \" \")\ndecision := {\"effect\": \"allow\", \"rule_id\": f(\" r \")}",
		"as infix":           `decision := {"effect": "allow", "rule_id": "r"} if (1 + 2) * 3 == 9`,
		"in else":            "f := 1 if input.x == 1 else := max([2, 3])\ndecision := {\"effect\": \"allow\", \"rule_id\": \"r\"} if f == 3",
		"walking":            `decision := {"effect": "allow", "rule_id": "r"} if { walk({"a": {"b": 7}}, [["a", "b"], v]); v == 7 }`,
		"a set":              `decision := {"effect": "allow", "rule_id": "r"} if ({1, 2} & {2, 3}) | {5} == {2, 5}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := engine(t, raw(policy)).Layers(subject).Decide(t.Context(), ask("{}"))
			if d.Result != rego.Allow {
				t.Errorf("got %s, %q, %v", d.Result, d.Reason, d.Err)
			}
		})
	}
}

// stall holds an evaluation up for as long as it is not released.
type stall chan struct{}

func (stall) Enabled() bool                { return true }
func (stall) Config() topdown.TraceConfig  { return topdown.TraceConfig{} }
func (s stall) TraceEvent(_ topdown.Event) { <-s }

// TestAStuckPolicyIsAskedOnce holds that an evaluation that does not heed its deadline denies, and keeps
// its own policy alone from being asked, until it ends.
func TestAStuckPolicyIsAskedOnce(t *testing.T) {
	for name, policy := range map[string]rego.File{
		"Rego": {Path: "a.rego", Text: []byte("# METADATA\n# custom: {applies_to: {agents: [shopper]}}\npackage openleash.policy.a\n" +
			`decision := {"effect": "allow", "rule_id": "r"}`)},
		"regex": yaml("a", "applies_to: {agents: [shopper]}\nrules: [{action: '*', effect: allow, conditions: [{field: action_type, operator: regex, value: 'a'}]}]"),
	} {
		t.Run(name, func(t *testing.T) {
			e, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{policy, yaml("b", rule("allow", ""))}, rego.Options{Deadline: 20 * time.Millisecond})
			if ds.Err() != nil {
				t.Fatal(ds.Err())
			}
			hold, in := make(stall), ask(`{}`)
			in.Tracer = hold
			if d := e.Layers(subject).Decide(t.Context(), in); d.Result != rego.Deny || d.Reason != "policy_error: a policy took too long" {
				t.Errorf("held up: %s, %q, %v", d.Result, d.Reason, d.Err)
			}
			if d := e.Layers(subject).Decide(t.Context(), ask(`{}`)); d.Result != rego.Deny || d.Err == nil {
				t.Errorf("asked again: %s, %v", d.Result, d.Err)
			}
			other := subject
			other.AgentID = "other"
			allowed := func(s rego.Subject) bool { return e.Layers(s).Decide(t.Context(), ask(`{}`)).Result == rego.Allow }
			for !allowed(other) { // the machine may be busy; a policy that is stuck would never pass
			}
			close(hold)
			for !allowed(subject) {
			}
		})
	}
}

func TestPolicyThatCannotBeCompiledInTime(t *testing.T) {
	two := doubled(`[1]`, `[v, v]`, 32) + strings.ReplaceAll(doubled(`[1]`, `[v, v]`, 32), "v", "w")
	if p, ds := rego.NewSet(rego.Options{}).Try(raw(two + `decision := {v32, w32}`)); p != nil || ds.Err() == nil {
		t.Errorf("got %v, %v", p, ds)
	}
}

// TestHostileText holds that a text that is made to be long to read is refused, with its place.
func TestHostileText(t *testing.T) {
	for name, tc := range map[string]struct{ text, code string }{
		"lists in lists":    {"decision := " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000), "rego_parse_error"},
		"lists without end": {"decision := " + strings.Repeat("[", 100_000), "rego_parse_error"},
		"objects":           {"decision := " + strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000), "rego_parse_error"},
		"parentheses":       {"decision := " + strings.Repeat("(", 5_000) + "1" + strings.Repeat(")", 5_000), "rego_parse_error"},
		"comprehensions":    {"decision := " + strings.Repeat("[x | x := ", 5_000) + "1" + strings.Repeat("]", 5_000), "rego_parse_error"},
		"every":             {"decision := 1 if " + strings.Repeat("every x in [1] {", 5_000) + "true" + strings.Repeat("}", 5_000), "rego_parse_error"},
		"sums":              {"decision := 1" + strings.Repeat("+1", 50_000), "rego_parse_error"},
		"a long file":       {"decision := 1 # " + strings.Repeat("x", 200_000), "file_too_large"},
	} {
		_, ds := rego.Compile(t.Context(), owner, []string{owner}, []rego.File{raw(tc.text)}, rego.Options{})
		if len(ds) == 0 || ds[0].Code != tc.code || ds[0].Pos.Line < 1 {
			t.Errorf("%s: %v", name, ds)
		}
	}
}
