package leash

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
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
	if len(text) > MaxPolicy {
		return nil, fail(InvalidPolicy, "a policy is at most %d bytes", MaxPolicy)
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

// Change is a recorded request that an edited policy set would answer differently.
type Change struct {
	DecisionID string          `json:"decision_id"`
	Time       time.Time       `json:"time"`
	AgentID    string          `json:"agent_id"`
	ActionType string          `json:"action_type"`
	Action     json.RawMessage `json:"action"`
	Before     store.Result    `json:"before"` // by the policies in force
	After      store.Result    `json:"after"`  // by the edited ones
	RuleBefore string          `json:"rule_before,omitempty"`
	RuleAfter  string          `json:"rule_after,omitempty"`
}

// Comparison is what would change.
type Comparison struct {
	Replayed int      `json:"replayed"` // recorded requests that were tried
	Changes  []Change `json:"changes"`  // newest first, at most MaxChanges
	More     bool     `json:"more"`     // there are further changes or requests
}

const (
	// CompareDays is how far back requests are replayed.
	CompareDays = 30
	// MaxChanges bounds what one comparison lists.
	MaxChanges = 200
	maxReplays = 20_000
)

// Compare replays the caller's recorded requests of the last 30 days against the policies in force
// and against the same with one text written in place of policy id (or added, if there is none). An
// agentPrincipalID restricts it to one agent. Budgets are taken as unspent on both sides.
func (s *Service) Compare(ctx context.Context, c Caller, id, text, agentPrincipalID string) (Comparison, error) {
	after, err := s.edited(ctx, c, id, text)
	if err != nil {
		return Comparison{}, err
	}
	out := Comparison{Changes: []Change{}}
	q := store.AuditQuery{OwnerID: c.OwnerID, AgentPrincipalID: agentPrincipalID, Types: []store.EventType{store.DecisionCreated},
		Since: s.Now().AddDate(0, 0, -CompareDays), Limit: 500}
	layers := map[string][2]*rego.Layers{}
	for {
		page, err := s.store.Audit(ctx, q)
		if err != nil {
			return out, unavailable(err)
		}
		for _, e := range page.Items {
			if out.Replayed >= maxReplays || len(out.Changes) >= MaxChanges {
				out.More = true
				return out, nil
			}
			change, err := s.replay(ctx, e, after, layers)
			if err != nil {
				return out, err
			}
			out.Replayed++
			if change != nil {
				out.Changes = append(out.Changes, *change)
			}
		}
		if page.NextCursor == "" {
			return out, nil
		}
		q.Cursor = page.NextCursor
	}
}

// edited compiles the caller's set with one policy written.
func (s *Service) edited(ctx context.Context, c Caller, id, text string) (*rego.Engine, error) {
	var files []rego.File
	put := rego.File{Path: "draft.yaml", Text: []byte(text)}
	if isRego(text) {
		put.Path = "draft.rego"
	}
	for _, p := range s.policies.Engine(c.OwnerID).Policies() {
		if p.ID == id {
			put.Path = p.File
			continue
		}
		files = append(files, rego.File{Path: p.File, Text: p.Text})
	}
	engine, ds := rego.Compile(ctx, c.OwnerID, []string{c.OwnerID}, append(files, put), rego.Options{Deadline: s.cfg.PolicyTimeout})
	if ds.Err() != nil {
		return nil, invalidPolicy(ds)
	}
	return engine, nil
}

// replay tries one recorded request before and after; nil if nothing changes.
func (s *Service) replay(ctx context.Context, e store.Entry, after *rego.Engine, cache map[string][2]*rego.Layers) (*Change, error) {
	if e.Decision == nil || len(e.Action) == 0 {
		return nil, nil
	}
	pair, ok := cache[e.AgentID]
	if !ok {
		a, err := s.agent(ctx, e.AgentID)
		if err != nil {
			var known *Error
			if errors.As(err, &known) && known.Code != Unavailable {
				cache[e.AgentID] = pair // the agent is gone; nothing changes for it
				return nil, nil
			}
			return nil, err
		}
		pair = [2]*rego.Layers{a.layers, after.Layers(rego.Subject{AgentID: a.AgentID, PrincipalID: a.PrincipalID,
			Groups: a.Groups, OwnerID: a.OwnerID, OwnerType: a.Owner.Type})}
		cache[e.AgentID] = pair
	}
	action := replayable(e)
	if action == nil || pair[0] == nil {
		return nil, nil
	}
	in := rego.Input{Action: action.Input, ActionType: action.ActionType, Now: e.Time}
	was, is := pair[0].Decide(ctx, in), pair[1].Decide(ctx, in)
	if was.Result == is.Result {
		return nil, nil
	}
	return &Change{DecisionID: e.Decision.ID, Time: e.Time, AgentID: e.AgentID, ActionType: action.ActionType, Action: e.Action,
		Before: store.Result(was.Result), After: store.Result(is.Result), RuleBefore: was.RuleID, RuleAfter: is.RuleID}, nil
}

// replayable is the action of a recorded request; nil if it was redacted.
func replayable(e store.Entry) *proof.ParsedAction {
	action, err := proof.ParseAction(e.Action)
	if err != nil {
		return nil
	}
	return action
}
