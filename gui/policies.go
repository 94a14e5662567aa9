package gui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/leash"
)

// tier is a group of policies that are asked together.
type tier struct {
	ID, Name, Words string
	Items           []policyItem
	Hidden          int  // further policies that fit; search finds them
	Sortable        bool // all of the tier is listed, and there is an order to change
	Problems        []problemItem
}

// policyItem is a policy in the list. First and Last say whether it can move up and down.
type policyItem struct {
	leash.PolicyView
	First, Last bool
}

// tierNames are the tiers in the order in which they are asked.
var tierNames = []tier{
	{ID: "guardrail", Name: "Guardrails", Words: "Can only forbid or ask; nothing below overrides them."},
	{ID: "agent", Name: "For single agents", Words: "Asked first. The first policy with a matching rule decides."},
	{ID: "group", Name: "For groups", Words: "Asked next."},
	{ID: "owner", Name: "For all agents", Words: "Asked last."},
}

func tierOf(p leash.PolicyView) string {
	switch {
	case p.Guardrail:
		return "guardrail"
	case len(p.Agents) > 0:
		return "agent"
	case len(p.Groups) > 0:
		return "group"
	}
	return "owner"
}

// policiesView is the list of policies by layer.
type policiesView struct {
	Tiers    []tier
	Total    int
	Text     string
	Problems []problemItem
	Ignored  []string     // files in the folder that are not policies
	Owners   ownersChoice // the admin's
	Next     string       // of the admin's list: the last owner here, if there are more
}

// maxTier bounds how many policies of one tier a page lists.
const maxTier = 50

func policyList(v *visit) error {
	all, err := v.svc.Policies(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	out := policiesView{Total: len(all), Text: v.query("q")}
	for _, t := range tierNames {
		if t.fill(all, out.Text); len(t.Items) > 0 {
			out.Tiers = append(out.Tiers, t)
		}
	}
	if v.fragment() {
		return v.part("policies", "policy-items", out)
	}
	if out.Problems, err = v.problems(); err != nil {
		return err
	}
	files, err := v.svc.PolicyFiles(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	out.Ignored = files.Ignored[:min(len(files.Ignored), maxProblems)]
	return v.render(http.StatusOK, "policies", "Policies", out)
}

// policyOwners is how many owners one page of the admin's list has.
const policyOwners = 20

// allPolicies is the admin's list: the policies of each owner, and what of them does not compile.
func allPolicies(v *visit) (err error) {
	var out policiesView
	if out.Owners, err = v.ownersChoice(); err != nil {
		return err
	}
	active, err := v.activeOwners()
	if err != nil {
		return err
	}
	health, err := v.svc.PolicyHealth(v.ctx())
	if err != nil {
		return err
	}
	if chosen := out.Owners.Chosen; chosen != "" {
		active = slices.DeleteFunc(active, func(o leash.OwnerProfile) bool { return o.ID != chosen })
	}
	active, out.Next = after(active, v.query("cursor"), policyOwners)
	for _, o := range active {
		all, err := v.svc.Policies(v.ctx(), leash.Caller{OwnerID: o.ID, Admin: true})
		if err != nil {
			return err
		}
		t := tier{ID: o.ID, Name: short(o.DisplayName), Words: plural(len(all), "policy"), Problems: problemItems(health.Errors[o.ID], false)}
		t.Hidden = max(0, len(all)-maxTier)
		for _, p := range all[:len(all)-t.Hidden] {
			t.Items = append(t.Items, policyItem{PolicyView: p})
		}
		out.Tiers = append(out.Tiers, t)
	}
	out.Problems = problemItems(health.Errors[""], false)
	out.Ignored = health.Ignored[:min(len(health.Ignored), maxProblems)]
	return v.render(http.StatusOK, "allpolicies", "Policies", out)
}

// fill takes the policies of a tier that hold the text.
func (t *tier) fill(all []leash.PolicyView, text string) {
	t.Items = nil
	t.Sortable = text == ""
	text = strings.ToLower(text)
	for _, p := range all {
		if tierOf(p) != t.ID || !strings.Contains(strings.ToLower(p.ID+"\n"+p.Name+"\n"+p.Description), text) {
			continue
		}
		if len(t.Items) == maxTier {
			t.Hidden++
			continue
		}
		t.Items = append(t.Items, policyItem{PolicyView: p})
	}
	if n := len(t.Items); n > 0 {
		t.Items[0].First, t.Items[n-1].Last = true, t.Hidden == 0
	}
	t.Sortable = t.Sortable && len(t.Items) > 1
}

// movePolicy puts a policy before another of its tier, or one place up or down.
func movePolicy(v *visit) error {
	all, err := v.svc.Policies(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	id := v.form("policy_id")
	at := slices.IndexFunc(all, func(p leash.PolicyView) bool { return p.ID == id })
	if at < 0 {
		return &leash.Error{Code: leash.NotFound, Message: "the policy is gone"}
	}
	var order []string
	for _, p := range all {
		if tierOf(p) == tierOf(all[at]) {
			order = append(order, p.ID)
		}
	}
	if _, err := v.svc.OrderPolicies(v.ctx(), v.caller, moved(order, id, v.form("before"), v.form("by"))); err != nil {
		return err
	}
	return v.redirect("/gui/policies#"+id, saidPolicyMoved)
}

// moved returns an order with one id in another place: before another, or up or down by one.
func moved(order []string, id, before, by string) []string {
	from := slices.Index(order, id)
	rest := slices.Delete(slices.Clone(order), from, from+1)
	to := slices.Index(rest, before)
	switch {
	case by == "up":
		to = max(0, from-1)
	case by == "down":
		to = min(len(rest), from+1)
	case to < 0:
		return order
	}
	return slices.Insert(rest, to, id)
}

// policyView is one policy.
type policyView struct {
	leash.PolicyView
	Rego    string
	Tier    string
	Problem string
	Carry   bool // renamed_from can be offered
}

func policyPage(v *visit) error {
	p, err := v.svc.Policy(v.ctx(), v.caller, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	out := policyView{PolicyView: p, Carry: !v.caller.Admin && !p.ReadOnly && v.svc.CarryOver(v.caller, p.ID) != ""}
	for _, t := range tierNames {
		if t.ID == tierOf(p) {
			out.Tier = t.Name
		}
	}
	if p.Language == "yaml" {
		if out.Rego, err = v.svc.PolicyRego(v.ctx(), v.caller, p.ID); err != nil {
			return err
		}
	}
	return v.render(http.StatusOK, "policy", cmp.Or(p.Name, p.ID), out)
}

func deletePolicy(v *visit) error {
	if err := v.svc.DeletePolicy(v.ctx(), v.caller, v.r.PathValue("id")); err != nil {
		return err
	}
	return v.redirect("/gui/policies", saidPolicyDeleted)
}
