package leash_test

import (
	"strings"
	"testing"

	"github.com/openleash/openleash-go/leash"
)

// TestApprovalsHoldNothingRedacted: what the settings keep out of the log is not in the record of an approval request
// either, and the approval still works.
func TestApprovalsHoldNothingRedacted(t *testing.T) {
	w := newWorld(t)
	w.redact = []string{"$.payload.email"}
	w.restart()
	w.policy("id: p\nrules: [{action: '*', effect: allow, obligations: [{type: HUMAN_APPROVAL}]}]\n")
	b := w.agent("bot")
	asked := action("a1", `{"email":"ann@example.com","amount_minor":5}`)
	request := b.requested(asked)
	page, err := w.Approvals(t.Context(), w.owner, leash.ApprovalQuery{})
	must(t, err)
	seen := page.Items[0]
	if strings.Contains(string(seen.Action), "ann@") || len(seen.Redacted) != 1 || seen.Redacted[0] != "$.payload.email" {
		t.Errorf("the record has %s without %v", seen.Action, seen.Redacted)
	}
	grant, err := w.Approve(t.Context(), w.owner, request.ID, leash.ApproveInput{})
	must(t, err)
	if a := b.ask(withToken(asked, grant.Token)); a.Result != "ALLOW" {
		t.Errorf("approved: %s %s", a.Result, a.Reason)
	}
}
