package server

import (
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
)

// An evaluation becomes an action request that says what it says, or an error.
func FuzzEvaluation(f *testing.F) {
	f.Add([]byte(`{"subject":{"type":"agent","id":"a"},"action":{"name":"pay","properties":{"n":1}},"resource":{"type":"t","id":"r","properties":{"c":"x"}},"context":{"m":1}}`))
	f.Add([]byte(`{"subject":{"type":"user","id":"u"},"action":{"name":"pay"},"resource":{"type":"","id":""},"context":{"openleash":{"action_id":"x"}}}`))
	f.Add([]byte(`{"subject":{},"action":{},"resource":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in Evaluation
		if decode(body, &in, nil) != nil {
			return
		}
		text, err := in.action()
		if err != nil {
			if leash.CodeOf(err) != leash.InvalidRequest {
				t.Fatalf("%s: %v", body, err)
			}
			return
		}
		action, err := proof.ParseAction(text)
		if err != nil {
			return
		}
		if action.ActionType != in.Action.Name || action.Principal != nil && action.Principal.AgentID != in.Subject.ID ||
			action.Subject != nil && action.Subject.PrincipalID != in.Subject.ID || action.Principal == nil && action.Subject == nil {
			t.Fatalf("%s became %s", body, text)
		}
	})
}
