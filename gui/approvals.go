package gui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// approvalItem is an approval request in a list.
type approvalItem struct {
	leash.ApprovalView
	What  action
	Quick bool // can be approved without a code, a deposit or a look at a budget
}

func approvalItemOf(a leash.ApprovalView) approvalItem {
	what := readAction(a.Action)
	for _, path := range a.Redacted {
		what.Facts = append(what.Facts, fact{Name: strings.TrimPrefix(path, store.PayloadPath+"."), Value: "(redacted)"})
	}
	return approvalItem{a, what, !owes(a, "STEP_UP_AUTH") && !owes(a, "DEPOSIT") && len(a.Overages) == 0}
}

func owes(a leash.ApprovalView, obligation string) bool {
	return slices.ContainsFunc(a.Obligations, func(o store.Obligation) bool { return o.Type == obligation && o.Status == "PENDING" })
}

// approvalsView is the list: what waits, or what was answered.
type approvalsView struct {
	Items   []approvalItem
	Status  store.Status // empty is all
	Next    string
	Waiting bool // the list of those that wait
}

func approvalList(v *visit) error {
	out := approvalsView{Waiting: true}
	q := leash.ApprovalQuery{Status: store.Pending, Limit: 30, Cursor: v.query("cursor")}
	switch status := store.Status(v.query("status")); status {
	case "all":
		q.Status, out.Waiting = "", false
	case store.Approved, store.Denied, store.Expired, store.Consumed:
		q.Status, out.Waiting = status, false
	}
	out.Status = q.Status
	page, err := v.svc.Approvals(v.ctx(), v.caller, q)
	if err != nil {
		return err
	}
	for _, a := range page.Items {
		out.Items = append(out.Items, approvalItemOf(a))
	}
	out.Next = page.NextCursor
	if v.fragment() {
		return v.part("approvals", "approval-items", out)
	}
	return v.render(http.StatusOK, "approvals", "Approvals", out)
}

// approvalView is one request, with all that helps to answer it.
type approvalView struct {
	approvalItem
	Policy      string
	RuleWords   []string
	Budgets     []budgetView
	Similar     []approvalItem
	NeedsCode   bool
	NeedsProof  bool // a deposit reference
	TOTPEnabled bool
	Problem     string
	Reason      string // of a denial, as typed
	Deposit     string
	Stale       bool // answered elsewhere while this page was open
}

func approvalPage(v *visit) error {
	a, err := v.approvalView(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.fragment() {
		return v.part("approval", "approval", a)
	}
	return v.render(http.StatusOK, "approval", "Approval", a)
}

func (v *visit) approvalView(id string) (approvalView, error) {
	a, err := v.svc.Approval(v.ctx(), v.caller, id)
	if err != nil {
		return approvalView{}, err
	}
	out := approvalView{approvalItem: approvalItemOf(a), NeedsCode: owes(a, "STEP_UP_AUTH"), NeedsProof: owes(a, "DEPOSIT"),
		TOTPEnabled: v.owner.TOTPEnabled}
	out.Policy, out.RuleWords = v.ruleWords(a.PolicyID, a.RuleID)
	if out.Budgets, err = v.budgetsFor(out.approvalItem); err != nil {
		return out, err
	}
	similar, err := v.svc.Approvals(v.ctx(), v.caller, leash.ApprovalQuery{AgentPrincipalID: a.AgentPrincipalID, ActionType: a.ActionType, Limit: 6})
	for _, s := range similar.Items {
		if s.ID != a.ID && len(out.Similar) < 5 {
			out.Similar = append(out.Similar, approvalItemOf(s))
		}
	}
	return out, err
}

// ruleWords says in words what the rule that asked for an approval says.
func (v *visit) ruleWords(policyID, ruleID string) (name string, sentences []string) {
	p := v.svc.Engine(v.caller).Policy(policyID)
	if p == nil {
		return "", nil
	}
	if p.YAML == nil {
		return p.Name, nil
	}
	for _, rule := range p.YAML.Rules {
		if rule.ID == ruleID {
			only := *p.YAML
			only.Rules, only.Budgets = []compiler.Rule{rule}, nil
			if all := compiler.Describe(&only); len(all) > 0 {
				sentences = all[:1]
			}
			if rule.Description != "" {
				sentences = append([]string{rule.Description}, sentences...)
			}
		}
	}
	return p.Name, sentences
}

// budgetsFor are the budgets that an action will be charged to, with how far it would take them.
func (v *visit) budgetsFor(a approvalItem) ([]budgetView, error) {
	all, err := v.budgets(a.AgentPrincipalID)
	if err != nil || a.Status != store.Pending || !a.What.Counts {
		return all, err
	}
	for i := range all {
		if b := &all[i]; b.Measure == store.MeasureAmount && b.Currency == a.What.Currency {
			b.Next = percent(b.Spent+a.What.Minor, b.Limit) - b.Percent
		}
	}
	return all, nil
}

func approve(v *visit) error {
	id := v.r.PathValue("id")
	_, err := v.svc.Approve(v.ctx(), v.caller, id, leash.ApproveInput{TOTPCode: v.form("totp_code"), DepositReference: v.form("deposit_reference")})
	return v.answered(id, err, saidApproved)
}

func denyApproval(v *visit) error {
	id := v.r.PathValue("id")
	_, err := v.svc.DenyApproval(v.ctx(), v.caller, id, v.r.PostFormValue("reason"))
	return v.answered(id, err, saidDenied)
}

// answered ends an answer: back to what waits, or to the request with what kept it from being answered.
func (v *visit) answered(id string, err error, message flash) error {
	if err == nil {
		to := "/gui/approvals"
		if v.form("from") == "home" {
			to = "/gui/"
		}
		return v.redirect(to, message)
	}
	a, gone := v.approvalView(id)
	if gone != nil {
		return gone
	}
	status, problem := explain(err)
	switch leash.CodeOf(err) {
	case leash.InvalidStatus, leash.RequestExpired:
		a.Stale = true
	case "", leash.Unavailable:
		return err
	}
	a.Problem, a.Reason, a.Deposit = problem, v.r.PostFormValue("reason"), v.form("deposit_reference")
	return v.render(status, "approval", "Approval", a)
}
