package conformance_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/server"
	"github.com/openleash/openleash-go/store/file"
	. "github.com/openleash/openleash-go/test/conformance"
)

// TestHTTP asks a server: policies as files of its folder, agents that joined by invite, signed requests.
// Over HTTP an action is stepped up by an approval alone, so cases that begin stepped up are left out.
func TestHTTP(t *testing.T) {
	for _, group := range groups(load(t)) {
		var w *world
		for i, c := range group {
			if c.Assurance != "" {
				continue
			}
			if w == nil || !w.fits(c) {
				w = serve(t, c.Policies)
			}
			t.Run(c.Name, func(t *testing.T) {
				if diff := cmp.Diff(c.Want, w.ask(t, c, i)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// groups are the cases that share their policies.
func groups(cases []Case) [][]Case {
	var out [][]Case
	same := func(a, b rego.File) bool { return a.Path == b.Path && bytes.Equal(a.Text, b.Text) }
	for _, c := range cases {
		if n := len(out); n > 0 && slices.EqualFunc(out[n-1][0].Policies, c.Policies, same) {
			out[n-1] = append(out[n-1], c)
		} else {
			out = append(out, []Case{c})
		}
	}
	return out
}

// world is a server over a scratch folder, at a time that cases set.
type world struct {
	now           atomic.Pointer[time.Time]
	public, admin http.Handler
	agents        map[string]agent
}

// agent is one that joined.
type agent struct {
	key    ed25519.PrivateKey
	groups []string
}

// fits says that the case's agent is in no other groups already.
func (w *world) fits(c Case) bool {
	a, ok := w.agents[c.AgentID]
	return !ok || slices.Equal(a.groups, c.Groups)
}

func serve(t *testing.T, policies []rego.File) *world {
	t.Helper()
	w := &world{agents: map[string]agent{}}
	w.now.Store(&Noon)
	clock := func() time.Time { return *w.now.Load() }
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	for _, f := range policies {
		name := filepath.Join(dir, "policies", f.Path)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store, err := file.Open(context.Background(), dir, file.Options{Clock: clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	svc, err := leash.New(t.Context(), leash.Config{Clock: clock, Log: log, PublicURL: url, PolicyTimeout: 10 * time.Second}, store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.CreateOwner(t.Context(), "Ada", "HUMAN"); err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(server.Config{Service: svc, Clock: clock, Log: log, PublicURL: url, Limits: server.Limits{Reads: 1e6, Writes: 1e6}})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.SyncPolicies(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.public, w.admin = srv.Public(), srv.Admin()
	return w
}

// defaultLife is that of a proof of which no rule says how long it lives.
const defaultLife = 120 * time.Second

const url = "http://127.0.0.1:8787"

// call makes a request in process and decodes the answer.
func call(t *testing.T, h http.Handler, r *http.Request, into any) int {
	t.Helper()
	res := httptest.NewRecorder()
	h.ServeHTTP(res, r)
	if err := json.Unmarshal(res.Body.Bytes(), into); err != nil {
		t.Fatalf("%d %s: %v", res.Code, res.Body, err)
	}
	return res.Code
}

func post(path string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, url+path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// join is the key of the case's agent, which joins if it has not.
func (w *world) join(t *testing.T, c Case) ed25519.PrivateKey {
	t.Helper()
	if a, ok := w.agents[c.AgentID]; ok {
		return a.key
	}
	groups := c.Groups
	if groups == nil {
		groups = []string{}
	}
	body, err := json.Marshal(map[string]any{"groups": groups})
	if err != nil {
		t.Fatal(err)
	}
	var invite struct {
		ID    string `json:"invite_id"`
		Token string `json:"invite_token"`
	}
	if code := call(t, w.admin, post("/v1/owner/agent-invites", body), &invite); code != http.StatusOK {
		t.Fatalf("inviting: %d", code)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err = json.Marshal(map[string]any{"invite_id": invite.ID, "invite_token": invite.Token, "agent_id": c.AgentID,
		"agent_pubkey_b64": proof.EncodePublicKeyB64(public)})
	if err != nil {
		t.Fatal(err)
	}
	var joined any
	if code := call(t, w.public, post("/v1/agents/register-with-invite", body), &joined); code != http.StatusOK {
		t.Fatalf("joining: %d %v", code, joined)
	}
	w.agents[c.AgentID] = agent{private, c.Groups}
	return private
}

// ask makes the case's request. That no policy applies is an error over HTTP, and denies.
func (w *world) ask(t *testing.T, c Case, i int) Outcome {
	t.Helper()
	w.now.Store(&c.Now)
	key := w.join(t, c)
	const path = "/v1/authorize"
	r := post(path, c.Action)
	h := proof.SignRequest(key, c.AgentID, http.MethodPost, path, c.Now, fmt.Sprintf("nonce-of-case-%d", i), c.Action)
	for name, value := range map[string]string{proof.HeaderAgentID: h.AgentID, proof.HeaderTimestamp: h.Timestamp, proof.HeaderNonce: h.Nonce,
		proof.HeaderBodySHA256: h.BodySHA256, proof.HeaderSignature: h.Signature} {
		r.Header.Set(name, value)
	}
	var answer struct {
		Result      rego.Result
		Policy      *string    `json:"matched_policy_id"`
		Rule        *string    `json:"matched_rule_id"`
		Proof       *string    `json:"proof_token"`
		Expires     *time.Time `json:"proof_expires_at"`
		Obligations []struct{ Type string }
		Error       struct{ Code string }
	}
	switch code := call(t, w.public, r, &answer); {
	case code == http.StatusForbidden && answer.Error.Code == "NO_POLICY":
		return Outcome{Result: rego.Deny}
	case code != http.StatusOK:
		t.Fatalf("%d %s", code, answer.Error.Code)
	}
	out := Outcome{Result: answer.Result, Proof: answer.Proof != nil}
	if answer.Expires != nil {
		if life := answer.Expires.Sub(c.Now); c.Want.ProofTTL != 0 || life != defaultLife {
			out.ProofTTL = int(life / time.Second)
		}
	}
	if answer.Policy != nil {
		out.Policy = *answer.Policy
	}
	if answer.Rule != nil {
		out.Rule = *answer.Rule
	}
	for _, o := range answer.Obligations {
		out.Obligations = append(out.Obligations, o.Type)
	}
	slices.Sort(out.Obligations)
	return out
}
