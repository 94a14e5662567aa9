package leash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// Difference is a request that an edited policy set would answer differently.
type Difference struct {
	ActionType string          `json:"action_type"`
	Action     json.RawMessage `json:"action"`
	Before     store.Result    `json:"before"` // by the policies in force
	After      store.Result    `json:"after"`  // by the edited ones
	RuleBefore string          `json:"rule_before,omitempty"`
	RuleAfter  string          `json:"rule_after,omitempty"`
}

// Change is a difference in a recorded request.
type Change struct {
	DecisionID string    `json:"decision_id"`
	Time       time.Time `json:"time"`
	AgentID    string    `json:"agent_id"`
	Difference
}

// Comparison is what would change.
type Comparison struct {
	Replayed int      `json:"replayed"` // recorded requests that were tried
	Changes  []Change `json:"changes"`  // newest first, at most MaxChanges
	More     bool     `json:"more"`     // there are further changes or requests

	// Tried is how many made-up requests were tried: such as meet the conditions of the rules before
	// and after, and such as just fail to. They tell also of what nobody has asked for yet.
	Tried    int          `json:"tried"`
	Examples []Difference `json:"examples"` // those that would be answered differently, newly allowed ones first, at most MaxExamples
}

const (
	// CompareDays is how far back requests are replayed.
	CompareDays = 30
	// MaxChanges bounds what one comparison lists.
	MaxChanges = 200
	// MaxExamples bounds how many made-up requests one comparison lists.
	MaxExamples = 50
	maxReplays  = 20_000
	maxTried    = 2_000
)

// Compare replays the caller's recorded requests of the last 30 days against the policies in force
// and against the same with one text written in place of policy id (or added, if there is none). An
// agentPrincipalID restricts it to one agent. Requests made up from both texts are tried, too. Budgets
// are taken as unspent on both sides.
func (s *Service) Compare(ctx context.Context, c Caller, id, text, agentPrincipalID string) (Comparison, error) {
	after, edit, err := s.edited(ctx, c, id, text)
	if err != nil {
		return Comparison{}, err
	}
	out := Comparison{Changes: []Change{}, Examples: []Difference{}}
	if err := s.tryExamples(ctx, c, edit, agentPrincipalID, after, &out); err != nil {
		return out, err
	}
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

// CompareDraft is Compare for a draft and the agent that proposed it, bound as its approval would bind it.
func (s *Service) CompareDraft(ctx context.Context, c Caller, id string) (Comparison, error) {
	d, err := s.Draft(ctx, c, id)
	if err != nil {
		return Comparison{}, err
	}
	text, err := renamed(d.PolicyYAML, s.newID("pol"))
	if err != nil {
		return Comparison{}, err
	}
	bound, err := compiler.SetHeader([]byte(text), map[string]any{"applies_to": map[string]any{"agents": []string{d.AgentID}}})
	if err != nil {
		return Comparison{}, fail(InvalidPolicy, "%v", err)
	}
	return s.Compare(ctx, c, "", string(bound), d.AgentPrincipalID)
}

// tryExamples tries requests made up from the edited policy and from those in force that apply to the
// same agent. From raw Rego none can be made.
func (s *Service) tryExamples(ctx context.Context, c Caller, edit *rego.Policy, agentPrincipalID string, after *rego.Engine, out *Comparison) error {
	subject, err := s.subjectOf(ctx, c, agentPrincipalID, edit)
	if err != nil {
		return err
	}
	pair := [2]*rego.Layers{s.policies.Engine(c.OwnerID).Layers(subject), after.Layers(subject)}
	seen := map[string]bool{}
	for _, p := range append([]*rego.Policy{edit}, pair[0].Policies()...) {
		if isRego(string(p.Text)) {
			continue
		}
		policy, ds := compiler.Parse(p.File, p.Text)
		if ds.Err() != nil {
			return invalidPolicy(ds)
		}
		for _, example := range compiler.Examples(policy) {
			action, err := proof.ParseAction(example)
			if err != nil || seen[action.Hash] || out.Tried == maxTried {
				continue // a condition may be about what no request can hold
			}
			seen[action.Hash] = true
			out.Tried++
			if d := difference(ctx, pair, action, s.Now()); d != nil {
				d.Action = example
				out.Examples = append(out.Examples, *d)
			}
		}
	}
	order := map[store.Result]int{store.Allow: -1}
	slices.SortStableFunc(out.Examples, func(a, b Difference) int { return cmp.Compare(order[a.After], order[b.After]) })
	out.Examples = out.Examples[:min(len(out.Examples), MaxExamples)]
	return nil
}

// subjectOf is an agent to which a policy applies: the one that is asked for, or one like those that the
// policy names.
func (s *Service) subjectOf(ctx context.Context, c Caller, agentPrincipalID string, p *rego.Policy) (rego.Subject, error) {
	owner, err := get[store.Owner](ctx, s.store, c.OwnerID, "owner")
	if err != nil {
		return rego.Subject{}, err
	}
	subject := rego.Subject{AgentID: "example", PrincipalID: "agt_example", Groups: p.Groups, OwnerID: owner.ID, OwnerType: owner.Type}
	if agentPrincipalID != "" {
		a, err := s.AgentByID(ctx, c, agentPrincipalID)
		if err != nil {
			return subject, err
		}
		subject.AgentID, subject.PrincipalID, subject.Groups = a.AgentID, a.PrincipalID, a.Groups
	} else if len(p.Agents) > 0 {
		subject.AgentID = p.Agents[0]
	}
	return subject, nil
}

// edited compiles the caller's set with one policy written, which it returns, too.
func (s *Service) edited(ctx context.Context, c Caller, id, text string) (*rego.Engine, *rego.Policy, error) {
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
		return nil, nil, invalidPolicy(ds)
	}
	for _, p := range engine.Policies() {
		if p.File == put.Path && bytes.Equal(p.Text, put.Text) {
			return engine, p, nil
		}
	}
	return nil, nil, fail(InvalidPolicy, "the policy is another owner's")
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
	d := difference(ctx, pair, action, e.Time)
	if d == nil {
		return nil, nil
	}
	d.Action = e.Action
	return &Change{DecisionID: e.Decision.ID, Time: e.Time, AgentID: e.AgentID, Difference: *d}, nil
}

// difference tries one request before and after; nil if the result is the same.
func difference(ctx context.Context, pair [2]*rego.Layers, action *proof.ParsedAction, now time.Time) *Difference {
	in := rego.Input{Action: action.Input, ActionType: action.ActionType, Now: now}
	was, is := pair[0].Decide(ctx, in), pair[1].Decide(ctx, in)
	if was.Result == is.Result {
		return nil
	}
	return &Difference{ActionType: action.ActionType, Before: store.Result(was.Result), After: store.Result(is.Result),
		RuleBefore: was.RuleID, RuleAfter: is.RuleID}
}

// replayable is the action of a recorded request; nil if it was redacted.
func replayable(e store.Entry) *proof.ParsedAction {
	action, err := proof.ParseAction(e.Action)
	if err != nil {
		return nil
	}
	return action
}
