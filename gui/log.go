package gui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// logView is a page of the log.
type logView struct {
	Items  []entryView
	Next   string // address of the next page
	Filter logFilter
	Types  []typeChoice
	Agent  string       // the name of the agent in the filter
	Owners ownersChoice // the admin's
	Status *LogStatus
}

// logFilter is what the owner looks for.
type logFilter struct {
	Text, Type, Result, Agent, Policy, Since, Until string
	Owner                                           string // of the admin's choice
}

type typeChoice struct {
	ID, Name string
}

// typeChoices are the groups of event types that a filter offers.
var typeChoices = []typeChoice{{"decisions", "Decisions"}, {"approvals", "Approvals"}, {"agents", "Agents"},
	{"policies", "Policies"}, {"budgets", "Budgets"}, {"account", "Log-ins and account"}}

var typeGroups = map[string][]store.EventType{
	"decisions": {store.DecisionCreated},
	"approvals": {store.ApprovalRequested, store.ApprovalApproved, store.ApprovalDenied, store.ApprovalExpired},
	"agents":    {store.AgentInvited, store.InviteRevoked, store.AgentRegistered, store.AgentUpdated, store.AgentRevoked},
	"policies": {store.PolicyUpdated, store.PolicyDeleted, store.PolicyRefused, store.PolicyRecovered, store.DraftSubmitted, store.DraftApproved,
		store.DraftDenied},
	"budgets": {store.ChargeSettled, store.BudgetAlert, store.BudgetRenamed, store.BudgetRestarted, store.ProofRedeemed, store.SettlementRefused},
	"account": {store.OwnerCreated, store.OwnerUpdated, store.OwnerRevoked, store.SessionStarted, store.SessionEnded,
		store.KeyRotated, store.KeyRevoked},
}

func (v *visit) logFilter() logFilter {
	f := logFilter{Text: v.query("q"), Type: v.query("type"), Result: v.query("result"), Agent: v.query("agent"),
		Policy: v.query("policy"), Since: v.query("since"), Until: v.query("until")}
	if v.caller.Admin {
		f.Owner = v.caller.OwnerID
	}
	return f
}

// audit is the filter as the service takes it. A date that is none is left out.
func (f logFilter) audit() store.AuditQuery {
	q := store.AuditQuery{Text: clipBytes(f.Text, 200), Types: typeGroups[f.Type], Result: store.Result(f.Result),
		AgentPrincipalID: f.Agent, PolicyID: f.Policy}
	if t, err := time.Parse(time.DateOnly, f.Since); err == nil {
		q.Since = t
	}
	if t, err := time.Parse(time.DateOnly, f.Until); err == nil {
		q.Until = t.AddDate(0, 0, 1)
	}
	return q
}

// Query is the filter as an address has it.
func (f logFilter) Query() url.Values {
	out := url.Values{}
	for name, value := range map[string]string{"q": f.Text, "type": f.Type, "result": f.Result, "agent": f.Agent,
		"policy": f.Policy, "since": f.Since, "until": f.Until, "owner": f.Owner} {
		if value != "" {
			out.Set(name, value)
		}
	}
	return out
}

func logList(v *visit) error {
	out := logView{Filter: v.logFilter(), Types: typeChoices}
	q := out.Filter.audit()
	q.Limit, q.Cursor = 50, v.query("cursor")
	page, err := v.svc.Audit(v.ctx(), v.caller, q)
	if err != nil {
		return err
	}
	if out.Owners, err = v.ownersChoice(); err != nil {
		return err
	}
	for _, e := range page.Items {
		item := v.describe(e)
		if name := short(out.Owners.Name(e.OwnerID)); v.caller.Admin && v.caller.OwnerID == "" && name != item.Note {
			item.Owner = name
		}
		out.Items = append(out.Items, item)
	}
	markDays(out.Items, v.now)
	if page.NextCursor != "" {
		next := out.Filter.Query()
		next.Set("cursor", page.NextCursor)
		out.Next = v.base() + "/log?" + next.Encode()
	}
	if out.Filter.Agent != "" {
		if a, err := v.svc.AgentByID(v.ctx(), v.caller, out.Filter.Agent); err == nil {
			out.Agent = a.AgentID
		}
	}
	if v.fragment() {
		return v.part("log", "log-items", out)
	}
	if v.cfg.LogStatus != nil {
		// Without an answer, such as before the first look, there is no badge.
		if status, err := v.cfg.LogStatus(v.ctx()); err == nil {
			out.Status = &status
		}
	}
	return v.render(http.StatusOK, "log", "Log", out)
}

// markDays puts the day over the first entry of each.
func markDays(items []entryView, now time.Time) {
	last := ""
	for i := range items {
		name := items[i].Time.UTC().Format("Monday, 2 January 2006")
		if name == last {
			continue
		}
		last, items[i].Day = name, name
		switch now.UTC().Truncate(24 * time.Hour).Sub(items[i].Time.UTC().Truncate(24 * time.Hour)) {
		case 0:
			items[i].Day = "Today"
		case 24 * time.Hour:
			items[i].Day = "Yesterday"
		}
	}
}

// logEntryView is one entry in full.
type logEntryView struct {
	entryView
	What   action
	Policy string
	Proof  *proof.Claims // of an ALLOW that carried one
	Valid  bool          // the proof has not expired
	Whole  string
	Settle settleView
}

func logEntry(v *visit) error { return v.showEntry(http.StatusOK, settleView{}) }

// showEntry shows an entry; typed is a settlement that was typed and is to be confirmed or corrected.
func (v *visit) showEntry(status int, typed settleView) error {
	e, err := v.svc.Entry(v.ctx(), v.caller, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.caller.OwnerID = e.OwnerID // whom the admin need not name
	out := logEntryView{entryView: v.describe(e)}
	if d := e.Decision; d != nil {
		out.What = readAction(e.Action)
		out.Policy = v.policyNames()[d.PolicyID]
		out.Proof, err = v.svc.DecisionProof(v.ctx(), v.caller, d.ID)
		if err != nil && leash.CodeOf(err) != leash.NotFound { // what was redacted has no claims
			return err
		}
		if out.Settle, err = v.settlement(e); err != nil {
			return err
		}
		out.Valid = out.Proof != nil && out.Proof.ExpiresAt.After(v.now)
	}
	whole, err := json.Marshal(e)
	if err != nil {
		return err
	}
	out.Whole = indented(whole)
	out.Settle.Kind, out.Settle.Typed, out.Settle.Confirm, out.Settle.Problem = typed.Kind, typed.Typed, typed.Confirm, typed.Problem
	return v.render(status, "entry", out.Title, out)
}

// maxExport bounds how many entries one export holds.
const maxExport = 1_000_000

// exportLog sends all that fits the filter, newest first, one JSON object a line.
func exportLog(v *visit) error {
	q := v.logFilter().audit()
	q.Limit = 500
	page, err := v.svc.Audit(v.ctx(), v.caller, q)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/x-ndjson")
	v.w.Header().Set("Content-Disposition", `attachment; filename="openleash-log-`+v.now.UTC().Format("20060102-150405")+`.jsonl"`)
	control := http.NewResponseController(v.w)
	for sent := 0; ; {
		extend(control)
		for _, e := range page.Items {
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if _, err := v.w.Write(append(line, '\n')); err != nil {
				return nil //nolint:nilerr // the client is gone
			}
		}
		if sent += len(page.Items); page.NextCursor == "" || sent >= maxExport {
			return nil
		}
		q.Cursor = page.NextCursor
		if page, err = v.svc.Audit(v.ctx(), v.caller, q); err != nil {
			v.cfg.Log.ErrorContext(v.ctx(), "exporting the log", "err", err)
			panic(http.ErrAbortHandler) // a broken download, not a short one
		}
	}
}
