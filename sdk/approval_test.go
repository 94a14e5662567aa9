package sdk_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/sdk"
)

const (
	pending  = `{"approval_request_id":"apr_1","status":"PENDING","expires_at":"2026-04-11T12:00:00.000Z"}`
	approved = `{"approval_request_id":"apr_1","status":"APPROVED","approval_token":"v4.public.x","expires_at":"2026-04-11T12:00:00.000Z"}`
	denied   = `{"approval_request_id":"apr_1","status":"DENIED","deny_reason":"too much","expires_at":"2026-04-11T12:00:00.000Z"}`
)

func TestAuthorizeAndWait(t *testing.T) {
	f, client := newFake(t, answer{}, answer{body: pending}, answer{body: approved}, answer{})
	d, err := client.AuthorizeAndWait(t.Context(), order("REQUIRE_APPROVAL"), "for the trip", time.Minute)
	if err != nil || !d.Allowed() {
		t.Fatalf("%+v, %v", d, err)
	}
	asked := f.requests()
	if len(asked) != 4 || asked[2].method != "GET" || asked[2].query != "wait=30s" || !asked[2].signed {
		t.Fatalf("asked %+v", asked)
	}
	if !strings.Contains(asked[1].body, `"decision_id":"dec_1"`) || !strings.Contains(asked[1].body, asked[0].body) ||
		!strings.Contains(asked[1].body, "for the trip") {
		t.Errorf("requested approval with %s", asked[1].body)
	}
	if !strings.Contains(asked[3].body, `"approval_token":"v4.public.x"`) || d.ActionHash == "" {
		t.Errorf("redeemed with %s", asked[3].body)
	}
}

func TestAllowedAndDeniedNeedNoApproval(t *testing.T) {
	for _, result := range []string{"ALLOW", "DENY"} {
		f, client := newFake(t, answer{})
		d, err := client.AuthorizeAndWait(t.Context(), order(result), "", time.Minute)
		if err != nil || d.Allowed() != (result == "ALLOW") || len(f.requests()) != 1 {
			t.Errorf("%s: %+v, %v", result, d, err)
		}
	}
}

func TestApprovalThatIsNoYes(t *testing.T) {
	for _, c := range []struct{ name, body, says string }{
		{"denied", denied, "too much"},
		{"expired", strings.Replace(denied, "DENIED", "EXPIRED", 1), "EXPIRED"},
		{"consumed", strings.Replace(denied, "DENIED", "CONSUMED", 1), "CONSUMED"},
		{"a status yet unknown", strings.Replace(denied, "DENIED", "MAYBE", 1), "MAYBE"},
		{"approved without a token", strings.Replace(denied, "DENIED", "APPROVED", 1), "APPROVED"},
	} {
		_, client := newFake(t, answer{body: c.body})
		a, err := client.WaitForApproval(t.Context(), "apr_1", time.Minute)
		if a != nil || !errors.Is(err, sdk.ErrApproval) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
	}
}

func TestOwnerTakesHisTime(t *testing.T) {
	_, client := newFake(t, answer{body: pending})
	_, err := client.WaitForApproval(t.Context(), "apr_1", 0)
	var undecided *sdk.ApprovalError
	if !errors.As(err, &undecided) || undecided.Request.Status != "PENDING" || !strings.Contains(err.Error(), "again later") {
		t.Errorf("%v", err)
	}
}

// An answer that was lost after the token was consumed is found again by the action's id.
func TestRedeemWhoseAnswerWasLost(t *testing.T) {
	f, client := newFake(t, answer{}, answer{status: 502, body: "x"},
		answer{status: 400, body: `{"error":{"code":"APPROVAL_TOKEN_CONSUMED","message":"used"}}`}, answer{})
	d, err := client.Authorize(t.Context(), order("ALLOW"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.Redeem(t.Context(), d, "v4.public.x")
	if err != nil || !again.Allowed() {
		t.Fatalf("%+v, %v", again, err)
	}
	asked := f.requests()
	if len(asked) != 4 || asked[3].body != asked[0].body || !strings.Contains(asked[1].body, "approval_token") {
		t.Errorf("asked %+v", asked)
	}
}
