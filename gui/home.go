package gui

import (
	"net/http"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// homeView is the first page: what waits, what is wrong, what happened.
type homeView struct {
	Approvals   []approvalItem
	Drafts      []leash.DraftView
	Agents      []leash.AgentView
	More        bool // approvals wait that are not listed
	Problems    []problemItem
	Activity    activity
	Budgets     []budgetView
	MoreBudgets int
	ManyAgents  bool // too many to look at all their budgets
	Recent      []entryView
	Started     bool // there is an agent or a decision
}

// newsworthy are the events that the first page tells of; the log has all.
var newsworthy = []store.EventType{store.DecisionCreated, store.BudgetAlert, store.ApprovalApproved, store.ApprovalDenied,
	store.AgentRegistered, store.AgentRevoked, store.PolicyUpdated, store.PolicyDeleted, store.PolicyRefused, store.DraftSubmitted}

const (
	homeItems   = 5
	homeBudgets = 6
	// maxBudgetAgents is up to how many agents the first page looks at all their budgets; of more it
	// shows the fullest, a moment later.
	maxBudgetAgents = 200
)

func home(v *visit) error {
	h := homeView{}
	var err error
	if h.Problems, err = v.problems(); err != nil {
		return err
	}
	if err := v.fillWaiting(&h); err != nil {
		return err
	}
	if v.fragment() {
		return v.part("home", "waiting", h)
	}
	if h.Activity, err = v.activity(""); err != nil {
		return err
	}
	agents, err := v.svc.Agents(v.ctx(), v.caller, leash.AgentQuery{Limit: 1})
	if err != nil {
		return err
	}
	h.Started = agents.Total > 0
	if h.ManyAgents = agents.Total > maxBudgetAgents; !h.ManyAgents {
		if h.Budgets, err = v.budgets(""); err != nil {
			return err
		}
	}
	if n := len(h.Budgets); n > homeBudgets {
		h.Budgets, h.MoreBudgets = h.Budgets[:homeBudgets], n-homeBudgets
	}
	page, err := v.svc.Audit(v.ctx(), v.caller, store.AuditQuery{Limit: 6, Types: newsworthy})
	if err != nil {
		return err
	}
	for _, e := range page.Items {
		h.Recent = append(h.Recent, describe(e))
	}
	return v.render(http.StatusOK, "home", "Home", h)
}

func (v *visit) fillWaiting(h *homeView) error {
	approvals, err := v.svc.Approvals(v.ctx(), v.caller, leash.ApprovalQuery{Status: store.Pending, Limit: homeItems})
	if err != nil {
		return err
	}
	for _, a := range approvals.Items {
		h.Approvals = append(h.Approvals, approvalItemOf(a))
	}
	h.More = approvals.NextCursor != ""
	drafts, err := v.svc.Drafts(v.ctx(), v.caller, store.Pending)
	if err != nil {
		return err
	}
	h.Drafts = drafts.Items[:min(homeItems, len(drafts.Items))]
	agents, err := v.svc.Agents(v.ctx(), v.caller, leash.AgentQuery{Status: store.Pending, Limit: homeItems})
	h.Agents = agents.Items
	return err
}

// maxProblems bounds how many problems a page lists.
const maxProblems = 20

// problems are what is wrong with the owner's policy files, and with those that nobody owns.
func (v *visit) problems() ([]problemItem, error) {
	broken, err := v.svc.BrokenPolicies(v.ctx(), v.caller)
	if err != nil {
		return nil, err
	}
	health, err := v.svc.PolicyHealth(v.ctx())
	if err != nil {
		return nil, err
	}
	var out []problemItem
	for _, f := range broken {
		out = append(out, problemItems(f.Problems, !f.ReadOnly)...)
	}
	out = append(out, problemItems(health.Errors[""], false)...)
	return out[:min(len(out), maxProblems)], nil
}

// problemItem is one error of a policy file, which its owner can mend here or not.
type problemItem struct {
	leash.Problem
	Mend bool
}

// problemItems are the errors among some problems.
func problemItems(problems []leash.Problem, mend bool) []problemItem {
	var out []problemItem
	for _, p := range problems {
		if p.Severity == "error" && len(out) < maxProblems {
			out = append(out, problemItem{p, mend})
		}
	}
	return out
}
