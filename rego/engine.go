package rego

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// DefaultDeadline bounds one decision.
const DefaultDeadline = 100 * time.Millisecond

// Options say how engines evaluate.
type Options struct {
	Deadline time.Duration // of one decision; zero is DefaultDeadline
}

// Engine is the policies of one owner. It is immutable.
type Engine struct {
	policies []*Policy // in the order in which they apply
	revision string
	deadline time.Duration
}

func newEngine(policies []*Policy, o Options) *Engine {
	slices.SortFunc(policies, inOrder)
	return &Engine{policies, revision(policies), cmp.Or(o.Deadline, DefaultDeadline)}
}

// inOrder sorts guardrails first, then by tier, rank and id.
func inOrder(a, b *Policy) int {
	return cmp.Or(cmp.Compare(guard(a), guard(b)), cmp.Compare(tier(a), tier(b)), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID))
}

func guard(p *Policy) int {
	if p.Guardrail {
		return 0
	}
	return 1
}

// tier is how specifically a policy applies: 0 to agents by name, 1 to groups, 2 to all. One that names
// both agents and groups is in the tier of the way in which it applies to an agent; here, the nearer.
func tier(p *Policy) int {
	switch {
	case len(p.Agents) > 0:
		return 0
	case len(p.Groups) > 0:
		return 1
	}
	return 2
}

// revision is the SHA-256 over the sources, sorted by id.
func revision(policies []*Policy) string {
	byID := slices.SortedFunc(slices.Values(policies), func(a, b *Policy) int { return cmp.Compare(a.ID, b.ID) })
	h := sha256.New()
	var line []byte
	for _, p := range byID {
		line = append(append(line[:0], p.ID...), '\n')
		line = append(hex.AppendEncode(line, p.sum[:]), '\n')
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Revision identifies the policies: SHA-256 in hex.
func (e *Engine) Revision() string { return e.revision }

// Policies returns all policies in the order in which they apply, those not enabled too. The caller
// must not change them.
func (e *Engine) Policies() []*Policy { return e.policies }

// Policy returns the policy with an id, or nil.
func (e *Engine) Policy(id string) *Policy {
	for _, p := range e.policies {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Subject is the agent that a decision is for.
type Subject struct {
	AgentID     string
	PrincipalID string
	Groups      []string
	OwnerID     string
	OwnerType   string // HUMAN or ORG
}

// Layers are the policies as they apply to one agent. They are immutable.
type Layers struct {
	subject    [][2]*ast.Term // what the input says of the agent
	guardrails []*Policy
	layers     []*Policy
	budgets    []LayerBudget
	groupless  bool // the agent is in no group
	// readBudgets: one of the policies looks at how they stand.
	readBudgets bool
	deadline    time.Duration
}

// LayerBudget is a budget of one of the layers.
type LayerBudget struct {
	PolicyID string
	compiler.Budget
}

// Layers resolves the policies of an agent: those that name it, those that name one of its groups,
// then those for all; within a tier by rank, then id.
func (e *Engine) Layers(s Subject) *Layers {
	type layer struct {
		tier int
		*Policy
	}
	var all []layer
	for _, p := range e.policies {
		if t, ok := applies(p, s); ok && p.Enabled {
			all = append(all, layer{t, p})
		}
	}
	slices.SortStableFunc(all, func(a, b layer) int {
		return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID))
	})
	l := &Layers{subject: s.members(), deadline: e.deadline, groupless: len(s.Groups) == 0}
	for _, p := range all {
		if p.Guardrail {
			l.guardrails = append(l.guardrails, p.Policy)
		} else {
			l.layers = append(l.layers, p.Policy)
		}
		l.readBudgets = l.readBudgets || p.readsBudgets
		for _, b := range p.Budgets {
			l.budgets = append(l.budgets, LayerBudget{p.ID, b})
		}
	}
	return l
}

// applies says whether a policy applies to an agent, and in which tier.
func applies(p *Policy, s Subject) (int, bool) {
	switch {
	case slices.Contains(p.Agents, s.AgentID):
		return 0, true
	case slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(s.Groups, g) }):
		return 1, true
	case len(p.Agents) == 0 && len(p.Groups) == 0:
		return 2, true
	}
	return 0, false
}

// Empty says that no policy applies.
func (l *Layers) Empty() bool { return len(l.layers)+len(l.guardrails) == 0 }

// Policies returns the guardrails and then the layers, in order.
func (l *Layers) Policies() []*Policy { return slices.Concat(l.guardrails, l.layers) }

// ReadBudgets says that one of the policies looks at how budgets stand.
func (l *Layers) ReadBudgets() bool { return l.readBudgets }

// Budgets returns the budgets of all layers and guardrails, in order. The caller must not change them.
func (l *Layers) Budgets() []LayerBudget { return l.budgets }
