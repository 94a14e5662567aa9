package leash_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

func newKey(t testing.TB) (string, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return proof.EncodePublicKeyB64(public), private
}

func TestInviteIsGoodOnce(t *testing.T) {
	w := newWorld(t)
	key, _ := newKey(t)
	grant, err := w.CreateInvite(t.Context(), w.owner, leash.InviteInput{})
	must(t, err)
	redeem := func(token, agentID string) error {
		_, err := w.RedeemInvite(t.Context(), leash.RedeemInput{InviteID: grant.InviteID, InviteToken: token, AgentID: agentID, PublicKeyB64: key})
		return err
	}
	wantCode(t, redeem("guess", "a"), leash.InvalidInvite)
	must(t, redeem(grant.InviteToken, "a"))
	wantCode(t, redeem(grant.InviteToken, "b"), leash.InvalidInvite)

	grant, err = w.CreateInvite(t.Context(), w.owner, leash.InviteInput{})
	must(t, err)
	w.clock.Step(25 * time.Hour)
	wantCode(t, redeem(grant.InviteToken, "b"), leash.InvalidInvite)

	grant, err = w.CreateInvite(t.Context(), w.owner, leash.InviteInput{})
	must(t, err)
	must(t, w.RevokeInvite(t.Context(), w.owner, grant.InviteID))
	wantCode(t, redeem(grant.InviteToken, "b"), leash.InvalidInvite)

	setup, err := w.SetupInvite(t.Context(), w.owner.OwnerID)
	must(t, err)
	grant = setup
	wantCode(t, redeem(setup.InviteToken, "b"), leash.InvalidInvite)
}

func TestAgentIDIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	w.agent("shopper")
	key, _ := newKey(t)
	stranger, err := w.CreateOwner(t.Context(), "Eve", "")
	must(t, err)
	for _, c := range []leash.Caller{w.owner, {OwnerID: stranger.ID}} {
		grant, err := w.CreateInvite(t.Context(), c, leash.InviteInput{})
		must(t, err)
		_, err = w.RedeemInvite(t.Context(), leash.RedeemInput{InviteID: grant.InviteID, InviteToken: grant.InviteToken, AgentID: "shopper", PublicKeyB64: key})
		wantCode(t, err, leash.AgentIDTaken)
	}
	_, err = w.CreateInvite(t.Context(), leash.Caller{OwnerID: stranger.ID}, leash.InviteInput{ReplaceAgentID: "shopper"})
	wantCode(t, err, leash.NotFound)
	grant, err := w.CreateInvite(t.Context(), w.owner, leash.InviteInput{ReplaceAgentID: "shopper"})
	must(t, err)
	_, err = w.RedeemInvite(t.Context(), leash.RedeemInput{InviteID: grant.InviteID, InviteToken: grant.InviteToken, AgentID: "shopper", PublicKeyB64: key})
	must(t, err)
	agent, err := w.AgentByID(t.Context(), w.owner, "shopper")
	must(t, err)
	if agent.PublicKeyB64 != key {
		t.Fatal("the key was not replaced")
	}
}

// register asks to join an owner by challenge.
func (w *world) register(agentID, ownerID string) (ed25519.PrivateKey, leash.Registration, error) {
	w.t.Helper()
	pub, key := newKey(w.t)
	ch, err := w.RegistrationChallenge(w.t.Context(), leash.ChallengeInput{AgentID: agentID, PublicKeyB64: pub})
	must(w.t, err)
	raw, err := base64.StdEncoding.DecodeString(ch.ChallengeB64)
	must(w.t, err)
	reg, err := w.Register(w.t.Context(), leash.RegisterInput{ChallengeID: ch.ID, AgentID: agentID, PublicKeyB64: pub,
		SignatureB64: base64.StdEncoding.EncodeToString(ed25519.Sign(key, raw)), OwnerID: ownerID})
	return key, reg, err
}

func TestRegistrationWaitsForTheOwner(t *testing.T) {
	w := newWorld(t)
	key, reg, err := w.register("joiner", w.owner.OwnerID)
	must(t, err)
	b := &bot{w, "joiner", key}
	_, err = b.authenticate("n1")
	wantCode(t, err, leash.AgentInactive)

	// A waiting name blocks nobody: the owner's own invite takes it.
	w.agent("joiner")
	_, err = w.SetAgentStatus(t.Context(), w.owner, reg.PrincipalID, store.Active)
	wantCode(t, err, leash.AgentIDTaken)

	key, reg, err = w.register("joiner2", w.owner.OwnerID)
	must(t, err)
	_, err = w.SetAgentStatus(t.Context(), w.owner, reg.PrincipalID, store.Active)
	must(t, err)
	b = &bot{w, "joiner2", key}
	b.signedIn()
	_, err = w.SetAgentStatus(t.Context(), w.owner, "joiner2", store.Revoked)
	must(t, err)
	_, err = b.authenticate("n2")
	wantCode(t, err, leash.AgentInactive)

	_, _, err = w.register("joiner3", "usr_01h455vb4pex5vsknk084sn02q")
	wantCode(t, err, leash.InvalidChallenge)
}

func TestSignedRequests(t *testing.T) {
	w := newWorld(t)
	b := w.agent("shopper")
	body := []byte(`{"a":1}`)
	sign := func() leash.Request {
		return leash.Request{Method: "POST", Path: "/v1/authorize", Body: body,
			Headers: proof.SignRequest(b.key, b.id, "POST", "/v1/authorize", w.clock.Now(), "nonce", body)}
	}
	_, other := newKey(t)
	for name, tc := range map[string]struct {
		spoil func(*leash.Request)
		want  leash.Code
	}{
		"no nonce":               {func(r *leash.Request) { r.Headers.Nonce = "" }, leash.MissingHeaders},
		"a time of no form":      {func(r *leash.Request) { r.Headers.Timestamp = "soon" }, leash.TimestampSkew},
		"an old time":            {func(r *leash.Request) { r.Headers.Timestamp = "2026-04-10T11:57:59.000Z" }, leash.TimestampSkew},
		"a time to come":         {func(r *leash.Request) { r.Headers.Timestamp = "2026-04-10T12:02:01.000Z" }, leash.TimestampSkew},
		"another body":           {func(r *leash.Request) { r.Body = []byte(`{"a":2}`) }, leash.BodyHashMismatch},
		"an unknown agent":       {func(r *leash.Request) { r.Headers.AgentID = "nobody" }, leash.AgentNotFound},
		"another path":           {func(r *leash.Request) { r.Path = "/v1/agent/self" }, leash.InvalidSignature},
		"another method":         {func(r *leash.Request) { r.Method = "GET" }, leash.InvalidSignature},
		"another nonce":          {func(r *leash.Request) { r.Headers.Nonce = "other" }, leash.InvalidSignature},
		"a signature of no form": {func(r *leash.Request) { r.Headers.Signature = "%" }, leash.InvalidSignature},
		"another key": {func(r *leash.Request) {
			r.Headers = proof.SignRequest(other, b.id, "POST", "/v1/authorize", w.clock.Now(), "nonce", body)
		}, leash.InvalidSignature},
	} {
		r := sign()
		tc.spoil(&r)
		_, err := w.Authenticate(t.Context(), r)
		if got := leash.CodeOf(err); got != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	// None of these used the nonce up.
	_, err := w.Authenticate(t.Context(), sign())
	must(t, err)
	_, err = w.Authenticate(t.Context(), sign())
	wantCode(t, err, leash.NonceReplay)
	captured := sign()
	w.restart()
	_, err = w.Authenticate(t.Context(), captured)
	wantCode(t, err, leash.NonceReplay)
}

func TestAnActionIsTheSigners(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	w.agent("other")
	for body, want := range map[string]leash.Code{
		`{"action_type":"purchase.a","principal":{"agent_id":"other"},"payload":{"amount":1}}`:                            leash.AgentMismatch,
		`{"action_type":"purchase.a","subject":{"principal_id":"usr_01h455vb4pex5vsknk084sn02q"},"payload":{"amount":1}}`: leash.SubjectMismatch,
		`{"action_type":"purchase.a","payload":{"amount":1},"payload":{"amount":1}}`:                                      leash.InvalidAction,
		`{"action_type":"purchase.a","payload":{"amount":1},"surprise":1}`:                                                leash.InvalidAction,
		`{"action_type":"purchase.a","payload":{"amount":1e400}}`:                                                         leash.InvalidAction,
		`{"action_type":"purchase.a","payload":{"amount":1}}x`:                                                            leash.InvalidAction,
	} {
		if got := b.askErr(body); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestDraftTakesEffectOnlyByItsOwner(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	other := w.agent("other")
	draft, err := w.SubmitDraft(t.Context(), b.signedIn(), leash.DraftInput{
		PolicyYAML: "id: pol_spending_limit\nrank: 1\nrules: [{action: '*', effect: allow}]", Name: "More"})
	must(t, err)
	big := func(id string) string { return action(id, `{"amount":501}`) }
	if a := b.ask(big("a")); a.Result != store.Deny {
		t.Fatalf("before approval: %s", a.Result)
	}
	approved, err := w.ApproveDraft(t.Context(), w.owner, draft.ID, leash.ApproveDraftInput{})
	must(t, err)
	if approved.PolicyID == "pol_spending_limit" || approved.PolicyID == "" {
		t.Fatalf("the draft became %q", approved.PolicyID)
	}
	if a := b.ask(big("b")); a.Result != store.Allow {
		t.Fatalf("after approval: %s", a.Result)
	}
	if a := other.ask(big("c")); a.Result != store.Deny {
		t.Fatalf("another agent: %s", a.Result)
	}
	_, err = w.DenyDraft(t.Context(), w.owner, draft.ID, "")
	wantCode(t, err, leash.InvalidStatus)
	_, err = w.SubmitDraft(t.Context(), b.signedIn(), leash.DraftInput{PolicyYAML: "rules: [{action: '*', effect: alow}]"})
	wantCode(t, err, leash.InvalidPolicy)
}

// One network does not use up the registrations that there are for all.
func TestChallengesAreCountedByNetwork(t *testing.T) {
	w := newWorld(t)
	public, _ := newKey(t)
	ask := func(from string) error {
		_, err := w.RegistrationChallenge(t.Context(), leash.ChallengeInput{AgentID: "new", PublicKeyB64: public, From: from})
		return err
	}
	for range 20 {
		must(t, ask("203.0.113.1/32"))
	}
	wantCode(t, ask("203.0.113.1/32"), leash.RateLimited)
	must(t, ask("203.0.113.2/32"))
}
