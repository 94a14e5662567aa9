package leash

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// BudgetView is how one budget stands for one subject.
type BudgetView struct {
	store.BudgetState
	// AgentID names the agent that a per-agent budget stands for.
	AgentID string `json:"agent_id,omitempty"`
}

// Budgets says how the budgets of the caller's active agents stand now: one line for each budget and
// subject. An agentPrincipalID restricts it to those that one agent's actions go to.
func (s *Service) Budgets(ctx context.Context, c Caller, agentPrincipalID string) ([]BudgetView, error) {
	terms := []string{store.ByOwner(c.OwnerID), store.ByStatus(store.Active)}
	agents, err := store.Find[store.Agent](ctx, s.store, terms...)
	if err != nil {
		return nil, unavailable(err)
	}
	var budgets []store.Budget
	names := map[string]string{}
	seen := map[store.BudgetKey]bool{}
	for _, rec := range agents {
		if agentPrincipalID != "" && rec.PrincipalID != agentPrincipalID {
			continue
		}
		a, err := s.agent(ctx, rec.AgentID)
		if err != nil {
			return nil, err
		}
		names[a.PrincipalID] = a.AgentID
		for _, b := range a.layers.Budgets() {
			for _, account := range accounts(a, b) {
				if !seen[account.Key] {
					seen[account.Key] = true
					budgets = append(budgets, account)
				}
			}
		}
	}
	states, err := s.store.Budgets(ctx, budgets, s.Now())
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]BudgetView, len(states))
	for i, st := range states {
		out[i] = BudgetView{st, names[st.Subject]}
	}
	return out, nil
}

// FullestBudgets says how the n budgets of the caller stand that are nearest to their limits, the fullest
// first, of those to which something was ever charged. It is cheap with many agents.
func (s *Service) FullestBudgets(ctx context.Context, c Caller, n int) ([]BudgetView, error) {
	declared := map[store.BudgetKey]rego.LayerBudget{} // without their subjects
	for _, p := range s.policies.Engine(c.OwnerID).Policies() {
		for _, b := range p.Budgets {
			if layer := (rego.LayerBudget{PolicyID: p.ID, Budget: b}); p.Enabled {
				declared[account(layer, c.OwnerID, "").Key] = layer
			}
		}
	}
	keys, err := s.store.Accounts(ctx, c.OwnerID)
	if err != nil {
		return nil, unavailable(err)
	}
	var all []fullness
	for some := range slices.Chunk(keys, 256) { // of many, little is kept
		all, err = s.fullness(ctx, all, declared, some)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b fullness) int { return cmp.Compare(b.part, a.part) })
	var out []BudgetView
	for _, f := range all {
		if len(out) == n {
			break
		}
		name, ok, err := s.spender(ctx, f.budget)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		states, err := s.store.Budgets(ctx, []store.Budget{f.budget}, s.Now())
		if err != nil {
			return nil, unavailable(err)
		}
		out = append(out, BudgetView{states[0], name})
	}
	return out, nil
}

// fullness is what part of a budget is spent.
type fullness struct {
	part   float64
	budget store.Budget
}

// fullness adds those of some accounts of which anything is spent and that are declared still.
func (s *Service) fullness(ctx context.Context, all []fullness, declared map[store.BudgetKey]rego.LayerBudget, keys []store.BudgetKey) ([]fullness, error) {
	var budgets []store.Budget
	for _, key := range keys {
		whose := key
		whose.Subject = ""
		if b, ok := declared[whose]; ok {
			budgets = append(budgets, account(b, key.OwnerID, key.Subject))
		}
	}
	states, err := s.store.Budgets(ctx, budgets, s.Now())
	if err != nil {
		return nil, unavailable(err)
	}
	for i, st := range states {
		if st.Spent > 0 {
			all = append(all, fullness{float64(st.Spent) / float64(max(st.Limit, 1)), budgets[i]})
		}
	}
	return all, nil
}

// spender names the agent that a per-agent budget stands for. False: it can spend no more.
func (s *Service) spender(ctx context.Context, b store.Budget) (name string, ok bool, err error) {
	if b.Per != store.PerAgent {
		return "", true, nil
	}
	rec, err := store.Get[store.Agent](ctx, s.store, b.Key.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.Status != store.Active {
		return "", false, nil
	}
	if err != nil {
		return "", false, unavailable(err)
	}
	a, err := s.agent(ctx, rec.AgentID)
	if err != nil {
		return "", false, err
	}
	applies := slices.ContainsFunc(a.layers.Policies(), func(p *rego.Policy) bool { return p.ID == b.Key.PolicyID })
	return a.AgentID, applies, nil
}
