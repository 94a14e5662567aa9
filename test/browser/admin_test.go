package browser

import (
	"strings"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// logInAdmin opens the pages of the admin.
func (p *tab) logInAdmin() {
	p.Helper()
	p.visit("/gui/admin")
	p.fill("#token", adminToken)
	p.press("form button.primary")
	p.sees("Each sees only what is theirs.")
}

func TestAdminPages(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.populate()
	for _, name := range []string{"Grace Hopper", "<b>Mallory</b> \u202egnp.exe", "A display name that goes on and on, as long as names are that nobody wanted to shorten"} {
		_, err := w.CreateOwner(t.Context(), name, "HUMAN")
		w.must(err)
	}
	acme, err := w.CreateOwner(t.Context(), "Acme Holding", "ORG")
	w.must(err)
	w.must(w.RevokeOwner(t.Context(), acme.ID))
	w.write("broken.yaml", "id: pol_broken\nowner: "+w.owner.OwnerID+"\nrules:\n  - action: read.*\n    efect: allow\n")
	p := w.open(chrome)
	p.visit("/gui/admin")
	p.look("admin-login")
	p.logInAdmin()
	p.look("admin-owners")
	for _, page := range []struct{ path, name string }{
		{"owners/new", "add-owner"}, {"owners/" + w.owner.OwnerID, "owner"}, {"owners/" + acme.ID, "owner-revoked"},
		{"agents", "agents"}, {"policies", "policies"}, {"policies/pol_everyday?owner=" + w.owner.OwnerID, "policy"},
		{"log", "log"}, {"keys", "keys"}, {"settings", "settings"},
	} {
		p.visit("/gui/admin/" + page.path)
		p.look("admin-" + page.name)
	}
	allowed, err := w.Audit(t.Context(), w.owner, store.AuditQuery{Result: store.Allow, Limit: 1})
	w.must(err)
	p.visit("/gui/admin/log/" + allowed.Items[0].ID)
	p.look("admin-entry")
	p.visit("/gui/admin/agents/" + allowed.Items[0].AgentPrincipalID)
	p.look("admin-agent")
}

// TestHostileTextInAdmin holds that what owners and agents wrote is inert before the admin too.
func TestHostileTextInAdmin(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	other, err := w.CreateOwner(t.Context(), evil, "HUMAN")
	w.must(err)
	w.policy(spending)
	w.policy(evilPolicy)
	w.write("evil.yaml", "id: evil\nowner: "+w.owner.OwnerID+"\n"+quote(evil)+": "+strings.Repeat("W", 60_000)+"\n")
	req := w.agent("shopper").wants("purchase.order", evilPayload(), evil+strings.Repeat(" very", 600))
	_, err = w.DenyApproval(t.Context(), w.owner, req.ID, evil+strings.Repeat("W", 300))
	w.must(err)
	decided, err := w.Decision(t.Context(), w.owner, req.DecisionID)
	w.must(err)
	p := w.open(chrome)
	p.logInAdmin()
	for _, path := range []string{"", "owners/" + other.ID, "agents", "agents/" + decided.AgentPrincipalID, "policies",
		"policies/pol_evil?owner=" + w.owner.OwnerID, "log", "log/" + decided.ID, "log?owner=" + other.ID} {
		p.inert("/gui/admin/" + path)
	}
}

// TestAdminAddsAnOwner goes from the admin's token to a new owner's own portal.
func TestAdminAddsAnOwner(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	p := w.open(chrome)
	p.expect("401")
	p.visit("/gui/admin/keys")
	p.fill("#token", "not the token")
	p.press("form button.primary")
	p.sees("That is not the admin token.")
	p.fill("#token", adminToken)
	p.press("form button.primary")
	if got := p.path(); got != "/gui/admin/keys" {
		t.Errorf("after log-in: %s", got)
	}
	p.press("form[action$=rotate] button")
	p.sees("A new key is in force.")

	p.visit("/gui/admin/")
	p.press("main a.primary")
	p.fill("#name", "Grace Hopper")
	p.press("form button.primary")
	p.sees("This link is shown once.")
	p.look("admin-setup-link")
	link := eval[string](p, "document.querySelector('#link').value")

	// The owner is somebody else, in a browser of their own.
	grace := w.open(browser(t))
	grace.visit(link[len(w.url):])
	grace.sees("Set your passphrase")
	grace.fill("#p1", passphrase)
	grace.fill("#p2", passphrase)
	grace.press("form button.primary")
	grace.sees("Your passphrase is set.")
	grace.fill("#owner", "Grace Hopper")
	grace.fill("#passphrase", passphrase)
	grace.press("form button.primary")
	grace.sees("Hello, Grace")

	// The admin ends what the admin began.
	p.visit("/gui/admin/")
	p.fill("input[type=search]", "grace")
	p.sees("1 owner")
	p.press("#items a.item-title")
	p.click("input[name=sure]")
	p.press("form[action$=revoke] button")
	p.sees("The owner is revoked.")
	p.press("aside form button")
	p.sees("You are logged out.")
	p.visit("/gui/admin/log")
	p.sees("Admin token")
	owners, err := w.Owners(t.Context())
	w.must(err)
	if _, err := w.Login(t.Context(), leash.LoginInput{OwnerID: owners[1].ID, Passphrase: passphrase}); err == nil {
		t.Error("a revoked owner logs in")
	}
}
