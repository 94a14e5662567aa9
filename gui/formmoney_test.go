package gui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/compiler"
)

const priced = `id: pol_priced
rules:
  - id: any
    action: purchase.*
    effect: allow
    constraints: {amount_max: 5000}
  - id: yen
    action: purchase.*
    effect: allow
    constraints:
      amount_max: 5000
      currency: JPY
  - id: two
    action: purchase.*
    effect: allow
    constraints:
      amount_max: 5000
      currency: [USD, EUR]
budgets:
  - id: daily
    limit: 50000
    currency: KWD
    window: day
  - id: often
    measure: count
    limit: 1
    window: day
`

func TestFormShowsAmountsInTheirUnit(t *testing.T) {
	form := sent(t, priced)
	for id, want := range map[string]string{"rule.0.constraints.amount_max": "5,000 minor units", "rule.1.constraints.amount_max": "5,000 JPY",
		"rule.2.constraints.amount_max": "50.00 USD", "budget.0.limit": "50.000 KWD", "budget.1.limit": "1 action"} {
		if got := form.Get(id); got != want {
			t.Errorf("%s is shown as %q, want %q", id, got, want)
		}
	}
	if got := apply(t, priced, form); got != priced {
		t.Errorf("the untouched form changed the text:\n%s", got)
	}
}

func TestFormTakesAmountsInTheirUnit(t *testing.T) {
	for _, c := range []struct {
		change map[string]string
		want   string // in the text, or part of the problem
	}{
		{map[string]string{"rule.0.constraints.amount_max": "1,234.50 EUR"}, "constraints: {amount_max: 123450, currency: [EUR]}"},
		{map[string]string{"rule.0.constraints.amount_max": "5 BHD"}, "constraints: {amount_max: 5000, currency: [BHD]}"},
		{map[string]string{"rule.0.constraints.amount_max": "50"}, "! such as 50.00 EUR"},
		{map[string]string{"rule.0.constraints.amount_max": "5.000 EUR"}, "! at most 2 digits"},
		{map[string]string{"rule.1.constraints.amount_max": "7000"}, "amount_max: 7000\n      currency: JPY"},
		{map[string]string{"rule.1.constraints.amount_max": "7000.5"}, "! no digits after the point"},
		{map[string]string{"rule.1.constraints.amount_max": "70 EUR"}, "! the currency here is JPY"},
		{map[string]string{"rule.1.constraints.currency": "KWD"}, "! the currency here is KWD"},
		{map[string]string{"rule.1.constraints.currency": "KWD", "rule.1.constraints.amount_max": "2.5 KWD"}, "amount_max: 2500\n      currency: [KWD]"},
		{map[string]string{"rule.1.constraints.currency": "JPY, USD"}, "! make a rule for each"},
		{map[string]string{"rule.2.constraints.amount_max": "60 EUR"}, "amount_max: 6000\n      currency: [USD, EUR]"},
		{map[string]string{"rule.2.constraints.amount_max": "60"}, "! such as 50.00 EUR"},
		{map[string]string{"rule.2.constraints.amount_max": ""}, "    constraints:\n      currency: [USD, EUR]\n"},
		{map[string]string{"budget.0.limit": "600 EUR"}, "limit: 60000\n    currency: EUR"},
		{map[string]string{"budget.0.limit": "20 actions"}, "limit: 20\n    window: day\n    measure: count"},
		{map[string]string{"budget.0.limit": "600"}, "! such as 20 actions"},
		{map[string]string{"budget.1.limit": "5 EUR"}, "limit: 500\n    window: day\n    currency: EUR"},
		{map[string]string{"budget.0.settle_by": "owner, counterparty"}, "settle_by: [owner, counterparty]"},
		{map[string]string{"budget.0.renamed_from": "per_day"}, "renamed_from: per_day"},
		{map[string]string{"rule.1.proof.redeem": "required"}, "redeem: required"},
		{map[string]string{"rule.1.proof.required": "false"}, "required: false"},
	} {
		form := sent(t, priced)
		for id, value := range c.change {
			form.Set(id, value)
		}
		r := httptest.NewRequest(http.MethodPost, "/gui/form", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		must(t, r.ParseForm())
		text, err := (&visit{r: r}).applyForm(priced)
		if problem, refuses := strings.CutPrefix(c.want, "! "); refuses {
			var bad refused
			if !errors.As(err, &bad) || !strings.Contains(bad.problems()[0].Message, problem) {
				t.Errorf("%v: %v, want %q", c.change, err, problem)
			}
			continue
		}
		must(t, err)
		if !strings.Contains(text, c.want) {
			t.Errorf("%v: %q is missing in\n%s", c.change, c.want, text)
		}
		parses(t, text)
	}
}

// TestRefusedAmountIsShownAgain: what cannot be read is shown as it was typed, beside what is wrong with it; what else
// was typed is kept, and nothing is saved.
func TestRefusedAmountIsShownAgain(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	form := sent(t, priced)
	form.Set("text", priced)
	form.Set("do", "save")
	form.Set("rule.1.constraints.amount_max", "12.345 JPY")
	form.Set("rule.1.description", "Only for tea.")
	r := s.do(s.request(http.MethodPost, "/gui/form", form))
	page := body(t, r)
	if r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("status %d", r.StatusCode)
	}
	for _, want := range []string{`value="12.345 JPY"`, "JPY has no digits after the point.", `value="Only for tea."`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if _, err := s.Policy(t.Context(), s.owner, "pol_priced"); err == nil {
		t.Error("it was saved")
	}
	if check := body(t, s.do(s.request(http.MethodPost, "/gui/form/check", form))); !strings.Contains(check, "Amount up to: JPY has no digits") || strings.Contains(check, "Compiles") {
		t.Errorf("while typing: %s", check)
	}
	form.Set("rule.1.constraints.amount_max", "12,345 JPY")
	if r := s.do(s.request(http.MethodPost, "/gui/form", form)); r.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d: %s", r.StatusCode, body(t, r))
	}
	p, err := s.Policy(t.Context(), s.owner, "pol_priced")
	must(t, err)
	if !strings.Contains(p.Text, "amount_max: 12345\n") || !strings.Contains(p.Text, "Only for tea.") {
		t.Errorf("saved:\n%s", p.Text)
	}
}

// TestFormKnowsTheLanguage: every key of budgets, proofs and constraints has its place in the form.
func TestFormKnowsTheLanguage(t *testing.T) {
	type schema struct {
		Properties map[string]schema
		Items      *schema
		Defs       map[string]schema `json:"$defs"`
	}
	var top schema
	must(t, json.Unmarshal(compiler.Schema(), &top))
	check := func(what string, s schema, prefix string, fields []formField) {
		if len(s.Properties) < 3 {
			t.Fatalf("the schema of %s has moved", what)
		}
		for key := range s.Properties {
			at := prefix + key
			if !slices.ContainsFunc(fields, func(f formField) bool {
				return f.Name() == at || strings.HasPrefix(f.Name(), at+".") || slices.ContainsFunc(f.Also, func(p []string) bool { return strings.Join(p, ".") == at })
			}) {
				t.Errorf("the form does not know the key %s of %s", at, what)
			}
		}
	}
	rule, budget := top.Properties["rules"], top.Properties["budgets"]
	if rule.Items == nil || len(rule.Items.Properties) == 0 {
		rule.Items = &schema{Properties: top.Defs["rule"].Properties}
	}
	if budget.Items == nil || len(budget.Items.Properties) == 0 {
		budget.Items = &schema{Properties: top.Defs["budget"].Properties}
	}
	check("a budget", *budget.Items, "", budgetFields)
	proofs, constraints := rule.Items.Properties["proof"], rule.Items.Properties["constraints"]
	if len(proofs.Properties) == 0 {
		proofs = top.Defs["proof"]
	}
	if len(constraints.Properties) == 0 {
		constraints = top.Defs["constraints"]
	}
	check("a proof", proofs, "proof.", ruleFields)
	check("the constraints", constraints, "constraints.", ruleFields)
}
