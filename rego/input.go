package rego

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/openleash/openleash-go/compiler"
)

// Input is one action request as policies see it.
type Input struct {
	// Action is the request in canonical JSON, with context renamed payload.
	Action     json.RawMessage
	ActionType string
	Now        time.Time
	// AssuranceLevel is what an approval stepped the action up to: empty, LOW, SUBSTANTIAL or HIGH. It
	// never comes from the agent.
	AssuranceLevel string
	Budgets        []BudgetReading
	// Tracer, if there is one, sees the evaluation: what tests cover.
	Tracer topdown.QueryTracer
}

// BudgetReading is how a budget stands before the action.
type BudgetReading struct {
	PolicyID  string
	ID        string
	Limit     int64
	Spent     int64
	Remaining int64
}

// Document builds what all policies of a decision see: the action's own fields, and beside them what
// the server knows. Budgets are added for each policy that reads them.
func (s Subject) Document(in Input) (ast.Object, error) { return document(s.members(), in) }

// members are what the document says of the subject.
func (s Subject) members() [][2]*ast.Term {
	groups := make([]*ast.Term, len(s.Groups))
	for i, g := range s.Groups {
		groups[i] = ast.StringTerm(g)
	}
	return [][2]*ast.Term{
		member("agent", ast.ObjectTerm(pair("id", s.AgentID), pair("principal_id", s.PrincipalID), member("groups", ast.ArrayTerm(groups...)))),
		member("owner", ast.ObjectTerm(pair("id", s.OwnerID), pair("type", s.OwnerType))),
	}
}

func document(subject [][2]*ast.Term, in Input) (ast.Object, error) {
	action, err := decodeObject(in.Action)
	if err != nil {
		return nil, fmt.Errorf("decoding the action: %w", err)
	}
	patterns := compiler.ActionPatterns(in.ActionType)
	list := make([]*ast.Term, len(patterns))
	for i, p := range patterns {
		list[i] = ast.StringTerm(p)
	}
	for i, m := range action {
		if slices.ContainsFunc(serverMembers, m[0].Equal) {
			return nil, fmt.Errorf("the action has a field %v, which is for the server to say", m[0])
		}
		if m[0].Equal(actionTypeName) {
			action[i][1] = ast.StringTerm(compiler.FoldAction(in.ActionType))
		}
	}
	return ast.NewObject(append(append(action, subject...),
		pair("now", in.Now.UTC().Format("2006-01-02T15:04:05.000Z")),
		member("now_ns", ast.NumberTerm(json.Number(strconv.FormatInt(in.Now.UnixNano(), 10)))),
		member("action_patterns", ast.ArrayTerm(list...)),
		pair("assurance_level", in.AssuranceLevel))...), nil
}

var actionTypeName = ast.InternedTerm("action_type")

// serverMembers are what an action request never says of itself.
var serverMembers = []*ast.Term{
	ast.InternedTerm("agent"), ast.InternedTerm("owner"), ast.InternedTerm("now"), ast.InternedTerm("now_ns"),
	ast.InternedTerm("action_patterns"), ast.InternedTerm("assurance_level"), ast.InternedTerm("budgets"),
}

func member(key string, v *ast.Term) [2]*ast.Term {
	name := names[key]
	if name == nil {
		name = ast.InternedTerm(key)
	}
	return [2]*ast.Term{name, v}
}

func pair(key, value string) [2]*ast.Term {
	return member(key, ast.StringTerm(value))
}

// withBudgets adds the readings that a policy sees: its own, and under other names those of others.
func withBudgets(doc ast.Object, readings []BudgetReading, policyID string) ast.Object {
	byID := make(map[string]BudgetReading, len(readings))
	for _, b := range readings {
		have, ok := byID[b.ID]
		own := b.PolicyID == policyID
		switch {
		case !ok, own && have.PolicyID != policyID:
			byID[b.ID] = b
		case own && b.Remaining < have.Remaining: // a budget per group stands once for each group
			byID[b.ID] = b
		}
	}
	terms := make([][2]*ast.Term, 0, len(byID))
	for id, b := range byID {
		terms = append(terms, [2]*ast.Term{ast.StringTerm(id), ast.ObjectTerm(
			number("limit", b.Limit), number("spent", b.Spent), number("remaining", b.Remaining))})
	}
	out, _ := doc.Map(func(k, v *ast.Term) (*ast.Term, *ast.Term, error) { return k, v, nil })
	out.Insert(ast.InternedTerm("budgets"), ast.ObjectTerm(terms...))
	return out
}

func number(key string, n int64) [2]*ast.Term {
	return member(key, ast.NumberTerm(json.Number(strconv.FormatInt(n, 10))))
}
