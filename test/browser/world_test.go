package browser

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/uuid"

	"github.com/openleash/openleash-go/gui"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
	"github.com/openleash/openleash-go/store/file"
)

const (
	passphrase = "correct horse battery"
	adminToken = "an-admin-token-of-more-than-32-bytes"
)

// world is a portal over a real service on a folder.
type world struct {
	*testing.T
	*leash.Service
	dir    string
	url    string
	offset atomic.Int64 // of the clock, in nanoseconds
	owner  leash.Caller
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// at sets the clock so far before the present.
func (w *world) at(before time.Duration) { w.offset.Store(-int64(before)) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir()}
	quiet := slog.New(slog.DiscardHandler)
	st, err := file.Open(t.Context(), w.dir, file.Options{Clock: w.now, Log: quiet})
	w.must(err)
	t.Cleanup(func() { st.Close() })
	server := httptest.NewUnstartedServer(nil)
	w.url = "http://" + server.Listener.Addr().String()
	w.Service, err = leash.New(t.Context(), leash.Config{Clock: w.now, Log: quiet, PublicURL: w.url,
		Argon2id: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}}, st)
	w.must(err)
	server.Config.Handler = gui.New(gui.Config{Service: w.Service, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)), Clock: w.now, PublicURL: w.url, Version: "test",
		AdminToken: adminToken, Settings: func() []gui.Setting {
			return []gui.Setting{{Name: "addr", Value: "127.0.0.1:8787", Source: "default"},
				{Name: "public_url", Value: "https://leash.example.com", Source: "/etc/openleash/config.yaml:2"}, {Name: "hosts", Source: "default"},
				{Name: "admin_token", Value: "(set)", Source: "variable OPENLEASH_ADMIN_TOKEN"}, {Name: "redact", Value: "$.payload.email,$.payload.phone", Source: "/etc/openleash/config.yaml:7"}}
		},
		LogStatus: func(ctx context.Context) (gui.LogStatus, error) {
			page, err := w.Audit(ctx, w.owner, store.AuditQuery{Limit: 1})
			return gui.LogStatus{Seq: page.Items[0].Seq, Time: page.Items[0].Time, Intact: true}, err
		}})
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections() // streams never end by themselves
		server.Close()
	})
	return w
}

// testWriter puts what the portal logs into the test's output.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// setUp makes the first owner.
func (w *world) setUp() {
	w.Helper()
	owner, err := w.CreateFirst(w.Context(), leash.FirstOwner{DisplayName: "Ada Lovelace", Passphrase: passphrase})
	w.must(err)
	w.owner = leash.Caller{OwnerID: owner.ID}
}

func (w *world) policy(text string) {
	w.Helper()
	_, err := w.PutPolicy(w.Context(), w.owner, "", leash.PolicyInput{Text: text})
	w.must(err)
}

// write puts a file into the policies folder, as an owner does by hand.
func (w *world) write(name, text string) {
	w.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, "policies", name), []byte(text), 0o600))
	_, err := w.SyncPolicies(w.Context())
	w.must(err)
}

// bot is an agent with its key.
type bot struct {
	*world
	id  string
	key ed25519.PrivateKey
}

func (w *world) agent(id string, groups ...string) *bot {
	w.Helper()
	grant, err := w.CreateInvite(w.Context(), w.owner, leash.InviteInput{Groups: groups})
	w.must(err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	w.must(err)
	_, err = w.RedeemInvite(w.Context(), leash.RedeemInput{InviteID: grant.InviteID, InviteToken: grant.InviteToken,
		AgentID: id, PublicKeyB64: proof.EncodePublicKeyB64(public)})
	w.must(err)
	return &bot{w, id, private}
}

// redeem joins with an invite link, as an agent does that was handed it.
func (w *world) redeem(link, id string) {
	w.Helper()
	u, err := url.Parse(link)
	w.must(err)
	public, _, err := ed25519.GenerateKey(rand.Reader)
	w.must(err)
	_, err = w.RedeemInvite(w.Context(), leash.RedeemInput{InviteID: u.Query().Get("invite_id"), InviteToken: u.Query().Get("invite_token"),
		AgentID: id, PublicKeyB64: proof.EncodePublicKeyB64(public)})
	w.must(err)
}

// knocks registers an agent that has no invite.
func (w *world) knocks(id string) {
	w.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	w.must(err)
	key := proof.EncodePublicKeyB64(public)
	ch, err := w.RegistrationChallenge(w.Context(), leash.ChallengeInput{AgentID: id, PublicKeyB64: key})
	w.must(err)
	_, err = w.Register(w.Context(), leash.RegisterInput{ChallengeID: ch.ID, AgentID: id, PublicKeyB64: key, OwnerID: w.owner.OwnerID,
		SignatureB64: signB64(private, ch.ChallengeB64)})
	w.must(err)
}

func (b *bot) signedIn() *leash.Agent {
	b.Helper()
	h := proof.SignRequest(b.key, b.id, "POST", "/v1/authorize", b.now(), uuid.NewString(), []byte("{}"))
	a, err := b.Authenticate(context.Background(), leash.Request{Method: "POST", Path: "/v1/authorize", Headers: h, Body: []byte("{}")})
	b.must(err)
	return a
}

// ask asks for an action; payload is JSON.
func (b *bot) ask(actionType, payload string) (string, *leash.Answer) {
	b.Helper()
	body := fmt.Sprintf(`{"action_id":%q,"action_type":%q,"payload":%s}`, uuid.NewString(), actionType, payload)
	answer, err := b.Authorize(context.Background(), b.signedIn(), []byte(body))
	b.must(err)
	return body, answer
}

// wants asks for an action that needs its owner, and then asks the owner.
func (b *bot) wants(actionType, payload, why string) leash.AgentApproval {
	b.Helper()
	body, answer := b.ask(actionType, payload)
	req, err := b.RequestApproval(context.Background(), b.signedIn(), leash.ApprovalInput{DecisionID: answer.DecisionID,
		Action: json.RawMessage(body), Justification: why})
	if err != nil {
		b.Fatalf("asking for approval of %s %s (%s: %s): %v", actionType, payload, answer.Result, answer.Reason, err)
	}
	return req
}
