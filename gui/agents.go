package gui

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// agentsView is the list of agents with the open invites.
type agentsView struct {
	Items   []agentItem
	Total   int
	Next    string
	Text    string
	Status  store.Status
	Invites []leash.InviteView // open ones
	Empty   bool               // there is no agent at all
	Owners  ownersChoice       // the admin's
}

// agentItem is an agent in a list.
type agentItem struct {
	leash.AgentView
	Last *store.Entry // its latest entry in the log
}

// maxInvites bounds how many open invites a page lists.
const maxInvites = 20

func agentList(v *visit) error {
	out := agentsView{Text: v.query("q"), Status: store.Status(v.query("status"))}
	switch out.Status {
	case "", store.Active, store.Pending, store.Revoked:
	default:
		out.Status = ""
	}
	var err error
	if out.Owners, err = v.ownersChoice(); err != nil {
		return err
	}
	page, err := v.svc.Agents(v.ctx(), v.caller, leash.AgentQuery{Status: out.Status, Text: out.Text, Limit: 25, Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	out.Total, out.Next = page.Total, page.NextCursor
	for _, a := range page.Items {
		last, err := v.lastEntry(a)
		if err != nil {
			return err
		}
		out.Items = append(out.Items, agentItem{a, last})
	}
	out.Empty = page.Total == 0 && out.Text == "" && out.Status == "" && out.Owners.Chosen == ""
	if v.fragment() {
		return v.part("agents", "agent-items", out)
	}
	if v.caller.Admin { // invites are their owners' own
		return v.render(http.StatusOK, "agents", "Agents", out)
	}
	invites, err := v.svc.Invites(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	for _, inv := range invites {
		if inv.Status == store.Pending && len(out.Invites) < maxInvites {
			out.Invites = append(out.Invites, inv)
		}
	}
	return v.render(http.StatusOK, "agents", "Agents", out)
}

// lastEntry is what the log last says of an agent; nil if nothing.
func (v *visit) lastEntry(a leash.AgentView) (*store.Entry, error) {
	whose := leash.Caller{OwnerID: a.OwnerID, Admin: v.caller.Admin}
	page, err := v.svc.Audit(v.ctx(), whose, store.AuditQuery{AgentPrincipalID: a.PrincipalID, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return nil, err
	}
	return &page.Items[0], nil
}

// agentView is one agent.
type agentPageView struct {
	leash.AgentView
	Activity activity
	Budgets  []budgetView
	Policies []leash.PolicyView
	Recent   []entryView
	Groups   string // as typed
	Problem  string
}

func agentPage(v *visit) error {
	a, err := v.svc.AgentByID(v.ctx(), v.caller, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.caller.OwnerID = a.OwnerID // whom the admin need not name
	return v.showAgent(http.StatusOK, agentPageView{AgentView: a, Groups: strings.Join(a.Groups, ", ")})
}

func (v *visit) showAgent(status int, a agentPageView) error {
	var err error
	if a.Activity, err = v.activity(a.PrincipalID); err != nil {
		return err
	}
	if a.Status == store.Active {
		if a.Budgets, err = v.budgets(a.PrincipalID); err != nil {
			return err
		}
	}
	if a.Policies, err = v.policiesOf(a.AgentView); err != nil {
		return err
	}
	page, err := v.svc.Audit(v.ctx(), v.caller, store.AuditQuery{AgentPrincipalID: a.PrincipalID, Limit: 10})
	if err != nil {
		return err
	}
	for _, e := range page.Items {
		a.Recent = append(a.Recent, v.describe(e))
	}
	return v.render(status, "agent", a.AgentID, a)
}

// maxAgentPolicies bounds how many policies the page of an agent lists.
const maxAgentPolicies = 50

// policiesOf are the policies that apply to an agent, in order.
func (v *visit) policiesOf(a leash.AgentView) ([]leash.PolicyView, error) {
	all, err := v.svc.Policies(v.ctx(), v.caller)
	if err != nil {
		return nil, err
	}
	var out []leash.PolicyView
	for _, p := range all {
		if p.Enabled && appliesTo(p, a) && len(out) < maxAgentPolicies {
			out = append(out, p)
		}
	}
	return out, nil
}

func appliesTo(p leash.PolicyView, a leash.AgentView) bool {
	if len(p.Agents) == 0 && len(p.Groups) == 0 {
		return true
	}
	for _, id := range p.Agents {
		if id == a.AgentID || id == a.PrincipalID {
			return true
		}
	}
	for _, g := range p.Groups {
		for _, own := range a.Groups {
			if g == own {
				return true
			}
		}
	}
	return false
}

func setAgentStatus(v *visit) error {
	status := store.Status(v.form("status"))
	a, err := v.svc.SetAgentStatus(v.ctx(), v.caller, v.r.PathValue("id"), status)
	if err != nil {
		return err
	}
	message := saidAgentAccepted
	if status == store.Revoked {
		message = saidAgentRevoked
	}
	return v.redirect("/gui/agents/"+a.PrincipalID, message)
}

func setAgentGroups(v *visit) error {
	id := v.r.PathValue("id")
	_, err := v.svc.SetAgentGroups(v.ctx(), v.caller, id, words(v.form("groups")))
	if leash.CodeOf(err) == leash.InvalidRequest {
		a, gone := v.svc.AgentByID(v.ctx(), v.caller, id)
		if gone != nil {
			return gone
		}
		_, message := explain(err)
		return v.showAgent(http.StatusUnprocessableEntity, agentPageView{AgentView: a, Groups: v.form("groups"), Problem: message})
	}
	if err != nil {
		return err
	}
	return v.redirect("/gui/agents/"+id, saidGroups)
}

// inviteView is the form for an invite, and then the invite: its link is shown this once.
type inviteView struct {
	Problem string
	Groups  string
	Replace string
	Link    *linkView
	Command string
}

// linkView is a link that is shown this once.
type linkView struct {
	leash.InviteGrant
	Label string
	QR    template.URL // data URL of a PNG
}

func newLink(label string, grant leash.InviteGrant) (linkView, error) {
	qr, err := qrCode(grant.InviteURL)
	return linkView{grant, label, qr}, err
}

func invitePage(v *visit) error {
	return v.render(http.StatusOK, "invite", "Invite an agent", inviteView{Replace: v.query("replace")})
}

func invite(v *visit) error {
	out := inviteView{Groups: v.form("groups"), Replace: v.form("replace")}
	grant, err := v.svc.CreateInvite(v.ctx(), v.caller, leash.InviteInput{Groups: words(out.Groups), ReplaceAgentID: out.Replace})
	if code := leash.CodeOf(err); code == leash.InvalidRequest || code == leash.NotFound {
		status, message := explain(err)
		out.Problem = message
		return v.render(status, "invite", "Invite an agent", out)
	}
	if err != nil {
		return err
	}
	link, err := newLink("Invite link", grant)
	if err != nil {
		return err
	}
	out.Link = &link
	out.Command = "openleash agent register --invite '" + grant.InviteURL + "' --agent-id my-agent --output-env agent.env"
	return v.render(http.StatusOK, "invite", "Invite an agent", out)
}

func revokeInvite(v *visit) error {
	if err := v.svc.RevokeInvite(v.ctx(), v.caller, v.r.PathValue("id")); err != nil {
		return err
	}
	return v.redirect("/gui/agents", saidInviteRevoked)
}
