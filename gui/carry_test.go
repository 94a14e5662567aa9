package gui

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/leash"
)

// TestCarryOverIsOffered: after a budget was renamed, the policy's page says what was spent, and offers the text that
// counts it.
func TestCarryOverIsOffered(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	save := func(id string) {
		t.Helper()
		_, err := s.PutPolicy(t.Context(), s.owner, "", leash.PolicyInput{Text: "id: b\nrules: [{action: '*', effect: allow}]\nbudgets:\n  - {id: " + id + ", limit: 1000, currency: USD, window: lifetime}\n"})
		must(t, err)
	}
	page := func(path string) string {
		t.Helper()
		r := s.do(s.request(http.MethodGet, path, nil))
		body, err := io.ReadAll(r.Body)
		must(t, err)
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", path, r.StatusCode)
		}
		return string(body)
	}
	save("total")
	a := s.join(t, "shopper")
	_, err := s.Authorize(t.Context(), a, []byte(`{"action_type":"buy","payload":{"amount_minor":900,"currency":"USD"}}`))
	must(t, err)
	if p := page("/gui/policies/b"); strings.Contains(p, "carry=1") {
		t.Error("it is offered without need")
	}
	save("in_all")
	if p := page("/gui/policies/b"); !strings.Contains(p, "9.00 USD was spent under the budget total") || !strings.Contains(p, "/gui/edit?policy=b&amp;carry=1") {
		t.Errorf("the page does not offer it")
	}
	if p := page("/gui/edit?policy=b&carry=1"); !strings.Contains(p, "renamed_from: total") {
		t.Errorf("the editor does not have the text")
	}
}
