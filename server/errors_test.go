package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/openleash/openleash-go/leash"
)

func TestStatusOfCodes(t *testing.T) {
	for code, want := range map[leash.Code]int{
		leash.InvalidRequest: 400, leash.AmbiguousOwner: 400, leash.InvalidAction: 400, leash.InvalidPolicy: 400, leash.ActionHashMismatch: 400, leash.ApprovalTokenConsumed: 400,
		leash.MissingHeaders: 401, leash.NonceReplay: 401, leash.InvalidApprovalToken: 401, leash.InvalidCredentials: 401, leash.Unauthenticated: 401,
		leash.AgentMismatch: 403, leash.SubjectMismatch: 403, leash.NoPolicy: 403, leash.NotFound: 404, leash.ApprovalRequestNotFound: 404,
		leash.ActionIDReused: 409, leash.AgentIDTaken: 409, leash.DecisionNotApprovable: 409, leash.RateLimited: 429, leash.Unavailable: 503,
		"A_CODE_THAT_NOBODY_MAPPED": 500,
	} {
		if got := statusOf(code, false); got != want {
			t.Errorf("%s: got %d, want %d", code, got, want)
		}
	}
	if got := statusOf(leash.ApprovalRequestNotFound, true); got != http.StatusBadRequest {
		t.Errorf("an unknown approval in an action request: got %d", got)
	}
	status, body := explain(&leash.Error{Code: leash.ApprovalAgentMismatch}, true)
	if status != 400 || body.Error.Code != leash.AgentMismatch {
		t.Errorf("another agent's approval: got %d %s", status, body.Error.Code)
	}
}

func TestCausesAreNotSent(t *testing.T) {
	cause := errors.New("open /srv/data/keys/k1.yaml: permission denied")
	for _, err := range []error{cause, fmt.Errorf("reading: %w", cause), &leash.Error{Code: leash.Unavailable, Message: "try again later", Err: cause}} {
		status, body := explain(err, false)
		text, encodingErr := json.Marshal(body, wireForm)
		if encodingErr != nil || status < 500 || strings.Contains(string(text), "srv") || strings.Contains(string(text), "denied") {
			t.Errorf("%v: got %d %s", err, status, text)
		}
	}
}
