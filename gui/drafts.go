package gui

import (
	"net/http"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// draftsView is the list of drafts.
type draftsView struct {
	Items  []leash.DraftView
	Status store.Status
	More   bool
}

// maxDrafts bounds how many drafts a page lists.
const maxDrafts = 100

func draftList(v *visit) error {
	out := draftsView{Status: store.Pending}
	switch s := store.Status(v.query("status")); s {
	case store.Approved, store.Denied:
		out.Status = s
	case "all":
		out.Status = ""
	}
	page, err := v.svc.Drafts(v.ctx(), v.caller, out.Status)
	if err != nil {
		return err
	}
	out.Items = page.Items[:min(len(page.Items), maxDrafts)]
	out.More = len(page.Items) > maxDrafts
	if v.fragment() {
		return v.part("drafts", "draft-items", out)
	}
	return v.render(http.StatusOK, "drafts", "Drafts", out)
}

// draftPageView is one draft with all that helps to judge it.
type draftPageView struct {
	leash.DraftView
	Check   leash.PolicyCheck
	Compare *leash.Comparison
	Name    string
	Scope   string
	Reason  string
	Problem string
}

func draftPage(v *visit) error {
	d, err := v.svc.Draft(v.ctx(), v.caller, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showDraft(http.StatusOK, draftPageView{DraftView: d, Name: d.Name})
}

func (v *visit) showDraft(status int, d draftPageView) error {
	var err error
	if d.Check, err = v.svc.ValidatePolicy(v.ctx(), v.caller, d.PolicyYAML); err != nil {
		return err
	}
	return v.render(status, "draft", "Draft", d)
}

// draftCompare says what a draft would change for the agent that proposes it.
func draftCompare(v *visit) error {
	d, err := v.svc.Draft(v.ctx(), v.caller, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	e := editView{Text: d.PolicyYAML}
	result, err := v.svc.CompareDraft(v.ctx(), v.caller, d.ID)
	if err := e.compared(result, err); err != nil {
		return err
	}
	if v.fragment() {
		return v.part("edit", "compared", e)
	}
	out := draftPageView{DraftView: d, Name: d.Name, Compare: e.Compare, Problem: e.Problem}
	return v.showDraft(http.StatusOK, out)
}

func approveDraft(v *visit) error {
	id := v.r.PathValue("id")
	fix := leash.ApproveDraftInput{Name: v.form("name")}
	if v.form("scope") == "all" {
		fix.Scope = "all"
	}
	_, err := v.svc.ApproveDraft(v.ctx(), v.caller, id, fix)
	return v.draftAnswered(id, err, saidDraftApproved)
}

func denyDraft(v *visit) error {
	id := v.r.PathValue("id")
	_, err := v.svc.DenyDraft(v.ctx(), v.caller, id, v.r.PostFormValue("reason"))
	return v.draftAnswered(id, err, saidDraftDenied)
}

func (v *visit) draftAnswered(id string, err error, message flash) error {
	switch leash.CodeOf(err) {
	case "", leash.Unavailable, leash.NotFound:
		if err != nil {
			return err
		}
		return v.redirect("/gui/drafts/"+id, message)
	}
	d, gone := v.svc.Draft(v.ctx(), v.caller, id)
	if gone != nil {
		return gone
	}
	status, problem := explain(err)
	return v.showDraft(status, draftPageView{DraftView: d, Name: v.form("name"), Scope: v.form("scope"),
		Reason: v.r.PostFormValue("reason"), Problem: problem})
}
