package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

func order(result string) sdk.Action {
	return sdk.Action{Type: "purchase.order", Context: map[string]any{"decide": result, "amount_minor": 4500, "currency": "USD"}}
}

func TestAuthorizeBuildsTheWholeRequest(t *testing.T) {
	f, client := newFake(t, answer{})
	d, err := client.Authorize(t.Context(), sdk.Action{
		Type: "purchase.order", Context: map[string]any{"decide": "ALLOW"},
		RelyingParty: &proof.RelyingParty{Domain: "shop.example"},
	})
	if err != nil || !d.Allowed() || d.Err() != nil {
		t.Fatalf("%+v, %v", d, err)
	}
	if d.ActionType() != "purchase.order" || len(d.Budgets) != 1 || d.Budgets[0].Remaining != 60 {
		t.Errorf("decision %+v", d)
	}
	asked := f.requests()
	if len(asked) != 1 || !asked[0].signed || asked[0].method != "POST" || asked[0].path != "/v1/authorize" {
		t.Fatalf("asked %+v", asked)
	}
	var sent proof.Action
	if err := json.Unmarshal([]byte(asked[0].body), &sent); err != nil {
		t.Fatal(err)
	}
	if sent.ActionID == "" || sent.ActionID != d.ActionID || sent.RequestedAt == "" || sent.Principal.AgentID != "shopper" ||
		sent.Subject.PrincipalID != "usr_1" || sent.RelyingParty.Domain != "shop.example" || string(sent.Payload) != `{"decide":"ALLOW"}` {
		t.Errorf("sent %s", asked[0].body)
	}
}

func TestOnlyAllowIsAYes(t *testing.T) {
	for _, result := range []string{"DENY", "REQUIRE_APPROVAL", "REQUIRE_STEP_UP", "REQUIRE_DEPOSIT"} {
		_, client := newFake(t, answer{})
		d, err := client.Authorize(t.Context(), order(result))
		if err != nil || d.Allowed() || !errors.Is(d.Err(), sdk.ErrNotAllowed) || d.NeedsApproval() != (result != "DENY") {
			t.Errorf("%s: %+v, %v", result, d, err)
		}
	}
	for _, result := range []string{"", "allow", "ALLOWED", "YES", "ALLOW "} {
		_, client := newFake(t, answer{})
		if d, err := client.Authorize(t.Context(), order(result)); !errors.Is(err, sdk.ErrResponse) {
			t.Errorf("%q: %+v, %v", result, d, err)
		}
	}
	var zero *sdk.Decision
	if zero.Allowed() || (&sdk.Decision{}).Allowed() || zero.NeedsApproval() {
		t.Error("no decision is a yes")
	}
}

func TestGuard(t *testing.T) {
	_, client := newFake(t, answer{})
	for _, result := range []string{"ALLOW", "DENY", "REQUIRE_APPROVAL", "?"} {
		done := false
		err := client.Guard(t.Context(), order(result), func(context.Context, *sdk.Decision) error { done = true; return nil })
		if done != (result == "ALLOW") || done != (err == nil) {
			t.Errorf("%s: done %v, %v", result, done, err)
		}
	}
}

// What goes wrong is told by kind, with what to do; what may pass is tried again with the same action.
func TestFailures(t *testing.T) {
	now := time.Now()
	other := `{"decision_id":"dec_1","result":"ALLOW","action_hash":"` + strings.Repeat("0", 64) + `"}`
	for _, c := range []struct {
		name   string
		answer answer
		kind   error
		code   string
		says   string
		tries  int
	}{
		{"5xx with JSON", answer{status: 503, body: `{"error":{"code":"UNAVAILABLE","message":"the log cannot be written"}}`}, sdk.ErrServer, "UNAVAILABLE", "the log cannot be written", 3},
		{"5xx with a page", answer{status: 502, body: "<html>Bad Gateway"}, sdk.ErrServer, "", "502", 3},
		{"429", answer{status: 429, body: `{"error":{"code":"RATE_LIMITED","message":"slow down"}}`, header: map[string]string{"Retry-After": "0"}}, sdk.ErrRequest, "RATE_LIMITED", "slow down", 3},
		{"not JSON", answer{body: "<html>log in"}, sdk.ErrResponse, "", "not that of an OpenLeash server", 1},
		{"half a JSON", answer{body: `{"decision_id":`}, sdk.ErrResponse, "", "not that of", 1},
		{"another JSON", answer{body: `{"hello":"world"}`}, sdk.ErrResponse, "", "not that of", 1},
		{"a list", answer{body: `[]`}, sdk.ErrResponse, "", "not that of", 1},
		{"null", answer{body: `null`}, sdk.ErrResponse, "", "not that of", 1},
		{"true", answer{body: `true`}, sdk.ErrResponse, "", "not that of", 1},
		{"a huge answer", answer{body: `{"result":"ALLOW","x":"` + strings.Repeat("x", 1<<20) + `"}`}, sdk.ErrResponse, "", "not that of", 1},
		{"an answer to another action", answer{body: other}, sdk.ErrResponse, "", "another action", 1},
		{"a redirect", answer{status: 302, body: "x", header: map[string]string{"Location": "https://sso.example/"}}, sdk.ErrResponse, "", "https://sso.example/", 1},
		{"a clock that is behind", answer{status: 401, body: `{"error":{"code":"TIMESTAMP_SKEW"}}`, header: map[string]string{"Date": now.Add(10 * time.Minute).UTC().Format(http.TimeFormat)}}, sdk.ErrClockSkew, "TIMESTAMP_SKEW", "behind the server's", 1},
		{"a clock that is ahead", answer{status: 401, body: `{"error":{"code":"TIMESTAMP_SKEW"}}`, header: map[string]string{"Date": now.Add(-10 * time.Minute).UTC().Format(http.TimeFormat)}}, sdk.ErrClockSkew, "TIMESTAMP_SKEW", "ahead of the server's", 1},
		{"a key that the server does not take", answer{status: 401, body: `{"error":{"code":"INVALID_SIGNATURE","message":"no"}}`}, sdk.ErrKey, "INVALID_SIGNATURE", "private key belongs to the agent id", 1},
		{"no policy", answer{status: 403, body: `{"error":{"code":"NO_POLICY","message":"no policy applies"}}`}, sdk.ErrRequest, "NO_POLICY", "no policy applies", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, client := newFake(t, c.answer)
			d, err := client.Authorize(t.Context(), order("ALLOW"))
			if d.Allowed() || !errors.Is(err, c.kind) || sdk.Code(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v, %v", d, err)
			}
			asked := f.requests()
			if len(asked) != c.tries {
				t.Fatalf("asked %d times, want %d", len(asked), c.tries)
			}
			nonces := map[string]bool{}
			for _, a := range asked {
				nonces[a.nonce] = true
				if a.body != asked[0].body || !a.signed {
					t.Errorf("asked again otherwise: %+v", a)
				}
			}
			if len(nonces) != c.tries {
				t.Errorf("nonces were used twice: %v", nonces)
			}
		})
	}
}

func TestServerComesBack(t *testing.T) {
	f, client := newFake(t, answer{status: 500, body: "x"}, answer{status: 503, body: "x"}, answer{})
	d, err := client.Authorize(t.Context(), order("ALLOW"))
	if err != nil || !d.Allowed() || len(f.requests()) != 3 {
		t.Errorf("%+v, %v after %d requests", d, err, len(f.requests()))
	}
}

func TestServerIsAway(t *testing.T) {
	f, client := newFake(t, answer{})
	f.Close()
	d, err := client.Authorize(t.Context(), order("ALLOW"))
	if d.Allowed() || !errors.Is(err, sdk.ErrUnreachable) || !strings.Contains(err.Error(), "openleash start") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestServerIsSlow(t *testing.T) {
	f, _ := newFake(t, answer{hang: true})
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	client, err := sdk.New(sdk.Config{URL: f.URL, AgentID: "shopper", PrivateKeyB64: pair.PrivateKeyB64(), Timeout: 30 * time.Millisecond, Attempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	d, err := client.Authorize(t.Context(), order("ALLOW"))
	if d.Allowed() || !errors.Is(err, sdk.ErrTimeout) || len(f.requests()) != 2 {
		t.Errorf("%+v, %v after %d requests", d, err, len(f.requests()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Authorize(ctx, order("ALLOW")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestActionsThatCannotBeSent(t *testing.T) {
	f, client := newFake(t, answer{})
	for name, a := range map[string]sdk.Action{
		"no type":               {},
		"a pattern":             {Type: "purchase.*"},
		"a context of a list":   {Type: "a", Context: []int{1}},
		"a context of a string": {Type: "a", Context: "x"},
		"a number too large":    {Type: "a", Context: map[string]any{"n": int64(1) << 60}},
		"what is no JSON":       {Type: "a", Context: func() {}},
		"an id with a slash":    {Type: "a", ID: "a/b"},
	} {
		if d, err := client.Authorize(t.Context(), a); !errors.Is(err, sdk.ErrRequest) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if n := len(f.requests()); n != 0 {
		t.Errorf("%d were sent", n)
	}
}

func TestNewRefuses(t *testing.T) {
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	good := sdk.Config{URL: "http://127.0.0.1:8787", AgentID: "a", PrivateKeyB64: pair.PrivateKeyB64() + "\n"}
	if _, err := sdk.New(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit func(*sdk.Config)
		kind error
		says string
	}{
		"no URL":             {func(c *sdk.Config) { c.URL = "" }, sdk.ErrRequest, "OPENLEASH_URL"},
		"a host without URL": {func(c *sdk.Config) { c.URL = "localhost:8787" }, sdk.ErrRequest, "OPENLEASH_URL"},
		"another scheme":     {func(c *sdk.Config) { c.URL = "ftp://localhost" }, sdk.ErrRequest, "OPENLEASH_URL"},
		"no agent":           {func(c *sdk.Config) { c.AgentID = "" }, sdk.ErrRequest, "OPENLEASH_AGENT_ID"},
		"no key":             {func(c *sdk.Config) { c.PrivateKeyB64 = "" }, sdk.ErrKey, "OPENLEASH_AGENT_PRIVATE_KEY_B64"},
		"the public key":     {func(c *sdk.Config) { c.PrivateKeyB64 = pair.PublicKeyB64() }, sdk.ErrKey, "this is a public key"},
	} {
		config := good
		c.edit(&config)
		if _, err := sdk.New(config); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	r := sdk.Registration{URL: "http://127.0.0.1:8787", AgentID: "a", OwnerID: "usr_1", KeyPair: pair}
	for line := range strings.Lines(r.Env()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		t.Setenv(name, value)
	}
	if _, err := sdk.FromEnv(); err != nil {
		t.Fatal(err)
	}
	if _, err := sdk.New(r.Config()); err != nil {
		t.Fatal(err)
	}
}

func TestSettle(t *testing.T) {
	f, client := newFake(t, answer{status: 503, body: "x"}, answer{body: `{"decision_id":"dec_1","settled":"commit","budgets":[{"id":"daily","remaining":70}]}`})
	s, err := client.Commit(t.Context(), "dec_1", 3000)
	if err != nil || s.Budgets[0].Remaining != 70 {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := client.Release(t.Context(), "dec_1"); err != nil {
		t.Error(err)
	}
	if _, err := client.Refund(t.Context(), "dec/1", 0); err != nil {
		t.Error(err)
	}
	asked := f.requests()
	for i, want := range []target{
		{"/v1/agent/decisions/dec_1/commit", `{"amount_minor":3000}`},
		{"/v1/agent/decisions/dec_1/commit", `{"amount_minor":3000}`},
		{"/v1/agent/decisions/dec_1/release", `{}`},
		{"/v1/agent/decisions/dec/1/refund", `{"amount_minor":0}`},
	} {
		if got := (target{asked[i].path, asked[i].body}); got != want {
			t.Errorf("asked %v, want %v", got, want)
		}
	}
}

type target struct{ path, body string }

func TestPolicyDrafts(t *testing.T) {
	const draft = `{"policy_draft_id":"drf_1","status":"PENDING","policy_yaml":"rules: []","created_at":"2026-04-10T12:00:00.000Z"}`
	f, client := newFake(t, answer{body: draft}, answer{body: draft}, answer{body: `{"policy_drafts":[` + draft + `]}`}, answer{status: 503, body: "x"})
	d, err := client.CreatePolicyDraft(t.Context(), sdk.Draft{PolicyYAML: "rules: []", Justification: "I need it"})
	if err != nil || d.ID != "drf_1" || d.Status != "PENDING" {
		t.Fatalf("%+v, %v", d, err)
	}
	if d, err := client.PolicyDraft(t.Context(), "drf_1"); err != nil || d.PolicyYAML != "rules: []" {
		t.Errorf("%+v, %v", d, err)
	}
	if list, err := client.PolicyDrafts(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := client.CreatePolicyDraft(t.Context(), sdk.Draft{PolicyYAML: "rules: []"}); !errors.Is(err, sdk.ErrServer) {
		t.Error(err)
	}
	if n := len(f.requests()); n != 4 {
		t.Errorf("%d requests: a draft must not be sent twice", n)
	}
}

func TestSelf(t *testing.T) {
	f, client := newFake(t, answer{body: `{"agent_principal_id":"agt_1","agent_id":"shopper","owner_id":"usr_1","status":"ACTIVE"}`})
	self, err := client.Self(t.Context())
	if err != nil || self.AgentPrincipalID != "agt_1" || !f.requests()[0].signed {
		t.Errorf("%+v, %v", self, err)
	}
}

// An agent's build links no policy engine.
func TestSDKLinksNoEngine(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/openleash/openleash-go/sdk").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		if strings.Contains(dep, "open-policy-agent") || strings.HasPrefix(dep, "github.com/openleash/openleash-go/") &&
			!strings.HasSuffix(dep, "/proof") && !strings.HasSuffix(dep, "/sdk") {
			t.Errorf("sdk links %s", dep)
		}
	}
}

func TestBasePathIsNotSigned(t *testing.T) {
	f, _ := newFake(t, answer{})
	proxy := httptest.NewServer(http.StripPrefix("/leash", f))
	defer proxy.Close()
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	client, err := sdk.New(sdk.Config{URL: proxy.URL + "/leash/", AgentID: "shopper", PrivateKeyB64: pair.PrivateKeyB64()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authorize(t.Context(), order("ALLOW")); err != nil {
		t.Fatal(err)
	}
	if got := f.requests()[0].path; got != "/v1/authorize" {
		t.Errorf("path %s", got)
	}
}
