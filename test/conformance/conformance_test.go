package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/bundle"
	opa "github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	. "github.com/openleash/openleash-go/test/conformance"
)

func load(t testing.TB) []Case {
	t.Helper()
	cases, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func compile(t testing.TB, files []rego.File) *rego.Engine {
	t.Helper()
	e, ds := rego.Compile(t.Context(), Owner, []string{Owner}, files, rego.Options{Deadline: 10 * time.Second})
	if ds.Err() != nil {
		t.Fatal(ds.Err())
	}
	return e
}

// input is what a server would ask the policies of a case.
func input(t testing.TB, c Case) (rego.Subject, rego.Input) {
	t.Helper()
	action, err := proof.ParseAction(c.Action)
	if err != nil {
		t.Fatalf("a server would refuse the action %s: %v", c.Action, err)
	}
	return rego.Subject{AgentID: c.AgentID, PrincipalID: "agt_00000000000000000000000000", Groups: c.Groups, OwnerID: Owner, OwnerType: "HUMAN"},
		rego.Input{Action: action.Input, ActionType: action.ActionType, Now: c.Now, AssuranceLevel: c.Assurance}
}

func TestEnough(t *testing.T) {
	cases := load(t)
	if len(cases) < 150 {
		t.Errorf("there are %d cases", len(cases))
	}
	names := map[string]bool{}
	var all strings.Builder
	for _, c := range cases {
		if names[c.Name] {
			t.Errorf("two cases are called %s", c.Name)
		}
		names[c.Name] = true
		for _, p := range c.Policies {
			all.Write(p.Text)
		}
		all.Write(c.Action)
	}
	for _, word := range []string{
		"id:", "enabled:", "applies_to:", "agents:", "groups:", "guardrail:", "rank:", "default:", "rules:",
		"effect:", "action:", "when:", "conditions:", "constraints:", "requirements:", "obligations:", "proof",
		"all:", "any:", "not:", "match:", "path:", "op:", "value:", "field:", "operator:",
		"eq", "neq", "in", "nin", "lt", "lte", "gt", "gte", "regex", "exists",
		"amount_max", "amount_min", "currency", "merchant_domain", "allowed_domains", "blocked_domains", "schedule",
		"days", "hours", "timezone", "min_assurance_level", "LOW", "SUBSTANTIAL", "HIGH", "type:", "params:",
		"HUMAN_APPROVAL", "STEP_UP_AUTH", "DEPOSIT", "COUNTERPARTY_ATTESTATION", "ttl_seconds",
		"passthrough", "require_approval", "require_step_up", "require_deposit", "allow", "deny",
	} {
		if !strings.Contains(all.String(), word) {
			t.Errorf("no case has %s", word)
		}
	}
}

func TestEngine(t *testing.T) {
	for _, c := range load(t) {
		t.Run(c.Name, func(t *testing.T) {
			subject, in := input(t, c)
			d := compile(t, c.Policies).Layers(subject).Decide(t.Context(), in)
			if diff := cmp.Diff(c.Want, OutcomeOf(d)); diff != "" {
				t.Errorf("%s\nreason: %s, error: %v", diff, d.Reason, d.Err)
			}
		})
	}
}

func TestReference(t *testing.T) {
	for _, c := range load(t) {
		if c.Raw() {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if diff := cmp.Diff(c.Want, reference(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func reference(t testing.TB, c Case) Outcome {
	t.Helper()
	var policies []*compiler.Policy
	for _, f := range c.Policies {
		p, ds := compiler.Parse(f.Path, f.Text)
		if p == nil {
			t.Fatal(ds)
		}
		policies = append(policies, p)
	}
	action, err := ReadAction(c.Action)
	if err != nil {
		t.Fatal(err)
	}
	return Reference(policies, Situation{Action: action, AgentID: c.AgentID, Groups: c.Groups, Now: c.Now, Assurance: c.Assurance})
}

// TestBundle asks stock OPA for the entrypoint of the exported bundle.
func TestBundle(t *testing.T) {
	for _, c := range load(t) {
		t.Run(c.Name, func(t *testing.T) {
			subject, in := input(t, c)
			e := compile(t, c.Policies)
			if diff := cmp.Diff(c.Want, bundled(t, e, subject, in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// bundled is the decision of an engine's bundle.
func bundled(t rapid.TB, e *rego.Engine, subject rego.Subject, in rego.Input) Outcome {
	t.Helper()
	var archive bytes.Buffer
	if err := rego.WriteBundle(&archive, e, nil); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.NewReader(&archive).Read()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := subject.Document(in)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := opa.New(opa.ParsedBundle("openleash", &b), opa.Query("data.openleash.decision"), opa.ParsedInput(doc),
		opa.StrictBuiltinErrors(true)).Eval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) == 0 {
		t.Fatal("the bundle's decision is undefined")
	}
	return decode(t, rs[0].Expressions[0].Value)
}

func decode(t rapid.TB, v any) Outcome {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Result      rego.Result           `json:"result"`
		PolicyID    string                `json:"policy_id"`
		RuleID      string                `json:"rule_id"`
		Obligations []compiler.Obligation `json:"obligations"`
		Proof       compiler.ProofSpec    `json:"proof"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return OutcomeOf(rego.Decision{Result: d.Result, PolicyID: d.PolicyID, RuleID: d.RuleID, Obligations: d.Obligations, Proof: d.Proof})
}
