package gui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

const (
	ownersShown   = 25  // owners on one page
	ownersOffered = 500 // owners that a filter offers
)

// ownersView is the list of owners.
type ownersView struct {
	Items []ownerItem
	Total int
	Text  string
	Next  string // id of the last owner here, if there are more
}

// ownerItem is an owner in a list.
type ownerItem struct {
	leash.OwnerProfile
	Agents int
}

func ownerList(v *visit) error {
	all, err := v.svc.Owners(v.ctx())
	if err != nil {
		return err
	}
	out := ownersView{Text: v.query("q")}
	text := strings.ToLower(out.Text)
	all = slices.DeleteFunc(all, func(o leash.OwnerProfile) bool {
		return !strings.Contains(strings.ToLower(o.DisplayName+"\n"+o.ID), text)
	})
	out.Total = len(all)
	all, out.Next = after(all, v.query("cursor"), ownersShown)
	for _, o := range all {
		item, err := v.ownerItem(o)
		if err != nil {
			return err
		}
		out.Items = append(out.Items, item)
	}
	if v.fragment() {
		return v.part("owners", "owner-items", out)
	}
	return v.render(http.StatusOK, "owners", "Owners", out)
}

// after is the page of a list of owners behind the one with an id; next is the last one's id, if there
// are more.
func after(all []leash.OwnerProfile, id string, n int) (page []leash.OwnerProfile, next string) {
	at := slices.IndexFunc(all, func(o leash.OwnerProfile) bool { return o.ID == id })
	if page = all[at+1:]; len(page) > n {
		page = page[:n]
		next = page[n-1].ID
	}
	return page, next
}

func (v *visit) ownerItem(o leash.OwnerProfile) (ownerItem, error) {
	agents, err := v.svc.Agents(v.ctx(), leash.Caller{OwnerID: o.ID, Admin: true}, leash.AgentQuery{Limit: 1})
	return ownerItem{o, agents.Total}, err
}

// ownerPageView is one owner.
type ownerPageView struct {
	ownerItem
	Problem string
}

func ownerPage(v *visit) error { return v.showOwner(http.StatusOK, "") }

func (v *visit) showOwner(status int, problem string) error {
	o, err := v.ownerOfPath()
	if err != nil {
		return err
	}
	item, err := v.ownerItem(o)
	if err != nil {
		return err
	}
	return v.render(status, "owner", short(o.DisplayName), ownerPageView{item, problem})
}

// ownerOfPath is the owner whom the address names.
func (v *visit) ownerOfPath() (leash.OwnerProfile, error) {
	return v.svc.Profile(v.ctx(), leash.Caller{OwnerID: v.r.PathValue("id"), Admin: true})
}

// newOwnerView is the form for a new owner, and then the link with which an owner sets a passphrase.
type newOwnerView struct {
	Problem string
	Name    string
	Type    string
	Owner   leash.OwnerProfile
	Link    *linkView
}

func newOwnerPage(v *visit) error {
	return v.render(http.StatusOK, "newowner", "Add an owner", newOwnerView{Type: "HUMAN"})
}

func addOwner(v *visit) error {
	out := newOwnerView{Name: v.form("display_name"), Type: v.form("owner_type")}
	owner, err := v.svc.CreateOwner(v.ctx(), out.Name, out.Type)
	if code := leash.CodeOf(err); code == leash.InvalidRequest || code == leash.Conflict {
		status, message := explain(err)
		out.Problem = message
		return v.render(status, "newowner", "Add an owner", out)
	}
	if err != nil {
		return err
	}
	return v.showSetupLink(owner)
}

// setupLink makes a link for an owner who lost the passphrase, or the first link.
func setupLink(v *visit) error {
	owner, err := v.ownerOfPath()
	if err != nil {
		return err
	}
	return v.showSetupLink(owner)
}

func (v *visit) showSetupLink(owner leash.OwnerProfile) error {
	grant, err := v.svc.SetupInvite(v.ctx(), owner.ID)
	if err != nil {
		return err
	}
	link, err := newLink("Set-up link", grant)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, "newowner", "Set-up link", newOwnerView{Owner: owner, Link: &link})
}

// revokeOwner ends an owner for good, if the admin says to be sure.
func revokeOwner(v *visit) error {
	if v.form("sure") != "yes" {
		return v.showOwner(http.StatusUnprocessableEntity, "Nothing is changed. Say that you are sure, for this cannot be undone.")
	}
	owner, err := v.ownerOfPath()
	if err != nil {
		return err
	}
	if owner.Status != store.Revoked {
		if err := v.svc.RevokeOwner(v.ctx(), owner.ID); err != nil {
			return err
		}
	}
	return v.redirect(adminBase+"/owners/"+owner.ID, saidOwnerRevoked)
}

// ownersChoice is the filter by owner that the admin's lists have; empty on an owner's own pages.
type ownersChoice struct {
	Offered []leash.OwnerProfile
	Chosen  string // id
	names   map[string]string
}

// Name is what an owner is called.
func (c ownersChoice) Name(id string) string { return cmp.Or(c.names[id], id) }

func (v *visit) ownersChoice() (ownersChoice, error) {
	if !v.caller.Admin {
		return ownersChoice{}, nil
	}
	all, err := v.svc.Owners(v.ctx())
	out := ownersChoice{Chosen: v.caller.OwnerID, names: map[string]string{}}
	for _, o := range all {
		out.names[o.ID] = o.DisplayName
		if len(out.Offered) < ownersOffered || o.ID == out.Chosen {
			out.Offered = append(out.Offered, o)
		}
	}
	return out, err
}
