package sdk_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

// live returns the URL of a real server and a client of it. The tests that use it want
// OPENLEASH_TEST_URL, the agent's OPENLEASH_AGENT_ID and OPENLEASH_AGENT_PRIVATE_KEY_B64, the spending
// policy of the walk-through in force, and for some what they name when they are skipped.
func live(t *testing.T) (string, *sdk.Client) {
	t.Helper()
	url := os.Getenv("OPENLEASH_TEST_URL")
	if url == "" {
		t.Skip("OPENLEASH_TEST_URL is not set: no live server")
	}
	t.Setenv("OPENLEASH_URL", url)
	client, err := sdk.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	return url, client
}

func spend(amount int) sdk.Action {
	return sdk.Action{Type: "purchase.order", Context: map[string]any{"amount": amount, "currency": "USD"}}
}

func TestLiveAllowAndVerify(t *testing.T) {
	url, client := live(t)
	action := spend(45)
	action.RelyingParty = &proof.RelyingParty{Domain: "shop.example", TrustProfile: "LOW"}
	d, err := client.Authorize(t.Context(), action)
	if err != nil || !d.Allowed() {
		t.Fatalf("%+v, %v", d, err)
	}
	v, err := sdk.NewVerifier(url)
	if err != nil {
		t.Fatal(err)
	}
	for name, verify := range map[string]func(context.Context, string, sdk.Expect) (proof.Claims, error){"offline": v.Verify, "online": v.VerifyOnline} {
		c, err := verify(t.Context(), d.ProofToken, sdk.Expect{ActionHash: d.ActionHash, Audience: "shop.example"})
		if err != nil || c.DecisionID != d.ID {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		var invalid *proof.VerifyError
		_, err = verify(t.Context(), d.ProofToken, sdk.Expect{Audience: "other.example"})
		if !errors.As(err, &invalid) || invalid.Reason != proof.AudienceMismatch {
			t.Errorf("%s, for another audience: %v", name, err)
		}
	}
}

func TestLiveDeny(t *testing.T) {
	_, client := live(t)
	d, err := client.Authorize(t.Context(), spend(600))
	if err != nil || d.Result != sdk.Deny || d.ProofToken != "" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestLiveSameActionIsDecidedOnce(t *testing.T) {
	_, client := live(t)
	same := spend(45)
	same.ID, same.RequestedAt = "act-"+rand.Text(), time.Now()
	first, err := client.Authorize(t.Context(), same)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := client.Authorize(t.Context(), same); err != nil || again.ID != first.ID {
		t.Errorf("%+v, %v", again, err)
	}
	other := spend(46)
	other.ID = same.ID
	var e *sdk.Error
	if _, err := client.Authorize(t.Context(), other); !errors.As(err, &e) || e.Status != http.StatusConflict {
		t.Errorf("another action with the same id: %v", err)
	}
}

func TestLiveApproval(t *testing.T) {
	url, client := live(t)
	token := os.Getenv("OPENLEASH_TEST_OWNER_TOKEN")
	if token == "" {
		t.Skip("OPENLEASH_TEST_OWNER_TOKEN is not set: nobody to approve")
	}
	d, err := client.Authorize(t.Context(), spend(250))
	if err != nil || d.Result != sdk.RequireApproval {
		t.Fatalf("%+v, %v", d, err)
	}
	request, err := client.RequestApproval(t.Context(), d, "for the trip")
	if err != nil {
		t.Fatal(err)
	}
	approval := make(chan error, 1)
	go func() {
		req, err := http.NewRequest("POST", url+"/v1/owner/approval-requests/"+request.ID+"/approve", strings.NewReader("{}"))
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Content-Type", "application/json")
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err == nil {
				err = res.Body.Close()
			}
		}
		approval <- err
	}()
	approved, err := client.WaitForApproval(t.Context(), request.ID, 30*time.Second)
	if err := errors.Join(err, <-approval); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, the same action is answered as before
		redeemed, err := client.Redeem(t.Context(), d, approved.Token)
		if err != nil || !redeemed.Allowed() {
			t.Fatalf("%+v, %v", redeemed, err)
		}
	}
}

func TestLiveDraftsAndSelf(t *testing.T) {
	_, client := live(t)
	if self, err := client.Self(t.Context()); err != nil || self.AgentID != os.Getenv("OPENLEASH_AGENT_ID") {
		t.Errorf("%+v, %v", self, err)
	}
	draft, err := client.CreatePolicyDraft(t.Context(), sdk.Draft{PolicyYAML: "rules:\n  - action: mail.send\n    effect: require_approval\n"})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := client.PolicyDraft(t.Context(), draft.ID); err != nil || again.Status != "PENDING" {
		t.Errorf("%+v, %v", again, err)
	}
	if list, err := client.PolicyDrafts(t.Context()); err != nil || len(list) == 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestLiveAnotherKey(t *testing.T) {
	url, _ := live(t)
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := sdk.New(sdk.Config{URL: url, AgentID: os.Getenv("OPENLEASH_AGENT_ID"), PrivateKeyB64: pair.PrivateKeyB64()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Authorize(t.Context(), spend(45)); !errors.Is(err, sdk.ErrKey) {
		t.Error(err)
	}
}

func TestLiveInvite(t *testing.T) {
	live(t)
	invite := os.Getenv("OPENLEASH_TEST_INVITE_URL")
	if invite == "" {
		t.Skip("OPENLEASH_TEST_INVITE_URL is not set: nothing to redeem")
	}
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	r, err := sdk.RedeemInvite(t.Context(), invite, "live-"+rand.Text(), pair)
	if err != nil || r.Status != "ACTIVE" {
		t.Fatalf("%+v, %v", r, err)
	}
}
