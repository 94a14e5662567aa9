package browser

import (
	"testing"

	"github.com/openleash/openleash-go/store"
)

func TestPages(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.populate()
	p := w.open(chrome)
	p.visit("/gui/login")
	p.look("login")
	p.logIn()
	p.look("home")
	for _, page := range []struct{ path, name string }{
		{"/gui/approvals", "approvals"}, {"/gui/approvals?status=all", "approvals-all"},
		{"/gui/agents", "agents"}, {"/gui/agents/invite", "invite"}, {"/gui/budgets", "budgets"},
		{"/gui/agents/shopper", "agent"}, {"/gui/policies", "policies"}, {"/gui/policies/pol_everyday", "policy"},
		{"/gui/new-policy", "new-policy"}, {"/gui/edit?policy=pol_everyday", "edit"}, {"/gui/policies/pol_everyday/history", "history"},
		{"/gui/form?policy=pol_everyday", "form"}, {"/gui/form?policy=pol_no_gambling", "form-when"},
		{"/gui/drafts", "drafts"}, {"/gui/settings", "settings"}, {"/gui/settings/totp", "totp"}, {"/gui/keys", "keys"}, {"/gui/playground", "playground"},
		{"/gui/log", "log"}, {"/gui/nowhere", "not-found"},
	} {
		if page.name == "not-found" {
			p.expect("404")
		}
		p.visit(page.path)
		p.look(page.name)
	}
	allowed, err := w.Audit(t.Context(), w.owner, store.AuditQuery{Result: store.Allow, Limit: 1})
	w.must(err)
	p.visit("/gui/log/" + allowed.Items[0].ID)
	p.look("entry")
	drafts, err := w.Drafts(t.Context(), w.owner, "")
	w.must(err)
	p.visit("/gui/drafts/" + drafts.Items[0].ID)
	p.sees("made up from the rules")
	p.look("draft")
	approvals, err := w.Approvals(t.Context(), w.owner, leashPending)
	w.must(err)
	for _, a := range approvals.Items {
		p.visit("/gui/approvals/" + a.ID)
		p.look("approval-" + a.AgentID)
	}
}
