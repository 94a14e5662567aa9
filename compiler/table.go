package compiler

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gopkg.in/yaml.v3"
)

// Table is one checked *_test.yaml: the policies that it is about, and what they are to decide.
type Table struct {
	File     string
	Policies []Word // files, relative to that of the table, in layer order
	Tests    []TableTest
}

// Word is text with its place.
type Word struct {
	Text string
	Pos  Position
}

// TableTest is one action and what is expected of it.
type TableTest struct {
	Name      string
	Action    map[string]any // as in a request; numbers are json.Number
	ActionPos Position
	AgentID   string // with Groups empty too: an agent to which all the policies apply
	Groups    []string
	Now       time.Time // zero if not given
	Assurance string    // LOW, SUBSTANTIAL, HIGH; empty for none
	Budgets   []TableBudget
	Expect    Expect
	Pos       Position
}

// TableBudget is a budget by its id. As a seed it says what was spent before the action; as an
// expectation, what holds after it. A nil number is not said.
type TableBudget struct {
	ID                      string
	Spent, Remaining, Limit *int64
	Pos                     Position
}

// Expect is what a test compares. A nil member is not compared; an empty Rule or Policy says that none
// decided.
type Expect struct {
	Result      string
	Rule        *string
	Policy      *string
	Reason      *string  // a part of the reason
	Obligations []string // types, in any order; nil: not compared
	Proof       *ExpectProof
	Budgets     []TableBudget
	Pos         Position
}

// ExpectProof compares the proof of a decision.
type ExpectProof struct {
	Required   *bool
	TTLSeconds *int
}

// results are the words for a decision.
var results = []string{"ALLOW", "DENY", "REQUIRE_APPROVAL", "REQUIRE_STEP_UP", "REQUIRE_DEPOSIT"}

// ParseTable reads one *_test.yaml, as strictly as a policy and within the same limits. The table is
// nil if anything is wrong with it.
func ParseTable(file string, src []byte) (*Table, Diagnostics) {
	r := &reader{file: file}
	t := &Table{File: file}
	if root := r.document(src); root != nil {
		r.table(root, t)
	}
	r.ds.Sort()
	if r.ds.Err() != nil {
		return nil, r.ds
	}
	return t, r.ds
}

func (r *reader) table(root *yaml.Node, t *Table) {
	seen, ok := r.mapping(root, "a table of tests",
		field{"policies", func(n *yaml.Node) {
			r.list(n, "policies", false, func(n *yaml.Node) {
				name, _ := r.text(n, "a policy file")
				if slices.ContainsFunc(t.Policies, func(w Word) bool { return w.Text == name }) {
					r.errorf(n, "duplicate_name", "%q is named twice", clipped(name))
				}
				t.Policies = append(t.Policies, Word{name, r.at(n)})
			})
		}},
		field{"tests", func(n *yaml.Node) {
			r.list(n, "tests", false, func(n *yaml.Node) {
				test := r.tableTest(n)
				if test.Name != "" && slices.ContainsFunc(t.Tests, func(o TableTest) bool { return o.Name == test.Name }) {
					r.errorf(n, "duplicate_name", "the test %q stands twice", clipped(test.Name))
				}
				t.Tests = append(t.Tests, test)
			})
		}})
	if ok {
		r.need(root, "a table of tests", seen, "policies", "tests")
	}
}

// need reports the keys that a mapping lacks.
func (r *reader) need(n *yaml.Node, noun string, seen map[string]*yaml.Node, keys ...string) {
	for _, key := range keys {
		if seen[key] == nil {
			r.errorf(n, "missing_key", "%s needs %s", noun, key)
		}
	}
}

func (r *reader) tableTest(n *yaml.Node) TableTest {
	t := TableTest{Pos: r.at(n), ActionPos: r.at(n), Expect: Expect{Pos: r.at(n)}}
	seen, ok := r.mapping(n, "a test",
		field{"name", func(n *yaml.Node) { t.Name = r.prose(n, "name") }},
		field{"action", func(n *yaml.Node) { t.Action, t.ActionPos = r.action(n), r.at(n) }},
		field{"agent", func(n *yaml.Node) { r.tableAgent(n, &t) }},
		field{"now", func(n *yaml.Node) { t.Now = r.time(n) }},
		field{"budgets", func(n *yaml.Node) { t.Budgets = r.tableBudgets(n, "spent") }},
		field{"assurance", func(n *yaml.Node) {
			t.Assurance, _ = r.word(n, "assurance", "unknown_assurance_level", false, levels...)
		}},
		field{"expect", func(n *yaml.Node) { t.Expect = r.expect(n) }})
	if ok {
		r.need(n, "a test", seen, "name", "action", "expect")
	}
	return t
}

func (r *reader) action(n *yaml.Node) map[string]any {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, "wrong_type", "action must be a mapping, with keys and values")
		return nil
	}
	v, _ := r.json(n)
	action, _ := v.(map[string]any)
	return action
}

func (r *reader) tableAgent(n *yaml.Node, t *TableTest) {
	r.mapping(n, "agent",
		field{"id", func(n *yaml.Node) { t.AgentID = r.form(n, "id", agentForm, "letters, digits and . _ : @ - only") }},
		field{"groups", func(n *yaml.Node) {
			r.list(n, "groups", false, func(n *yaml.Node) {
				t.Groups = append(t.Groups, r.form(n, "groups", groupForm, "letters, digits and . _ - only"))
			})
		}})
}

// time reads an RFC 3339 time, which YAML takes for one of its own kind.
func (r *reader) time(n *yaml.Node) time.Time {
	t, err := time.Parse(time.RFC3339Nano, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		r.errorf(n, "invalid_time", "a time is written 2026-04-10T12:00:00Z")
	}
	return t
}

// tableBudgets reads {id: {spent: …}}; keys are the numbers that may be given.
func (r *reader) tableBudgets(n *yaml.Node, keys ...string) []TableBudget {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, "wrong_type", "budgets must be a mapping of ids, such as {daily_spend: {spent: 40000}}")
		return nil
	}
	var out []TableBudget
	ids := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		b := TableBudget{ID: r.form(key, "id", idForm, "1 to 64 letters, digits, _ and -"), Pos: r.at(key)}
		if ids[b.ID] {
			r.errorf(key, "duplicate_key", "the key %q stands twice", b.ID)
		}
		ids[b.ID] = true
		var fields []field
		for _, name := range keys {
			into := map[string]**int64{"spent": &b.Spent, "remaining": &b.Remaining, "limit": &b.Limit}[name]
			fields = append(fields, field{name, func(n *yaml.Node) {
				if v, ok := r.integer(n, name, -maxSafeInteger, maxSafeInteger); ok {
					*into = &v
				}
			}})
		}
		if seen, ok := r.mapping(n.Content[i+1], "a budget", fields...); ok && len(seen) == 0 {
			r.errorf(n.Content[i+1], "missing_key", "a budget needs %s", keys[0])
		}
		out = append(out, b)
	}
	return out
}

func (r *reader) expect(n *yaml.Node) Expect {
	e := Expect{Pos: r.at(n)}
	part := func(into **string, noun string) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
				*into = new(string)
			} else if s, ok := r.text(n, noun); ok {
				*into = &s
			}
		}
	}
	seen, ok := r.mapping(n, "expect",
		field{"result", func(n *yaml.Node) { e.Result, _ = r.word(n, "result", "unknown_result", false, results...) }},
		field{"rule", part(&e.Rule, "rule")},
		field{"policy", part(&e.Policy, "policy")},
		field{"reason", part(&e.Reason, "reason")},
		field{"obligations", func(n *yaml.Node) { e.Obligations = r.expectObligations(n) }},
		field{"proof", func(n *yaml.Node) { e.Proof = r.expectProof(n) }},
		field{"budgets", func(n *yaml.Node) { e.Budgets = r.tableBudgets(n, "remaining", "spent", "limit") }})
	if ok && len(seen) == 0 {
		r.errorf(n, "missing_key", "expect names at least one of result, rule, policy, reason, obligations, proof, budgets")
	}
	return e
}

// expectObligations reads a list of types; an empty one says that there are none.
func (r *reader) expectObligations(n *yaml.Node) []string {
	out := []string{}
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		return out
	}
	r.list(n, "obligations", false, func(n *yaml.Node) {
		word, _ := r.word(n, "obligation", "unknown_obligation", false, obligationTypes...)
		out = append(out, word)
	})
	return out
}

func (r *reader) expectProof(n *yaml.Node) *ExpectProof {
	p := &ExpectProof{}
	r.mapping(n, "proof",
		field{"required", func(n *yaml.Node) {
			if b, ok := r.boolean(n, "proof.required"); ok {
				p.Required = &b
			}
		}},
		field{"ttl_seconds", func(n *yaml.Node) {
			if i, ok := r.integer(n, "proof.ttl_seconds", 1, MaxProofTTL); ok {
				ttl := int(i)
				p.TTLSeconds = &ttl
			}
		}})
	return p
}

// JSON is the test's action as a request body.
func (t TableTest) JSON() (json.RawMessage, error) {
	raw, err := json.Marshal(t.Action)
	if err != nil {
		return nil, fmt.Errorf("encoding the action: %w", err)
	}
	return raw, nil
}
