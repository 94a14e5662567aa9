package policybook

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// unclaimed is what was spent under a budget that no policy declares any more.
type unclaimed struct {
	PolicyID string `json:"policy_id"`
	BudgetID string `json:"budget_id"`
	Spent    int64  `json:"spent"` // in the window of the new budget, by the agent, group or owner that spent most
}

// restart is a budget that started at 0 although something was spent under others.
type restart struct {
	budget compiler.Budget
	left   []unclaimed
}

// account is the ledger account of a budget, without a subject.
func account(owner, policyID string, b compiler.Budget) store.BudgetKey {
	return store.BudgetKey{OwnerID: owner, PolicyID: policyID, BudgetID: b.ID, Measure: store.Measure(b.Measure), Currency: b.Currency}
}

// previous is the policy that the log last had in a file, which is now as in next; nil if there was none.
func (b *Book) previous(f, next *file) *rego.Policy {
	switch {
	case f.record.Sum == "":
		return nil
	case next != nil && next.sum == f.record.Sum:
		return next.policy
	case f.good != nil:
		return f.good
	}
	p, _ := b.cfg.Set.Try(rego.File{Path: f.path, Text: []byte(f.record.Text)}) // it changed while the program was down
	return p
}

// accounts follows budgets through one commit. What a budget has spent stays with it when it gets a new name: where
// the policy says so (renamed_from), and where the same text is active under another id, as after moving a file
// without an id, or deleting and creating a policy. A new budget that starts at 0 although something was spent under
// one that is gone is reported, in the log and in the warnings of its file.
type accounts struct {
	*keeper
	next   map[string]*file
	before map[store.BudgetKey]compiler.Budget // declared in the files that change
	known  map[store.Renamed]bool              // what those files said about former names
}

func (k *keeper) accounts(ctx context.Context, next map[string]*file, out map[string]outcome) error {
	a := &accounts{k, next, map[store.BudgetKey]compiler.Budget{}, map[store.Renamed]bool{}}
	for path, f := range k.was {
		if _, changes := out[path]; !changes && next[path] != nil {
			continue
		}
		if p := k.book.previous(f, next[path]); p != nil {
			for _, b := range p.Budgets {
				a.before[account(f.record.OwnerID, p.ID, b)] = b
			}
			for _, r := range formerNames(f.record.OwnerID, p) {
				a.known[r] = true
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(out)) {
		if f := next[path]; f.active != nil && f.active == f.policy && len(f.active.Budgets) > 0 {
			if err := a.follow(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// formerNames are the former names of a policy's budgets, by what the policy says.
func formerNames(owner string, p *rego.Policy) []store.Renamed {
	var out []store.Renamed
	for _, b := range p.Budgets {
		to := account(owner, p.ID, b)
		for _, policyID := range []string{p.ID, p.RenamedFrom} {
			for _, budgetID := range []string{b.ID, b.RenamedFrom} {
				from := to
				from.PolicyID, from.BudgetID = policyID, budgetID
				if policyID != "" && budgetID != "" && from != to {
					out = append(out, store.Renamed{From: from, To: to})
				}
			}
		}
	}
	return out
}

// follow records the former names of the budgets of one file, and which of them start at 0.
func (a *accounts) follow(ctx context.Context, f *file) error {
	claimed := map[store.BudgetKey]bool{}
	for _, r := range formerNames(f.owner, f.active) {
		claimed[r.From] = true
		if !a.known[r] {
			if err := a.renamed(f, r); err != nil {
				return err
			}
		}
	}
	var fresh []compiler.Budget
	for _, b := range f.active.Budgets {
		if old, known := a.before[account(f.owner, f.active.ID, b)]; !known || old.Per != b.Per {
			fresh = append(fresh, b)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	loose, err := a.book.cfg.Store.Unclaimed(ctx, f.owner, a.declared(f.owner))
	if err != nil {
		return err
	}
	former, err := a.sameText(ctx, f, loose)
	if err != nil {
		return err
	}
	var restarts []restart
	for _, b := range fresh {
		to := account(f.owner, f.active.ID, b)
		if from := to; former != "" {
			from.PolicyID = former
			if claimed[from] = true; !a.known[store.Renamed{From: from, To: to}] {
				if err := a.renamed(f, store.Renamed{From: from, To: to}); err != nil {
					return err
				}
			}
		}
		candidates := loose
		if old, known := a.before[to]; known && old.Per != b.Per {
			all, err := a.book.cfg.Store.Accounts(ctx, f.owner)
			if err != nil {
				return err
			}
			candidates = append(slices.DeleteFunc(all, func(k store.BudgetKey) bool { k.Subject = ""; return k != to }), loose...)
		}
		spent, err := a.spent(ctx, b, to, candidates, claimed)
		if err != nil {
			return err
		}
		if len(spent) > 0 {
			restarts = append(restarts, restart{b, spent})
			a.log(store.BudgetRestarted, f.owner, f.path, map[string]any{"policy_id": f.active.ID, "budget_id": b.ID,
				"measure": b.Measure, "currency": b.Currency, "limit": b.Limit, "unclaimed": spent})
			a.book.cfg.Log.WarnContext(ctx, restarted(f.active.ID, b, spent).Message, "file", f.path, "owner_id", f.owner)
		}
	}
	f.restarts = restarts
	return nil
}

// renamed logs a former name of a budget.
func (a *accounts) renamed(f *file, r store.Renamed) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding the new name of a budget: %w", err)
	}
	var data map[string]any
	if err := json.Unmarshal(raw, &data); err != nil {
		return fmt.Errorf("encoding the new name of a budget: %w", err)
	}
	a.log(store.BudgetRenamed, f.owner, f.path, data)
	return nil
}

// declared are the budgets that an owner's policies have after the commit.
func (a *accounts) declared(owner string) map[store.BudgetKey]bool {
	out := map[store.BudgetKey]bool{}
	for _, f := range a.next {
		if f.active != nil && f.owner == owner {
			for _, b := range f.active.Budgets {
				out[account(owner, f.active.ID, b)] = true
			}
		}
	}
	return out
}

// sameText is the id under which the log last had the text of a file, if that policy is gone and left charges.
func (a *accounts) sameText(ctx context.Context, f *file, loose []store.BudgetKey) (string, error) {
	left := map[string]bool{}
	for _, key := range loose {
		left[key.PolicyID] = left[key.PolicyID] || slices.ContainsFunc(f.active.Budgets, func(b compiler.Budget) bool { return b.ID == key.BudgetID })
	}
	for path, old := range a.was {
		if r := old.record; a.next[path] == nil && r.OwnerID == f.owner && r.Sum == f.sum && left[r.PolicyID] {
			return r.PolicyID, nil
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(left)), true) {
		return "", nil
	}
	q := store.AuditQuery{OwnerID: f.owner, Types: []store.EventType{store.PolicyDeleted}, Text: f.sum, Limit: 500}
	for {
		page, err := a.book.cfg.Store.Audit(ctx, q)
		if err != nil {
			return "", err
		}
		for _, e := range page.Items {
			var d struct {
				PolicyID string `json:"policy_id"`
				Sum      string `json:"old_sum"`
			}
			if json.Unmarshal(e.Data, &d) == nil && d.Sum == f.sum && left[d.PolicyID] {
				return d.PolicyID, nil
			}
		}
		if page.NextCursor == "" {
			return "", nil
		}
		q.Cursor = page.NextCursor
	}
}

// spent is what was spent, in the window of a budget, from accounts that count the same and that nobody claims.
func (a *accounts) spent(ctx context.Context, b compiler.Budget, to store.BudgetKey, candidates []store.BudgetKey, claimed map[store.BudgetKey]bool) ([]unclaimed, error) {
	var budgets []store.Budget
	for _, key := range candidates {
		whose := key
		whose.Subject = ""
		if key.Measure == to.Measure && key.Currency == to.Currency && !claimed[whose] {
			budgets = append(budgets, store.Budget{Key: key, Per: store.Per(b.Per), Limit: b.Limit,
				Window: store.Window{Calendar: b.Calendar, Zone: b.Zone, WeekStart: b.WeekStart, Sliding: b.Sliding}})
		}
	}
	states, err := a.book.cfg.Store.Budgets(ctx, budgets, a.book.cfg.Now())
	if err != nil {
		return nil, err
	}
	var out []unclaimed
	for _, s := range states {
		if s.Spent == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(u unclaimed) bool { return u.PolicyID == s.PolicyID && u.BudgetID == s.ID })
		if i < 0 {
			i, out = len(out), append(out, unclaimed{PolicyID: s.PolicyID, BudgetID: s.ID})
		}
		out[i].Spent = max(out[i].Spent, s.Spent)
	}
	slices.SortFunc(out, func(a, b unclaimed) int {
		return strings.Compare(a.PolicyID+"\x00"+a.BudgetID, b.PolicyID+"\x00"+b.BudgetID)
	})
	return out, nil
}

// restarted warns that a budget starts at 0, and says how to carry on.
func restarted(policyID string, b compiler.Budget, spent []unclaimed) compiler.Diagnostic {
	d := compiler.Diagnostic{Code: "budget_restarted", Severity: compiler.Warning, Pos: b.Pos}
	var parts, ways []string
	for _, u := range spent {
		switch {
		case u.PolicyID == policyID && u.BudgetID == b.ID:
			parts = append(parts, fmt.Sprintf("%s was spent while it was not counted per %s", b.Measured(u.Spent), b.Per))
			continue
		case u.PolicyID == policyID:
			parts = append(parts, fmt.Sprintf("%s was spent under the budget %s, which is gone", b.Measured(u.Spent), u.BudgetID))
			ways = append(ways, fmt.Sprintf("add `renamed_from: %s` to the budget", u.BudgetID))
		default:
			parts = append(parts, fmt.Sprintf("%s was spent under the budget %s of the policy %s, which is gone", b.Measured(u.Spent), u.BudgetID, u.PolicyID))
			way := fmt.Sprintf("add `renamed_from: %s` to the policy", u.PolicyID)
			if u.BudgetID != b.ID {
				way += fmt.Sprintf(" and `renamed_from: %s` to the budget", u.BudgetID)
			}
			ways = append(ways, way)
		}
	}
	d.Message = fmt.Sprintf("the budget %s of the policy %s starts at 0 of %s, although %s", b.ID, policyID, b.Measured(b.Limit), strings.Join(parts, ", and "))
	if len(ways) > 0 {
		d.Message += "; to count that too, " + strings.Join(ways, ", or ")
	}
	return d
}

// Warnings are the warnings about a policy file: what is probably not meant, and budgets that started at 0 although
// something was spent under a name that is gone.
func (b *Book) Warnings(path string) compiler.Diagnostics {
	f := b.pages.Load().files[path]
	if f == nil {
		return nil
	}
	var out compiler.Diagnostics
	for _, r := range f.restarts {
		out = append(out, restarted(f.active.ID, r.budget, r.left))
	}
	return append(out, f.problems.Warnings()...)
}

// CarryOver is the text of a policy file with the former ids of those of its budgets that started at 0, so that what
// was spent under them counts. It is nil if there are none, or if the text cannot be edited so.
func (b *Book) CarryOver(path string) []byte {
	f := b.pages.Load().files[path]
	if f == nil || f.active == nil || f.active.Raw {
		return nil
	}
	policy, budgets := "", map[string]string{}
	for _, r := range f.restarts {
		i := slices.IndexFunc(r.left, func(u unclaimed) bool { return u.PolicyID != f.active.ID || u.BudgetID != r.budget.ID })
		if i < 0 {
			continue
		}
		if u := r.left[i]; u.PolicyID != f.active.ID && policy == "" {
			policy = u.PolicyID
		}
		if u := r.left[i]; u.BudgetID != r.budget.ID {
			budgets[r.budget.ID] = u.BudgetID
		}
	}
	if policy == "" && len(budgets) == 0 {
		return nil
	}
	text, err := compiler.SetRenamedFrom(f.active.Text, policy, budgets)
	if err != nil {
		return nil
	}
	return text
}
