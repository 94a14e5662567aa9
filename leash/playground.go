package leash

import (
	"context"
	"encoding/json"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// PlaygroundInput is a policy and an action to try on it. Nothing is recorded.
type PlaygroundInput struct {
	PolicyYAML string          `json:"policy_yaml"`
	Action     json.RawMessage `json:"action"`
	// Now is the time to try at; zero is the present.
	Now time.Time `json:"now,omitzero"`
}

// PlaygroundAnswer is what the policy would decide, rule by rule.
type PlaygroundAnswer struct {
	Result        store.Result       `json:"result"`
	MatchedRuleID *string            `json:"matched_rule_id"`
	Reason        string             `json:"reason"`
	ActionHash    string             `json:"action_hash"`
	Obligations   []store.Obligation `json:"obligations"`
	Trace         []TraceRule        `json:"trace"`
}

// TraceRule says which parts of one rule held.
type TraceRule struct {
	PolicyID         string `json:"policy_id"`
	RuleID           string `json:"rule_id"`
	PatternMatch     bool   `json:"pattern_match"`
	WhenMatch        bool   `json:"when_match"`
	ConstraintsMatch bool   `json:"constraints_match"`
	FinalMatch       bool   `json:"final_match"`
	PossibleMatch    bool   `json:"possible_match"` // not known, because of a missing or mistyped field
	Line             int    `json:"line,omitempty"`
}

// Playground tries a policy on an action for the caller, without a record.
func (s *Service) Playground(ctx context.Context, c Caller, in PlaygroundInput) (PlaygroundAnswer, error) {
	now := in.Now
	if now.IsZero() {
		now = s.Now()
	}
	return Try(ctx, in.PolicyYAML, in.Action, rego.Subject{AgentID: "playground", PrincipalID: "agt_playground", OwnerID: c.OwnerID, OwnerType: "HUMAN"}, now)
}

// Try evaluates one policy text for one action, for a subject that the policy is made to apply to.
func Try(ctx context.Context, policy string, action json.RawMessage, subject rego.Subject, now time.Time) (PlaygroundAnswer, error) {
	parsed, err := ParseAction(action)
	if err != nil {
		return PlaygroundAnswer{}, err
	}
	layers, err := tryLayers(ctx, policy, subject)
	if err != nil {
		return PlaygroundAnswer{}, err
	}
	trace, d := layers.Trace(ctx, rego.Input{Action: parsed.Input, ActionType: parsed.ActionType, Now: now})
	out := PlaygroundAnswer{Result: store.Result(d.Result), MatchedRuleID: nullable(d.RuleID), Reason: d.Reason,
		ActionHash: parsed.Hash, Obligations: []store.Obligation{}, Trace: []TraceRule{}}
	for _, o := range d.Obligations {
		out.Obligations = append(out.Obligations, store.Obligation{Type: o.Type, Status: "PENDING", Details: o.Params})
	}
	for _, t := range trace {
		out.Trace = append(out.Trace, TraceRule(t))
	}
	return out, nil
}

// tryDeadline is generous: a person waits for the answer, and no agent.
const tryDeadline = 5 * time.Second

// tryLayers compiles a policy text and makes it apply to the subject, whatever binding it names.
func tryLayers(ctx context.Context, text string, subject rego.Subject) (*rego.Layers, error) {
	if len(text) > compiler.MaxFile {
		return nil, fail(InvalidPolicy, "a policy is at most %d bytes", compiler.MaxFile)
	}
	name := "policy.yaml"
	if isRego(text) {
		name = "policy.rego"
	} else if unbound, err := compiler.SetHeader([]byte(text), map[string]any{"applies_to": nil, "owner": nil, "enabled": nil}); err == nil {
		text = string(unbound)
	}
	engine, ds := rego.Compile(ctx, subject.OwnerID, []string{subject.OwnerID}, []rego.File{{Path: name, Text: []byte(text)}}, rego.Options{Deadline: tryDeadline})
	if ds.Err() != nil {
		return nil, invalidPolicy(ds)
	}
	return engine.Layers(subject), nil
}
