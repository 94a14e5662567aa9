package conformance_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	. "github.com/openleash/openleash-go/test/conformance"
)

// FuzzDecision holds, for any text that is a policy and any request that a server takes: it compiles, its
// evaluation never fails, and it decides what the reference does.
func FuzzDecision(f *testing.F) {
	for _, c := range load(f) {
		if !c.Raw() {
			f.Add(c.Policies[0].Text, []byte(c.Action), c.Now.Unix(), c.Assurance)
		}
	}
	f.Fuzz(func(t *testing.T, policy, action []byte, now int64, assurance string) {
		parsed, ds := compiler.Parse("p.yaml", policy)
		request, err := proof.ParseAction(action)
		if parsed == nil || err != nil || now < 0 || now > 4e9 || len(policy) > 10_000 {
			return
		}
		files := []rego.File{{Path: "p.yaml", Text: policy}}
		owner := parsed.Owner
		if owner == "" {
			owner = Owner
		}
		e, ds2 := rego.Compile(t.Context(), owner, []string{owner}, files, rego.Options{Deadline: 10 * time.Second})
		if e == nil {
			t.Fatalf("it parses (%v) and does not compile: %v", ds, ds2)
		}
		switch assurance {
		case "LOW", "SUBSTANTIAL", "HIGH":
		default:
			assurance = ""
		}
		at := time.Unix(now, 0).UTC()
		d := e.Layers(rego.Subject{AgentID: "agent", OwnerID: owner, OwnerType: "HUMAN"}).Decide(t.Context(),
			rego.Input{Action: request.Input, ActionType: request.ActionType, Now: at, AssuranceLevel: assurance})
		if d.Err != nil {
			t.Fatalf("evaluation failed: %v", d.Err)
		}
		situation, err := ReadAction(request.Canonical)
		if err != nil {
			t.Fatal(err)
		}
		want := Reference([]*compiler.Policy{parsed}, Situation{Action: situation, AgentID: "agent", Now: at, Assurance: assurance})
		if diff := cmp.Diff(want, OutcomeOf(d)); diff != "" {
			t.Errorf("the engine differs from the reference:\n%s\npolicy:\n%s\naction: %s\nat %v", diff, policy, action, at)
		}
	})
}
