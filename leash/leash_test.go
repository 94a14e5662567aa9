package leash_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/uuid"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
	"github.com/openleash/openleash-go/store/file"
)

const passphrase = "correct horse battery"

// quick makes hashing cost next to nothing; what it costs is no concern of these tests.
var quick = argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// clock is a time that tests move.
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

// world is a service with one owner, on a folder that a test can open again.
type world struct {
	cfg    leash.Config
	t      testing.TB
	dir    string
	redact []string // paths that the store does not write
	clock  *clock
	store  *file.Store
	*leash.Service
	owner leash.Caller
}

func newWorld(t testing.TB, options ...func(*leash.Config)) *world {
	t.Helper()
	w := emptyWorld(t, options...)
	owner, err := w.CreateFirst(t.Context(), leash.FirstOwner{DisplayName: "Ada", Passphrase: passphrase})
	must(t, err)
	w.owner = leash.Caller{OwnerID: owner.ID}
	return w
}

// emptyWorld has no owner yet.
func emptyWorld(t testing.TB, options ...func(*leash.Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: &clock{now: time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)}}
	w.cfg = leash.Config{Argon2id: &quick, Clock: w.clock.Now, Log: slog.New(slog.DiscardHandler), PublicURL: "http://127.0.0.1:8787"}
	for _, set := range options {
		set(&w.cfg)
	}
	w.open()
	t.Cleanup(func() { w.store.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	st, err := file.Open(context.Background(), w.dir, file.Options{Clock: w.clock.Now, Log: slog.New(slog.DiscardHandler), Redact: w.redact})
	must(w.t, err)
	svc, err := leash.New(context.Background(), w.cfg, st)
	must(w.t, err)
	w.store, w.Service = st, svc
}

// restart closes the folder and opens it again.
func (w *world) restart() {
	w.t.Helper()
	must(w.t, w.store.Close())
	w.open()
}

func (w *world) policy(text string) {
	w.t.Helper()
	_, err := w.PutPolicy(w.t.Context(), w.owner, "", leash.PolicyInput{Text: text})
	must(w.t, err)
}

// bot is an agent with its key.
type bot struct {
	*world
	id  string
	key ed25519.PrivateKey
}

func (w *world) agent(id string, groups ...string) *bot {
	w.t.Helper()
	grant, err := w.CreateInvite(w.t.Context(), w.owner, leash.InviteInput{Groups: groups})
	must(w.t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(w.t, err)
	_, err = w.RedeemInvite(w.t.Context(), leash.RedeemInput{InviteID: grant.InviteID, InviteToken: grant.InviteToken,
		AgentID: id, PublicKeyB64: proof.EncodePublicKeyB64(public)})
	must(w.t, err)
	return &bot{w, id, private}
}

// signedIn authenticates a request of the agent with a nonce of its own.
func (b *bot) signedIn() *leash.Agent {
	b.t.Helper()
	a, err := b.authenticate(uuid.NewString())
	must(b.t, err)
	return a
}

func (b *bot) authenticate(nonce string) (*leash.Agent, error) {
	body := []byte("{}")
	h := proof.SignRequest(b.key, b.id, "POST", "/v1/authorize", b.clock.Now(), nonce, body)
	return b.Authenticate(b.t.Context(), leash.Request{Method: "POST", Path: "/v1/authorize", Headers: h, Body: body})
}

func action(id, payload string) string {
	return fmt.Sprintf(`{"action_id":%q,"action_type":"purchase.order","payload":%s}`, id, payload)
}

func (b *bot) ask(action string) *leash.Answer {
	b.t.Helper()
	answer, err := b.Service.Authorize(b.t.Context(), b.signedIn(), []byte(action))
	must(b.t, err)
	return answer
}

func (b *bot) askErr(action string) leash.Code {
	b.t.Helper()
	answer, err := b.Service.Authorize(b.t.Context(), b.signedIn(), []byte(action))
	if err == nil {
		b.t.Fatalf("asking for %s: got %s, want an error", action, answer.Result)
	}
	return leash.CodeOf(err)
}

// withToken puts an approval token beside an action.
func withToken(action, token string) string {
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(action), &m); err != nil {
		panic(err)
	}
	m["approval_token"] = json.RawMessage(fmt.Sprintf("%q", token))
	out, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// approved asks for an action that needs its owner, and has it approved.
func (b *bot) approved(action string) (token string) {
	b.t.Helper()
	req := b.requested(action)
	grant, err := b.Approve(b.t.Context(), b.owner, req.ID, leash.ApproveInput{})
	must(b.t, err)
	return grant.Token
}

func (b *bot) requested(action string) leash.AgentApproval {
	b.t.Helper()
	answer := b.ask(action)
	req, err := b.RequestApproval(b.t.Context(), b.signedIn(), leash.ApprovalInput{DecisionID: answer.DecisionID, Action: json.RawMessage(action)})
	must(b.t, err)
	return req
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, want leash.Code) {
	t.Helper()
	if got := leash.CodeOf(err); got != want {
		t.Fatalf("got %v, want the code %s", err, want)
	}
}

const spending = `
id: pol_spending_limit
name: Spending Limit Policy
rules:
  - action: "purchase.*"
    effect: ALLOW
    conditions: [{field: context.amount, operator: lt, value: 100}]
  - action: "purchase.*"
    effect: REQUIRE_APPROVAL
    conditions: [{field: context.amount, operator: gte, value: 100}, {field: context.amount, operator: lte, value: 500}]
  - action: "purchase.*"
    effect: DENY
    conditions: [{field: context.amount, operator: gt, value: 500}]
`

func TestWalkThrough(t *testing.T) {
	w := newWorld(t)
	b := w.agent("shopper")
	if got := b.askErr(action("a0", `{"amount":45}`)); got != leash.NoPolicy {
		t.Fatalf("without a policy: %s", got)
	}
	page, err := w.Audit(t.Context(), w.owner, store.AuditQuery{Types: []store.EventType{store.DecisionCreated}})
	if err != nil || len(page.Items) != 1 || page.Items[0].Decision.Result != store.Deny || page.Items[0].Decision.Reason != "no_policy" {
		t.Errorf("the log has %+v, %v", page.Items, err)
	}
	w.policy(spending)
	if got := b.ask(action("a0", `{"amount":45}`)); got.Result != store.Allow {
		t.Errorf("the same action once there is a policy: %s", got.Result)
	}
	for amount, want := range map[int]store.Result{45: store.Allow, 250: store.RequireApproval, 600: store.Deny} {
		answer := b.ask(action(fmt.Sprint("a", amount), fmt.Sprintf(`{"amount":%d,"currency":"USD"}`, amount)))
		if answer.Result != want || (answer.ProofToken != nil) != (want == store.Allow) {
			t.Errorf("%d: got %s (proof %v), want %s", amount, answer.Result, answer.ProofToken != nil, want)
		}
	}
	act := action("a250", `{"amount":250,"currency":"USD"}`)
	answer := b.ask(withToken(act, b.approved(act)))
	if answer.Result != store.Allow {
		t.Fatalf("redeemed: %s", answer.Result)
	}
	hash, err := proof.ActionHash([]byte(act))
	must(t, err)
	v, err := w.VerifyProof(t.Context(), leash.VerifyInput{Token: *answer.ProofToken, ActionHash: &hash, AgentID: new("shopper")})
	if err != nil {
		t.Fatal(err)
	}
	if !v.Valid {
		t.Fatalf("the proof does not verify: %s", v.Reason)
	}
	if v, err := w.VerifyProof(t.Context(), leash.VerifyInput{Token: *answer.ProofToken, AgentID: new("another")}); err != nil || v.Valid {
		t.Fatal("the proof verifies for another agent")
	}
}
