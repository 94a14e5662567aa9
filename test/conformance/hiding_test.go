package conformance_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	. "github.com/openleash/openleash-go/test/conformance"
)

// random is policies that no person wrote, and how each door decides by them.
type random struct {
	files  []rego.File
	parsed []*compiler.Policy
	layers *rego.Layers
	engine *rego.Engine
	at     time.Time
	level  string
}

var randomAgent = rego.Subject{AgentID: "agent", OwnerID: Owner, OwnerType: "HUMAN"}

func drawPolicies(t *rapid.T) random {
	r := random{at: time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0).UTC(),
		level: rapid.OneOf(rapid.Just(""), SomeLevels).Draw(t, "assurance")}
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		head, effects := fmt.Sprintf("id: p%d\nrank: %d", i, i), AllEffects
		if rapid.Bool().Draw(t, "guardrail") {
			head, effects = head+"\nguardrail: true", GuardrailEffects
		} else {
			head += "\ndefault: " + rapid.SampledFrom([]string{"allow", "deny", "require_approval", "passthrough"}).Draw(t, "default")
		}
		f := rego.File{Path: fmt.Sprintf("p%d.yaml", i), Text: []byte(SomePolicy(t, head, effects...))}
		p, ds := compiler.Parse(f.Path, f.Text)
		if p == nil {
			t.Fatalf("%s%v", f.Text, ds)
		}
		r.files, r.parsed = append(r.files, f), append(r.parsed, p)
	}
	e, ds := rego.Compile(t.Context(), Owner, []string{Owner}, r.files, rego.Options{Deadline: 10 * time.Second})
	if e == nil {
		t.Fatal(ds)
	}
	r.engine, r.layers = e, e.Layers(randomAgent)
	return r
}

func (r random) input(t *rapid.T, body string) rego.Input {
	action, err := proof.ParseAction([]byte(body))
	if err != nil {
		t.Skip("a server refuses the action")
	}
	return rego.Input{Action: action.Input, ActionType: action.ActionType, Now: r.at, AssuranceLevel: r.level}
}

func (r random) decide(t *rapid.T, body string) rego.Decision {
	d := r.layers.Decide(t.Context(), r.input(t, body))
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	return d
}

func (r random) texts() string {
	var b strings.Builder
	for _, f := range r.files {
		fmt.Fprintf(&b, "%s\n%s\n", f.Path, f.Text)
	}
	return b.String()
}

// TestRandomPolicies holds the engine, the bundle in stock OPA and the reference to each other, over several
// policies and guardrails.
func TestRandomPolicies(t *testing.T) { rapid.Check(t, checkDoors) }

func FuzzRandomPolicies(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkDoors)) }

func checkDoors(t *rapid.T) {
	r := drawPolicies(t)
	body := SomeAction(t)
	situation, err := ReadAction([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := Reference(r.parsed, Situation{Action: situation, AgentID: "agent", Now: r.at, Assurance: r.level})
	if diff := cmp.Diff(want, OutcomeOf(r.decide(t, body))); diff != "" {
		t.Fatalf("the engine differs from the reference:\n%s\n%s%s at %v, %q", diff, r.texts(), body, r.at, r.level)
	}
	if diff := cmp.Diff(want, bundled(t, r.engine, randomAgent, r.input(t, body))); diff != "" {
		t.Fatalf("the bundle differs from the reference:\n%s\n%s%s at %v, %q", diff, r.texts(), body, r.at, r.level)
	}
}

// TestPromise26_HidingAFieldNeverHelps: an action without a field, or with a value of a type that no comparison
// takes, gets an answer that is at least as strict as with any value of the field.
func TestPromise26_HidingAFieldNeverHelps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawPolicies(t)
		body := SomeAction(t)
		values := rapid.SliceOfN(rapid.OneOf(SomeValues, rapid.Map(SomeHosts, func(s string) string { return fmt.Sprintf("%q", s) })), 8, 8).Draw(t, "values")
		for _, field := range r.compared() {
			hidden := []rego.Decision{r.decide(t, with(t, body, field, ""))}
			if field != "relying_party.domain" { // of which a server accepts strings only
				hidden = append(hidden, r.decide(t, with(t, body, field, "[]")), r.decide(t, with(t, body, field, "{}")))
			}
			for _, v := range values {
				if field == "relying_party.domain" && v[0] != '"' {
					continue
				}
				shown := with(t, body, field, wrapped(field, v))
				strict := r.decide(t, shown)
				for _, got := range hidden {
					if !atLeast(got, strict) {
						t.Fatalf("%s\n%s gets %s %v (%s)\nwithout %s, or with another type, it gets %s %v (%s)", r.texts(),
							shown, strict.Result, owed(strict), strict.Reason, field, got.Result, owed(got), got.Reason)
					}
				}
			}
		}
	})
}

// compared are the fields that the policies compare, and do not ask for the existence of. Constraints on domains ask
// of those that are given, so that leaving one of two out is like exists: it is not hiding.
func (r random) compared() []string {
	var out, optional []string
	for _, p := range r.parsed {
		for _, rule := range p.Rules {
			for _, ref := range rule.Fields {
				if ref.Type == "domain" {
					optional = append(optional, fmt.Sprint(ref.Path[0], ".", ref.Path[1]))
				}
			}
		}
	}
	for _, p := range r.parsed {
		for _, rule := range p.Rules {
			for _, ref := range rule.Fields {
				field := fmt.Sprint(ref.Path[0], ".", ref.Path[1])
				if !slices.Contains(out, field) && !slices.Contains(optional, field) && !r.askIfThere(field) {
					out = append(out, field)
				}
			}
		}
	}
	return out
}

// wrapped is a value where policies look for it within a field.
func wrapped(field, value string) string {
	switch field {
	case "payload.y":
		return `{"z":` + value + `}`
	case "payload.list":
		return "[" + value + "]"
	}
	return value
}

// atLeast says that a decision is at least as strict as another.
func atLeast(d, other rego.Decision) bool {
	if d.Result == rego.Deny {
		return true
	}
	missing := slices.ContainsFunc(owed(other), func(o string) bool { return !slices.Contains(owed(d), o) })
	return other.Result != rego.Deny && !missing
}

func owed(d rego.Decision) []string {
	var out []string
	for _, o := range d.Obligations {
		out = append(out, o.Type)
	}
	return out
}

// askIfThere says that a policy asks whether a field, or something in it, exists.
func (r random) askIfThere(field string) bool {
	var asks func(e compiler.Expr) bool
	asks = func(e compiler.Expr) bool {
		switch e := e.(type) {
		case compiler.All:
			return slices.ContainsFunc(e.Exprs, asks)
		case compiler.Any:
			return slices.ContainsFunc(e.Exprs, asks)
		case compiler.Not:
			return asks(e.Expr)
		case compiler.Match:
			return e.Op == compiler.Exists && strings.HasPrefix(e.Path.String(), "$."+field)
		}
		return false
	}
	return slices.ContainsFunc(r.parsed, func(p *compiler.Policy) bool {
		return slices.ContainsFunc(p.Rules, func(rule compiler.Rule) bool { return asks(rule.When) || asks(rule.Constraints) })
	})
}

// with is an action with a field set to a value, or without it.
func with(t *rapid.T, body, field, value string) string {
	var action map[string]any
	if err := json.Unmarshal([]byte(body), &action); err != nil {
		t.Fatal(err)
	}
	object, key, _ := strings.Cut(field, ".")
	members := action[object].(map[string]any)
	delete(members, key)
	if value != "" {
		members[key] = json.RawMessage(value)
	}
	out, err := json.Marshal(action)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
