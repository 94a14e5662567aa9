package sdk_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

const registration = `{"agent_principal_id":"agt_1","agent_id":"shopper","owner_type":"HUMAN","owner_id":"usr_1","status":"ACTIVE","created_at":"2026-04-10T12:00:00.000Z","openleash_url":"https://leash.example"}`

func TestRedeemInvite(t *testing.T) {
	f, _ := newFake(t, answer{body: registration})
	key, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	r, err := sdk.RedeemInvite(t.Context(), f.URL+"/v1/agents/register-with-invite?invite_id=inv_1&invite_token=s%2Fcret\n", "shopper", key)
	if err != nil || r.OwnerID != "usr_1" || r.Status != "ACTIVE" || r.Config().URL != "https://leash.example" {
		t.Fatalf("%+v, %v", r, err)
	}
	asked := f.requests()[0]
	var sent map[string]string
	if err := json.Unmarshal([]byte(asked.body), &sent); err != nil {
		t.Fatal(err)
	}
	if asked.path != "/v1/agents/register-with-invite" || asked.query != "" || sent["invite_token"] != "s/cret" ||
		sent["invite_id"] != "inv_1" || sent["agent_pubkey_b64"] != key.PublicKeyB64() || sent["agent_id"] != "shopper" {
		t.Errorf("asked %+v", asked)
	}
	if strings.Contains(asked.body, key.PrivateKeyB64()) {
		t.Error("the private key left the agent")
	}
}

func TestInviteIsRedeemedOnce(t *testing.T) {
	f, _ := newFake(t, answer{status: 503, body: "x"})
	key, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sdk.RedeemInvite(t.Context(), f.URL+"/v1/agents/register-with-invite?invite_id=i&invite_token=t", "shopper", key); !errors.Is(err, sdk.ErrServer) {
		t.Error(err)
	}
	if n := len(f.requests()); n != 1 {
		t.Errorf("sent %d times", n)
	}
	for _, bad := range []string{"", "::", f.URL, f.URL + "/v1/agents/register-with-invite", f.URL + "/gui/setup?invite_id=i&invite_token=t"} {
		if _, err := sdk.RedeemInvite(t.Context(), bad, "shopper", key); !errors.Is(err, sdk.ErrRequest) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRegisterByChallenge(t *testing.T) {
	message := []byte("sign me")
	challenge := `{"challenge_id":"chl_1","challenge_b64":"` + base64.StdEncoding.EncodeToString(message) + `","expires_at":"2026-04-10T12:05:00.000Z"}`
	f, _ := newFake(t, answer{body: challenge}, answer{body: strings.Replace(registration, "ACTIVE", "PENDING", 1)})
	key, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	r, err := sdk.Register(t.Context(), f.URL, "shopper", sdk.Owner{Type: "HUMAN", ID: "usr_1"}, key)
	if err != nil || r.Status != "PENDING" {
		t.Fatalf("%+v, %v", r, err)
	}
	var sent map[string]string
	if err := json.Unmarshal([]byte(f.requests()[1].body), &sent); err != nil {
		t.Fatal(err)
	}
	public, err := proof.ParsePublicKeyB64(sent["agent_pubkey_b64"])
	signature, err2 := base64.StdEncoding.DecodeString(sent["signature_b64"])
	if err != nil || err2 != nil || !ed25519.Verify(public, message, signature) || sent["challenge_id"] != "chl_1" || sent["owner_id"] != "usr_1" {
		t.Errorf("sent %v", sent)
	}
}

func TestRegistrationOfAnother(t *testing.T) {
	f, _ := newFake(t, answer{body: registration})
	key, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	_, err = sdk.RedeemInvite(t.Context(), f.URL+"/v1/agents/register-with-invite?invite_id=i&invite_token=t", "other", key)
	if !errors.Is(err, sdk.ErrResponse) {
		t.Error(err)
	}
}
