package server_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"aidanwoods.dev/go-paseto"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/server"
	"github.com/openleash/openleash-go/store/file"
)

const (
	passphrase = "correct horse battery"
	adminToken = "an-admin-token-of-more-than-32-bytes"

	spendingPolicy = `id: pol_spending_limit
name: Spending Limit Policy
rules:
  - action: "purchase.*"
    effect: ALLOW
    conditions:
      - {field: context.amount, operator: lt, value: 100}
  - action: "purchase.*"
    effect: REQUIRE_APPROVAL
    conditions:
      - {field: context.amount, operator: gte, value: 100}
      - {field: context.amount, operator: lte, value: 500}
  - action: "purchase.*"
    effect: DENY
    conditions:
      - {field: context.amount, operator: gt, value: 500}
`
)

// world is a whole server over a store in a scratch folder, reached by HTTP.
type world struct {
	t     testing.TB
	dir   string
	clock *clock
	log   *buffer
	cfg   leash.Config
	web   server.Config

	store  *file.Store
	svc    *leash.Service
	srv    *server.Server
	public *httptest.Server
	admin  *httptest.Server
	spec   *spec
	owner  string // the first owner's id
}

type option func(*world)

func newWorld(t testing.TB, options ...option) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: &clock{now: time.Now()}, log: new(buffer)}
	w.cfg = leash.Config{Clock: w.clock.Now, PublicURL: "http://127.0.0.1:8787"}
	// One address makes all the requests of a test.
	w.web = server.Config{Clock: w.clock.Now, PublicURL: w.cfg.PublicURL, AdminToken: adminToken, Version: "test",
		Limits: server.Limits{Reads: 1e6, Writes: 1e6, Hashes: 1e6, Heartbeat: 10 * time.Millisecond, Header: 100 * time.Millisecond}}
	for _, o := range options {
		o(w)
	}
	w.start()
	profile, err := w.svc.CreateFirst(t.Context(), leash.FirstOwner{DisplayName: "Ada", Passphrase: passphrase, Profile: "none"})
	w.must(err)
	w.owner = profile.ID
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// start opens the folder and serves it.
func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	w.store, err = file.Open(context.Background(), w.dir, file.Options{Clock: w.clock.Now, Log: log})
	w.must(err)
	w.cfg.Log, w.web.Log = log, log
	w.svc, err = leash.New(context.Background(), w.cfg, w.store)
	w.must(err)
	w.web.Service = w.svc
	w.srv, err = server.New(w.web)
	w.must(err)
	w.public, w.admin = httptest.NewServer(w.srv.Public()), httptest.NewServer(w.srv.Admin())
	w.spec = readSpec(w.t, w.public.URL)
	st, pub, adm := w.store, w.public, w.admin
	w.t.Cleanup(func() { pub.Close(); adm.Close(); _ = st.Close() })
}

// restart stops the server and opens the folder anew.
func (w *world) restart() {
	w.t.Helper()
	w.public.Close()
	w.admin.Close()
	w.must(w.store.Close())
	w.start()
}

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// buffer is a log that several may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// M is a JSON object.
type M = map[string]any

// request is one to be made. Its parts are set by functions, so that each test names only its own.
type request struct {
	method, path string
	body         []byte
	header       http.Header
	base         string
	host         string
	unchecked    bool // the answer is no JSON, or is for no route
}

type part func(*request)

// as asks with a Bearer token.
func as(token string) part {
	return func(r *request) { r.header.Set("Authorization", "Bearer "+token) }
}

func with(key, value string) part { return func(r *request) { r.header.Set(key, value) } }
func host(name string) part       { return func(r *request) { r.host = name } }
func text(body string) part       { return func(r *request) { r.body = []byte(body) } }
func unchecked(r *request)        { r.unchecked = true }

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	raw    []byte
	M      // the body, if it is a JSON object
}

// get walks down an answer; it is nil where there is nothing.
func (a answer) get(path ...string) any {
	var v any = a.M
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func (a answer) str(path ...string) string {
	s, _ := a.get(path...).(string)
	return s
}

func (a answer) items(key string) []any {
	l, _ := a.M[key].([]any)
	return l
}

func (a answer) code() string { return a.str("error", "code") }

// want fails the test unless the status is as said, and the error code, if one is given.
func (a answer) want(status int, code ...string) answer {
	a.t.Helper()
	if a.status != status || len(code) > 0 && a.code() != code[0] {
		a.t.Fatalf("got %d %s, want %d %v\n%s", a.status, a.code(), status, code, a.raw)
	}
	return a
}

// do makes a request and holds the answer against the OpenAPI document.
func (w *world) do(method, path string, body any, parts ...part) answer {
	w.t.Helper()
	r := request{method: method, path: path, header: http.Header{}, base: w.public.URL}
	if body != nil {
		text, err := json.Marshal(body)
		w.must(err)
		r.body = text
	}
	for _, p := range parts {
		p(&r)
	}
	a, err := r.send(w.t)
	w.must(err)
	if !r.unchecked {
		w.spec.check(w.t, r.method, r.path, a)
	}
	return a
}

func (r request) send(t testing.TB) (answer, error) {
	req, err := http.NewRequest(r.method, r.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	req.Header, req.Host = r.header, r.host
	if len(r.body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{t: t, status: res.StatusCode, header: res.Header}
	if a.raw, err = io.ReadAll(res.Body); err != nil {
		return answer{}, err
	}
	_ = json.Unmarshal(a.raw, &a.M)
	return a, nil
}

// asAdmin asks on the admin plane.
func (w *world) asAdmin(method, path string, body any, parts ...part) answer {
	w.t.Helper()
	return w.do(method, path, body, append([]part{func(r *request) { r.base = w.admin.URL }}, parts...)...)
}

// agent signs requests as an agent does.
type agent struct {
	w         *world
	id        string
	principal string
	key       ed25519.PrivateKey
}

func newKeyPair(t testing.TB) (ed25519.PrivateKey, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private, proof.EncodePublicKeyB64(public)
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// join makes an agent of an owner by invite.
func (w *world) join(id string, parts ...part) *agent {
	w.t.Helper()
	invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{}, parts...).want(200)
	key, public := newKeyPair(w.t)
	joined := w.do("POST", "/v1/agents/register-with-invite", M{"invite_id": invite.str("invite_id"),
		"invite_token": invite.str("invite_token"), "agent_id": id, "agent_pubkey_b64": public}).want(200)
	return &agent{w, id, joined.str("agent_principal_id"), key}
}

// sign adds the headers of a signed request; parts after it may spoil them.
func (a *agent) sign(r *request) {
	u, err := url.Parse(r.path)
	a.w.must(err)
	h := proof.SignRequest(a.key, a.id, r.method, u.EscapedPath(), a.w.clock.Now(), nonce(), r.body)
	r.setSigned(h)
}

func (r *request) setSigned(h proof.SignedHeaders) {
	r.header.Set(proof.HeaderAgentID, h.AgentID)
	r.header.Set(proof.HeaderTimestamp, h.Timestamp)
	r.header.Set(proof.HeaderNonce, h.Nonce)
	r.header.Set(proof.HeaderBodySHA256, h.BodySHA256)
	r.header.Set(proof.HeaderSignature, h.Signature)
}

func (a *agent) do(method, path string, body any, parts ...part) answer {
	a.w.t.Helper()
	return a.w.do(method, path, body, append(parts, a.sign)...)
}

// ask asks for a decision.
func (a *agent) ask(action any, parts ...part) answer {
	a.w.t.Helper()
	return a.do("POST", "/v1/authorize", action, parts...)
}

// purchase is the walk-through's action.
func purchase(amount any) M {
	return M{"action_type": "purchase.order", "payload": M{"amount": amount, "currency": "USD"}}
}

func (w *world) login(parts ...part) string {
	w.t.Helper()
	return w.do("POST", "/v1/owner/login", M{"user_principal_id": w.owner, "passphrase": passphrase}, parts...).want(200).str("token")
}

func (w *world) policy(yaml string, parts ...part) answer {
	w.t.Helper()
	return w.asAdmin("POST", "/v1/owner/policies", M{"policy_yaml": yaml}, parts...)
}

// approved walks an action that needs approval to its approval token.
func (w *world) approved(a *agent, action M) (token, requestID string) {
	w.t.Helper()
	asked := a.ask(action).want(200)
	if asked.str("result") != "REQUIRE_APPROVAL" {
		w.t.Fatalf("got %s, want REQUIRE_APPROVAL", asked.raw)
	}
	requestID = a.do("POST", "/v1/agent/approval-requests", M{"decision_id": asked.str("decision_id"), "action": action}).
		want(200).str("approval_request_id")
	grant := w.asAdmin("POST", "/v1/owner/approval-requests/"+requestID+"/approve", M{}).want(200)
	return grant.str("approval_token"), requestID
}

// withToken is an action with an approval token beside it.
func withToken(action M, token string) M {
	out := M{"approval_token": token}
	for k, v := range action {
		out[k] = v
	}
	return out
}

func deep(n int) string {
	return `{"action_type":"purchase.order","payload":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}"
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func signChallenge(t testing.TB, key ed25519.PrivateKey, challengeB64 string) string {
	t.Helper()
	challenge, err := base64.StdEncoding.DecodeString(challengeB64)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(ed25519.Sign(key, challenge))
}

// signToken signs any claims as a v4.public token.
func signToken(t testing.TB, key proof.Key, claims string) string {
	t.Helper()
	secret, err := paseto.NewV4AsymmetricSecretKeyFromEd25519(key.Private)
	if err != nil {
		t.Fatal(err)
	}
	token, err := paseto.NewTokenFromClaimsJSON([]byte(claims), []byte(`{"kid":"`+key.KID+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token.V4Sign(secret, nil)
}
