package rego

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"

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
// the server knows. budgets is added for each policy that reads it.
func (s Subject) Document(in Input) (ast.Object, error) {
	value, err := decode(in.Action)
	if err != nil {
		return nil, fmt.Errorf("decoding the action: %w", err)
	}
	doc, ok := value.(ast.Object)
	if !ok {
		return nil, fmt.Errorf("the action is no object")
	}
	patterns := compiler.ActionPatterns(in.ActionType)
	list := make([]*ast.Term, len(patterns))
	for i, p := range patterns {
		list[i] = ast.StringTerm(p)
	}
	groups := make([]*ast.Term, len(s.Groups))
	for i, g := range s.Groups {
		groups[i] = ast.StringTerm(g)
	}
	insert := func(key string, v *ast.Term) { doc.Insert(ast.InternedTerm(key), v) }
	insert("agent", ast.ObjectTerm(pair("id", s.AgentID), pair("principal_id", s.PrincipalID),
		[2]*ast.Term{ast.InternedTerm("groups"), ast.ArrayTerm(groups...)}))
	insert("owner", ast.ObjectTerm(pair("id", s.OwnerID), pair("type", s.OwnerType)))
	insert("now", ast.StringTerm(in.Now.UTC().Format("2006-01-02T15:04:05.000Z")))
	insert("now_ns", ast.NumberTerm(json.Number(strconv.FormatInt(in.Now.UnixNano(), 10))))
	insert("action_patterns", ast.ArrayTerm(list...))
	insert("assurance_level", ast.StringTerm(in.AssuranceLevel))
	return doc, nil
}

func pair(key, value string) [2]*ast.Term {
	return [2]*ast.Term{ast.InternedTerm(key), ast.StringTerm(value)}
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
	return [2]*ast.Term{ast.InternedTerm(key), ast.NumberTerm(json.Number(strconv.FormatInt(n, 10)))}
}

// decode builds OPA's values in one pass over JSON. Numbers keep their text.
func decode(src []byte) (ast.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(src))
	v, err := decodeValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("there is more than one value")
	}
	return v, nil
}

func decodeValue(dec *jsontext.Decoder) (ast.Value, error) {
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case 'n':
		return ast.NullValue, nil
	case 't', 'f':
		return ast.Boolean(tok.Bool()), nil
	case '"':
		return ast.String(tok.String()), nil
	case '0':
		return ast.Number(json.Number(tok.String())), nil
	case '[':
		var terms []*ast.Term
		for dec.PeekKind() != ']' {
			v, err := decodeValue(dec)
			if err != nil {
				return nil, err
			}
			terms = append(terms, ast.NewTerm(v))
		}
		_, err := dec.ReadToken()
		return ast.NewArray(terms...), err
	}
	var members [][2]*ast.Term
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := ast.InternedTerm(name.String())
		v, err := decodeValue(dec)
		if err != nil {
			return nil, err
		}
		members = append(members, [2]*ast.Term{key, ast.NewTerm(v)})
	}
	_, err = dec.ReadToken()
	return ast.NewObject(members...), err
}
