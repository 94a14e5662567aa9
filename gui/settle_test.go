package gui

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// decisionPage makes a decision of 50.00 EUR under a budget, and returns the address of its page.
func (s *site) decisionPage(settleBy string) string {
	s.t.Helper()
	must(s.t, s.DeletePolicy(s.t.Context(), s.owner, "pol_balanced"))
	_, err := s.PutPolicy(s.t.Context(), s.owner, "", leash.PolicyInput{Text: "id: b\nrules: [{action: '*', effect: allow}]\nbudgets:\n  - {id: total, limit: 100000, currency: EUR, window: lifetime" + settleBy + "}\n"})
	must(s.t, err)
	_, err = s.Authorize(s.t.Context(), s.join(s.t, "shopper"), []byte(`{"action_type":"buy","payload":{"amount_minor":5000,"currency":"EUR"}}`))
	must(s.t, err)
	page, err := s.Audit(s.t.Context(), s.owner, store.AuditQuery{Result: store.Allow, Limit: 1})
	must(s.t, err)
	return "/gui/log/" + page.Items[0].ID
}

func (s *site) spent() int64 {
	s.t.Helper()
	all, err := s.Budgets(s.t.Context(), s.owner, "")
	must(s.t, err)
	return all[0].Spent
}

func TestOwnerSettles(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	at := s.decisionPage("")
	step := func(form url.Values, status int, wants ...string) {
		t.Helper()
		r := s.do(s.request(http.MethodPost, at+"/settle", form))
		page := body(t, r)
		if r.StatusCode != status {
			t.Errorf("%v: status %d", form, r.StatusCode)
		}
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%v: the page lacks %q", form, want)
			}
		}
	}
	form := func(kind, amount, confirmed string) url.Values {
		return url.Values{"kind": {kind}, "amount": {amount}, "confirmed": {confirmed}}
	}
	page := body(t, s.do(s.request(http.MethodGet, at, nil)))
	if !strings.Contains(page, `value="50.00 EUR"`) || !strings.Contains(page, "Release: it") || strings.Contains(page, "Record a refund") {
		t.Error("a fresh charge can be committed and released, and not refunded")
	}
	step(form("commit", "40.005 EUR", ""), 422, "at most 2 digits", `value="40.005 EUR"`)
	step(form("commit", "40 USD", "yes"), 422, "the currency here is EUR")
	step(form("refund", "1 EUR", "yes"), 409, "not possible any more")
	step(form("commit", "40", ""), 200, "Set the final amount to 40.00 EUR?", `name="confirmed"`)
	if got := s.spent(); got != 5000 {
		t.Errorf("%d is spent before it was confirmed", got)
	}
	step(form("commit", "40", "yes"), 303)
	if got := s.spent(); got != 4000 {
		t.Errorf("%d is spent after the commit", got)
	}
	step(form("release", "", "yes"), 409, "not possible any more")
	step(form("refund", "41 EUR", "yes"), 409, "at most what is charged")
	step(form("refund", "15 EUR", "yes"), 303)
	step(form("refund", "15 EUR", "yes"), 409, "counts as a repetition")
	if got := s.spent(); got != 2500 {
		t.Errorf("%d is spent after the refund", got)
	}
	if page := body(t, s.do(s.request(http.MethodGet, at, nil))); !strings.Contains(page, "25.00 EUR is charged, after refunds.") {
		t.Error("the page does not say what is charged now")
	}
}

func TestOwnerReleases(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	at := s.decisionPage("")
	r := s.do(s.request(http.MethodPost, at+"/settle", url.Values{"kind": {"release"}, "confirmed": {"yes"}}))
	if r.StatusCode != http.StatusSeeOther || s.spent() != 0 {
		t.Errorf("status %d, %d is spent", r.StatusCode, s.spent())
	}
	if page := body(t, s.do(s.request(http.MethodGet, at, nil))); !strings.Contains(page, "Released: nothing is charged.") || strings.Contains(page, "/settle") {
		t.Error("a released charge can be settled again")
	}
}

// TestOwnerIsNotASettler: where settle_by leaves the owner out, a charge can be raised and not lowered.
func TestOwnerIsNotASettler(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	at := s.decisionPage(", settle_by: counterparty")
	if page := body(t, s.do(s.request(http.MethodGet, at, nil))); strings.Contains(page, "Release: it") || !strings.Contains(page, "Set the final amount") {
		t.Error("a release is offered, or a commit is not")
	}
	r := s.do(s.request(http.MethodPost, at+"/settle", url.Values{"kind": {"commit"}, "amount": {"40"}, "confirmed": {"yes"}}))
	if r.StatusCode != http.StatusConflict || !strings.Contains(body(t, r), "would lower the charge") || s.spent() != 5000 {
		t.Errorf("status %d, %d is spent", r.StatusCode, s.spent())
	}
}
