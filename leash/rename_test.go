package leash_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// spendingPolicy is a policy with one budget of 10.00 USD a day. An empty id is left out.
func spendingPolicy(id, budget, more, budgetMore string) string {
	if id != "" {
		id = "id: " + id + "\n"
	}
	return id + more + `rules: [{action: "purchase.*", effect: allow}]
budgets:
  - {id: ` + budget + `, limit: 1000, currency: USD, window: day` + budgetMore + "}\n"
}

// onDisk saves and deletes policy files as an editor would, and has the service look at them.
func (w *world) onDisk(files map[string]string) {
	w.t.Helper()
	for name, text := range files {
		file := filepath.Join(w.dir, "policies", name)
		if text == "" {
			must(w.t, os.Remove(file))
			continue
		}
		must(w.t, os.MkdirAll(filepath.Dir(file), 0o700))
		must(w.t, os.WriteFile(file, []byte(text), 0o600))
	}
	_, err := w.SyncPolicies(w.t.Context())
	must(w.t, err)
}

func (w *world) logged(types ...store.EventType) []string {
	w.t.Helper()
	page, err := w.Audit(w.t.Context(), w.owner, store.AuditQuery{Types: types})
	must(w.t, err)
	var out []string
	for _, e := range page.Items {
		out = append(out, string(e.Type)+" "+string(e.Data))
	}
	return out
}

// TestRenamingABudget: what was spent is carried over where the policy says so, and where the same policy is active
// under another id; otherwise the new budget starts at 0, and the log and the policy's warnings say what was spent.
func TestRenamingABudget(t *testing.T) {
	was := spendingPolicy("b", "daily", "", "")
	for name, tc := range map[string]struct {
		first, then map[string]string // files; empty ones are deleted
		between     map[string]string
		carried     bool
		warning     string
	}{
		"the budget":                      {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b", "day", "", "")}, nil, false, "add `renamed_from: daily` to the budget"},
		"the policy":                      {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b2", "daily", "", "")}, nil, false, "add `renamed_from: b` to the policy"},
		"both":                            {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b2", "day", "", "")}, nil, false, "add `renamed_from: b` to the policy and `renamed_from: daily` to the budget"},
		"the budget, saying so":           {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b", "day", "", ", renamed_from: daily")}, nil, true, ""},
		"the policy, saying so":           {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b2", "daily", "renamed_from: b\n", "")}, nil, true, ""},
		"both, saying so":                 {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b2", "day", "renamed_from: b\n", ", renamed_from: daily")}, nil, true, ""},
		"saying so later":                 {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b", "day", "", ", renamed_from: daily")}, map[string]string{"b.yaml": spendingPolicy("b", "day", "", "")}, true, ""},
		"saying so no more":               {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b", "day", "", "")}, map[string]string{"b.yaml": spendingPolicy("b", "day", "", ", renamed_from: daily")}, true, ""},
		"deleted, then made":              {map[string]string{"b.yaml": was}, map[string]string{"c.yaml": spendingPolicy("c", "day", "", "")}, map[string]string{"b.yaml": ""}, false, "9.00 USD was spent under the budget daily of the policy b"},
		"the file, with an id":            {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": "", "sub/c.yaml": was}, nil, true, ""},
		"the file, without an id":         {map[string]string{"b.yaml": spendingPolicy("", "daily", "", "")}, map[string]string{"b.yaml": "", "c.yaml": spendingPolicy("", "daily", "", "")}, nil, true, ""},
		"the file, in two steps":          {map[string]string{"b.yaml": spendingPolicy("", "daily", "", "")}, map[string]string{"c.yaml": spendingPolicy("", "daily", "", "")}, map[string]string{"b.yaml": ""}, true, ""},
		"a copy":                          {map[string]string{"b.yaml": spendingPolicy("", "daily", "", "")}, map[string]string{"c.yaml": spendingPolicy("", "daily", "", "")}, nil, true, ""}, // both count
		"from each agent to all together": {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": spendingPolicy("b", "daily", "", ", per: owner")}, nil, false, "9.00 USD was spent while it was not counted per owner"},
		"a removed and restored budget":   {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": was}, map[string]string{"b.yaml": "id: b\nrules: [{action: '*', effect: allow}]\n"}, true, ""},
		"another limit":                   {map[string]string{"b.yaml": was}, map[string]string{"b.yaml": strings.Replace(was, "1000", "1200", 1)}, nil, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, restart := range []bool{false, true} {
				w := newWorld(t)
				w.onDisk(tc.first)
				b := w.agent("shopper")
				if a := b.ask(usd("a", 900)); a.Result != store.Allow {
					t.Fatalf("%s %s", a.Result, a.Reason)
				}
				if tc.between != nil {
					w.onDisk(tc.between)
				}
				if restart {
					must(t, w.store.Close())
					w.open()
				}
				w.onDisk(tc.then)
				if restart {
					w.restart()
				}
				if a := b.ask(usd("b", 400)); (a.Result == store.Deny) != tc.carried {
					t.Errorf("restarted %v: %s %s", restart, a.Result, a.Reason)
				}
				logged := w.logged(store.BudgetRestarted)
				if said := strings.Contains(strings.Join(logged, "\n"), `"spent":900`); said != (tc.warning != "") && tc.between == nil {
					t.Errorf("restarted %v: the log says %v", restart, logged)
				}
				if restart || tc.warning == "" {
					continue
				}
				policies, err := w.Policies(t.Context(), w.owner)
				must(t, err)
				v, err := w.Policy(t.Context(), w.owner, policies[len(policies)-1].ID)
				must(t, err)
				if i := slices.IndexFunc(v.Warnings, func(p leash.Problem) bool { return p.Code == "budget_restarted" }); i < 0 || !strings.Contains(v.Warnings[i].Message, tc.warning) {
					t.Errorf("warnings: %+v", v.Warnings)
				}
			}
		})
	}
}

// TestTheSamePolicyAgain: deleting a policy that names no id, and creating it again over the API, forgives nothing.
func TestTheSamePolicyAgain(t *testing.T) {
	w := newWorld(t)
	b := w.agent("shopper")
	text := spendingPolicy("", "daily", "", "")
	for i, want := range []store.Result{store.Allow, store.Deny, store.Deny} {
		v, err := w.PutPolicy(t.Context(), w.owner, "", leash.PolicyInput{Text: text})
		must(t, err)
		if a := b.ask(usd(fmt.Sprint("a", i), 600)); a.Result != want {
			t.Fatalf("%d: %s %s", i, a.Result, a.Reason)
		}
		must(t, w.DeletePolicy(t.Context(), w.owner, v.ID))
	}
}

// TestRenamingForgivesNothing: in any order of renaming budgets and policies with renamed_from, moving files,
// deleting and restoring, restarting and asking, an agent is never allowed more than the limit.
func TestRenamingForgivesNothing(t *testing.T) {
	rounds, broken := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if rounds++; rounds > 25 && !broken {
			return // each round writes to a disk
		}
		w := newWorld(t)
		b := w.agent("shopper")
		file, id, budget, text := "b.yaml", "b", "daily", spendingPolicy("b", "daily", "", "")
		w.onDisk(map[string]string{file: text})
		n, spent, there := 0, 0, true
		rt.Repeat(map[string]func(*rapid.T){
			"ask": func(rt *rapid.T) {
				n++
				amount := rapid.IntRange(1, 400).Draw(rt, "amount")
				if answer, err := w.Authorize(t.Context(), b.signedIn(), []byte(usd(fmt.Sprint("a", n), amount))); err == nil && answer.Result == store.Allow {
					spent += amount
				}
				if broken = broken || spent > 1000; spent > 1000 {
					rt.Fatalf("%d spent of 1000", spent)
				}
			},
			"rename": func(rt *rapid.T) {
				n++
				newID, newBudget, more, budgetMore := id, budget, "", ""
				if rapid.Bool().Draw(rt, "policy") {
					newID, more = fmt.Sprint("p", n%3), "renamed_from: "+id+"\n"
				}
				if rapid.Bool().Draw(rt, "budget") {
					newBudget, budgetMore = fmt.Sprint("b", n%3), ", renamed_from: "+budget
				}
				if newID == id {
					more = ""
				}
				if newBudget == budget {
					budgetMore = ""
				}
				id, budget = newID, newBudget
				text = spendingPolicy(id, budget, more, budgetMore)
				w.onDisk(map[string]string{file: text})
				there = true
			},
			"move": func(rt *rapid.T) {
				n++
				if !there {
					rt.Skip()
				}
				to := fmt.Sprintf("moved-%d.yaml", n)
				w.onDisk(map[string]string{file: "", to: text})
				file = to
			},
			"delete": func(rt *rapid.T) {
				if !there {
					rt.Skip()
				}
				w.onDisk(map[string]string{file: ""})
				there = false
			},
			"restore": func(*rapid.T) {
				w.onDisk(map[string]string{file: text})
				there = true
			},
			"restart": func(*rapid.T) { w.restart() },
		})
	})
}

// TestSettleByOfARenamedBudget: who may lower a charge is what the budget says now, under whatever name it was charged.
func TestSettleByOfARenamedBudget(t *testing.T) {
	for _, tc := range []struct {
		settleBy string
		agent    bool
	}{{", settle_by: [agent]", true}, {"", false}} {
		w := newWorld(t)
		w.onDisk(map[string]string{"b.yaml": spendingPolicy("b", "daily", "", "")})
		b := w.agent("shopper")
		a := b.ask(usd("a", 900))
		w.onDisk(map[string]string{"b.yaml": spendingPolicy("b", "day", "", ", renamed_from: daily"+tc.settleBy)})
		_, err := w.Settle(t.Context(), b.signedIn(), a.DecisionID, store.Release, leash.SettleInput{})
		if (err == nil) != tc.agent {
			t.Errorf("%q: %v", tc.settleBy, err)
		}
		want := store.Deny
		if tc.agent {
			want = store.Allow
		}
		if a := b.ask(usd("b", 900)); a.Result != want {
			t.Errorf("%q: %s", tc.settleBy, a.Result)
		}
	}
}

// TestARenamedBudgetIsShown: the fullest budgets include one that was charged only under its former name.
func TestARenamedBudgetIsShown(t *testing.T) {
	w := newWorld(t)
	w.onDisk(map[string]string{"b.yaml": spendingPolicy("b", "daily", "", "")})
	w.agent("shopper").ask(usd("a", 900))
	w.onDisk(map[string]string{"b.yaml": spendingPolicy("b", "day", "", ", renamed_from: daily")})
	full, err := w.FullestBudgets(t.Context(), w.owner, 5)
	must(t, err)
	if len(full) != 1 || full[0].ID != "day" || full[0].Spent != 900 {
		t.Errorf("%+v", full)
	}
	var r store.Renamed
	logged := w.logged(store.BudgetRenamed)
	if len(logged) != 1 {
		t.Fatalf("%v", logged)
	}
	must(t, json.Unmarshal([]byte(strings.TrimPrefix(logged[0], "BUDGET_RENAMED ")), &r))
	if r.From.BudgetID != "daily" || r.To.BudgetID != "day" {
		t.Errorf("%+v", r)
	}
}

// TestCarryOver: the text that is offered carries the sum.
func TestCarryOver(t *testing.T) {
	w := newWorld(t)
	w.onDisk(map[string]string{"b.yaml": spendingPolicy("b", "daily", "", "")})
	b := w.agent("shopper")
	b.ask(usd("a", 900))
	w.onDisk(map[string]string{"b.yaml": spendingPolicy("b2", "day", "", "")})
	text := w.CarryOver(w.owner, "b2")
	v, err := w.PutPolicy(t.Context(), w.owner, "b2", leash.PolicyInput{Text: text})
	must(t, err)
	if !strings.Contains(v.Text, "{id: day, renamed_from: daily,") || !strings.Contains(v.Text, `renamed_from: "b"`) ||
		slices.ContainsFunc(v.Warnings, func(p leash.Problem) bool { return p.Code == "budget_restarted" }) {
		t.Errorf("%s %+v", v.Text, v.Warnings)
	}
	if a := b.ask(usd("b", 200)); a.Result != store.Deny {
		t.Errorf("%s", a.Result)
	}
	if again := w.CarryOver(w.owner, "b2"); again != "" {
		t.Errorf("offered again: %s", again)
	}
}
