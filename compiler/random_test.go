package compiler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/compiler"
	engine "github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/test/conformance"
)

// TestReference holds the compiled module, in stock OPA, to the reference interpreter, for policies that
// no person wrote: the same rule decides, with the same obligations.
func TestReference(t *testing.T) { rapid.Check(t, checkReference) }

func FuzzReference(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkReference)) }

func checkReference(t *rapid.T) {
	src := conformance.SomePolicy(t, "id: p\ndefault: passthrough", conformance.AllEffects...)
	p, ds := compiler.Parse("p.yaml", []byte(src))
	if ds.Err() != nil {
		t.Fatalf("%s%v", src, ds.Err())
	}
	decide := prepared(t, p)
	for range 5 {
		body := conformance.SomeAction(t)
		action, err := conformance.ReadAction([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		s := conformance.Situation{Action: action, Assurance: rapid.OneOf(rapid.Just(""), conformance.SomeLevels).Draw(t, "assurance"),
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
		q, err := rego.New(module, rego.Query("data.openleash.policy["+strconv.Quote(p.ID)+"].decision"),
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
	action := s.Action["action_type"].(string)
	input := map[string]any{"now_ns": json.Number(fmt.Sprint(s.Now.UnixNano())), "assurance_level": s.Assurance,
		"action_patterns": compiler.ActionPatterns(action)}
	maps.Copy(input, s.Action)
	input["action_type"] = compiler.FoldAction(action)
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
