package sdk_test

import (
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

// fake is a server that answers as a test tells it to, and remembers what it was asked.
type fake struct {
	*httptest.Server
	t      *testing.T
	public ed25519.PublicKey

	mu      sync.Mutex
	answers []answer // one a request; the last stays
	asked   []asked
}

type answer struct {
	status int
	body   string
	header map[string]string
	hang   bool // answer nothing until the client gives up
}

type asked struct {
	method, path, query, nonce, body string
	signed                           bool
}

// newFake starts a fake server and a client of it.
func newFake(t *testing.T, answers ...answer) (*fake, *sdk.Client) {
	t.Helper()
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, answers: answers, public: pair.Private.Public().(ed25519.PublicKey)}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	client, err := sdk.New(sdk.Config{URL: f.URL + "/", AgentID: "shopper", PrivateKeyB64: pair.PrivateKeyB64(), OwnerID: "usr_1"})
	if err != nil {
		t.Fatal(err)
	}
	return f, client
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	h := proof.SignedHeaders{AgentID: r.Header.Get(proof.HeaderAgentID), Timestamp: r.Header.Get(proof.HeaderTimestamp),
		Nonce: r.Header.Get(proof.HeaderNonce), BodySHA256: r.Header.Get(proof.HeaderBodySHA256), Signature: r.Header.Get(proof.HeaderSignature)}
	f.mu.Lock()
	f.asked = append(f.asked, asked{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, nonce: h.Nonce, body: string(body),
		signed: h.AgentID == "shopper" && h.BodySHA256 == proof.BodySHA256(body) &&
			proof.VerifyRequest(f.public, r.Method, r.URL.Path, r.URL.RawQuery, h) == nil})
	a := f.answers[0]
	if len(f.answers) > 1 {
		f.answers = f.answers[1:]
	}
	f.mu.Unlock()
	if a.hang {
		<-r.Context().Done()
		return
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.body == "" {
		a.body = f.decide(body)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // the client may be gone
}

// decide answers an authorize request as its payload says: {"decide": "ALLOW"}.
func (f *fake) decide(body []byte) string {
	action, err := proof.ParseAction(body)
	if err != nil {
		f.t.Errorf("the client sent %s: %v", body, err)
		return `{"error":{"code":"INVALID_ACTION"}}`
	}
	var payload struct{ Decide string }
	_ = json.Unmarshal(action.Payload, &payload) // a payload without it gets no result
	if action.ApprovalToken != "" {
		payload.Decide = "ALLOW"
	}
	out, _ := json.Marshal(map[string]any{
		"decision_id": "dec_1", "action_id": action.ActionID, "action_hash": action.Hash, "result": payload.Decide,
		"matched_rule_id": nil, "matched_policy_id": "pol_1", "reason": "because", "proof_token": nil, "proof_expires_at": nil,
		"obligations": []any{}, "budgets": []any{map[string]any{"id": "daily", "limit": 100, "spent": 40, "remaining": 60, "resets_at": "2026-04-11T00:00:00.000Z"}},
	})
	return string(out)
}

func (f *fake) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]asked(nil), f.asked...)
}
