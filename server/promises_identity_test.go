package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// The tests TestPromiseNN try what docs/security.md promises never happens, over HTTP, as an agent,
// a stranger or a web page would.

const allowAll = "id: pol_all\nrules:\n  - {action: \"*\", effect: allow}\n"

// 1. Nobody becomes an agent of an owner without that owner's invite or acceptance.
func TestPromise01_NoAgentWithoutItsOwner(t *testing.T) {
	w := newWorld(t)
	w.policy(allowAll).want(200)

	waiting := w.registerByChallenge("uninvited")
	waiting.ask(pay(1)).want(401, "AGENT_INACTIVE")

	invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{}).want(200)
	_, public := newKeyPair(t)
	redeem := func(id, token string) answer {
		return w.do("POST", "/v1/agents/register-with-invite", M{"invite_id": id, "invite_token": token, "agent_id": "thief", "agent_pubkey_b64": public})
	}
	redeem(invite.str("invite_id"), "guess").want(401, "INVALID_INVITE")
	redeem("inv_guess", invite.str("invite_token")).want(401, "INVALID_INVITE")

	setup := w.asAdmin("POST", "/v1/admin/owners/"+w.owner+"/setup-invite", nil).want(200)
	redeem(setup.str("invite_id"), setup.str("invite_token")).want(401, "INVALID_INVITE") // an invite of another kind

	redeem(invite.str("invite_id"), invite.str("invite_token")).want(200)
	_, public = newKeyPair(t)
	redeem(invite.str("invite_id"), invite.str("invite_token")).want(401, "INVALID_INVITE") // used

	old := w.asAdmin("POST", "/v1/owner/agent-invites", M{}).want(200)
	w.clock.Step(25 * time.Hour)
	redeem(old.str("invite_id"), old.str("invite_token")).want(401, "INVALID_INVITE") // expired

	// Someone else's signature over the challenge.
	key, mine := newKeyPair(t)
	other, _ := newKeyPair(t)
	ch := w.do("POST", "/v1/agents/registration-challenge", M{"agent_id": "forger", "agent_pubkey_b64": mine}).want(200)
	register := M{"challenge_id": ch.str("challenge_id"), "agent_id": "forger", "agent_pubkey_b64": mine, "owner_id": w.owner,
		"signature_b64": signChallenge(t, other, ch.str("challenge_b64"))}
	w.do("POST", "/v1/agents/register", register).want(400, "INVALID_CHALLENGE")
	register["signature_b64"] = signChallenge(t, key, ch.str("challenge_b64"))
	w.do("POST", "/v1/agents/register", register).want(200)
	w.do("POST", "/v1/agents/register", register).want(400, "INVALID_CHALLENGE") // used

	waiting = w.registerByChallenge("accepted-later")
	w.asAdmin("PUT", "/v1/owner/agents/"+waiting.principal, M{"status": "ACTIVE"}).want(200)
	if got := waiting.ask(pay(1)).want(200).str("result"); got != "ALLOW" {
		t.Errorf("the accepted agent got %s", got)
	}
}

// 2. No registration takes over, shadows or blocks another agent's id.
func TestPromise02_NoIDIsTakenOver(t *testing.T) {
	w := newWorld(t)
	w.policy("owner: " + w.owner + "\n" + allowAll).want(200)
	second := w.asAdmin("POST", "/v1/admin/owners", M{"display_name": "Mallory"}).want(200).str("user_principal_id")
	first := with("X-Owner-Id", w.owner)
	mallory := with("X-Owner-Id", second)
	victim := w.join("victim", first)

	_, public := newKeyPair(t)
	for _, by := range []part{first, mallory} {
		invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{}, by).want(200)
		w.do("POST", "/v1/agents/register-with-invite", M{"invite_id": invite.str("invite_id"), "invite_token": invite.str("invite_token"),
			"agent_id": "victim", "agent_pubkey_b64": public}).want(409, "AGENT_ID_TAKEN")
	}
	w.asAdmin("POST", "/v1/owner/agent-invites", M{"replace_agent_id": "victim"}, mallory).want(404, "NOT_FOUND")

	// Asking for a name does not block it.
	squatter := w.registerByChallenge("wanted")
	wanted := w.join("wanted", first)
	w.asAdmin("PUT", "/v1/owner/agents/"+squatter.principal, M{"status": "ACTIVE"}, first).want(409, "AGENT_ID_TAKEN")
	wanted.do("GET", "/v1/agent/self", nil).want(200)
	if got := victim.ask(pay(1)).want(200).str("result"); got != "ALLOW" {
		t.Errorf("the victim got %s", got)
	}

	// Only the owner's explicit replacement changes the key, and then the old one is worth nothing.
	invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{"replace_agent_id": "victim"}, first).want(200)
	w.do("POST", "/v1/agents/register-with-invite", M{"invite_id": invite.str("invite_id"), "invite_token": invite.str("invite_token"),
		"agent_id": "victim", "agent_pubkey_b64": public}).want(200)
	victim.ask(pay(1)).want(401, "INVALID_SIGNATURE")
}

// 3. A proof or a log entry never carries an agent, owner or subject other than the signer's.
func TestPromise03_OnlyTheSignersIdentity(t *testing.T) {
	w := newWorld(t)
	w.policy(allowAll).want(200)
	a, other := w.join("signer"), w.join("other")
	for _, tt := range []struct {
		name, code string
		add        M
	}{
		{"agent", "AGENT_MISMATCH", M{"principal": M{"agent_id": "other"}}},
		{"principal id of another", "AGENT_MISMATCH", M{"principal": M{"agent_id": other.principal}}},
		{"subject", "SUBJECT_MISMATCH", M{"subject": M{"principal_id": "usr_somebody"}}},
	} {
		action := pay(1)
		for k, v := range tt.add {
			action[k] = v
		}
		a.ask(action).want(403, tt.code)
	}
	action := pay(1)
	action["principal"], action["subject"] = M{"agent_id": "signer"}, M{"principal_id": w.owner}
	got := a.ask(action).want(200)
	claims := w.do("POST", "/v1/verify-proof", M{"token": got.str("proof_token")}).want(200)
	if claims.str("claims", "agent_id") != "signer" || claims.str("claims", "owner_id") != w.owner {
		t.Errorf("the proof says %s", claims.raw)
	}
	for _, e := range w.asAdmin("GET", "/v1/owner/audit?event_type=DECISION_CREATED", nil).items("items") {
		if e := e.(M); e["agent_id"] != "signer" || e["owner_id"] != w.owner {
			t.Errorf("the log says %v", e)
		}
	}
	// Headers of one agent with the key of another.
	a.ask(pay(1), with(proof.HeaderAgentID, "x")).want(200) // sign overwrites it: the control
	forged := &agent{w, "other", other.principal, a.key}
	forged.ask(pay(1)).want(401, "INVALID_SIGNATURE")
}

// 4. Being on localhost gives nothing. The first caller does not become admin.
func TestPromise04_LocalhostIsNoCredential(t *testing.T) {
	w := newWorld(t)
	open := map[string]bool{"/v1/health": true, "/livez": true, "/readyz": true, "/v1/public-keys": true, "/v1/verify-proof": true, "/v1/redeem-proof": true,
		"/reference": true, "/reference/style.css": true, "/reference/openapi.json": true, "/v1/agents/policy-schema": true,
		"/v1/agents/registration-challenge": true, "/v1/agents/register": true, "/v1/agents/register-with-invite": true,
		"/v1/owner/setup": true, "/v1/owner/login": true}
	for path, item := range w.spec.paths {
		for method := range item {
			if open[path] {
				continue
			}
			url := strings.NewReplacer("{id}", "x", "{kid}", "x").Replace(path)
			for name, parts := range map[string][]part{
				"nothing":     nil,
				"forwarded":   {with("X-Forwarded-For", "127.0.0.1"), with("X-Real-Ip", "127.0.0.1"), with("Forwarded", "for=127.0.0.1")},
				"named owner": {with("X-Owner-Id", w.owner)},
				"empty token": {as("")},
				"no token":    {as("null")},
			} {
				if a := w.do(strings.ToUpper(method), url, nil, parts...); a.status != http.StatusUnauthorized {
					t.Errorf("%s %s with %s: got %d", method, path, name, a.status)
				}
			}
		}
	}
	for _, path := range []string{"/v1/health", "/v1/public-keys"} {
		if a := w.do("GET", path, nil).want(200); strings.Contains(string(a.raw), w.owner) {
			t.Errorf("%s names the owner: %s", path, a.raw)
		}
	}
}

// 5. A page of another origin can do nothing with an owner's cookie, and a DNS-rebound Host is refused.
func TestPromise05_OtherOriginsAndRebinding(t *testing.T) {
	w := newWorld(t)
	cookie := with("Cookie", "openleash_session="+w.login())
	here := with("Origin", w.public.URL)
	w.do("POST", "/v1/owner/agent-invites", M{}, cookie, here).want(200)
	w.do("POST", "/v1/owner/agent-invites", M{}, cookie, here, with("Sec-Fetch-Site", "same-origin")).want(200)
	for name, parts := range map[string][]part{
		"another site":          {with("Origin", "https://evil.example"), with("Sec-Fetch-Site", "cross-site")},
		"another port of ours":  {with("Origin", "http://127.0.0.1:3000"), with("Sec-Fetch-Site", "same-site")},
		"a sandboxed page":      {with("Origin", "null")},
		"an old browser's form": {with("Origin", "https://evil.example")},
		"neither header":        {},
	} {
		if got := w.do("POST", "/v1/owner/agent-invites", M{}, append(parts, cookie)...); got.code() != "CROSS_ORIGIN" {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	w.do("GET", "/v1/owner/profile", nil, cookie, with("Sec-Fetch-Site", "same-site")).want(403, "CROSS_ORIGIN")
	if n := len(w.asAdmin("GET", "/v1/owner/agent-invites", nil).items("items")); n != 2 {
		t.Errorf("there are %d invites, want the 2 of our own pages", n)
	}
	for _, name := range []string{"evil.example", "evil.example:8787", "127.0.0.1.evil.example", "rebind.localhost.evil.example"} {
		w.do("GET", "/v1/health", nil, host(name)).want(421, "WRONG_HOST")
		w.do("POST", "/v1/owner/agent-invites", M{}, cookie, host(name), with("Origin", "http://"+name), with("Sec-Fetch-Site", "same-origin")).want(421, "WRONG_HOST")
	}
	a := w.do("GET", "/v1/health", nil, with("Origin", "https://evil.example"))
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("other origins may read answers")
	}
}

// 6. Nonces are recorded only after the signature holds; a captured request does not pass after a
// restart, nor with a timestamp that does not parse.
func TestPromise06_NoReplay(t *testing.T) {
	w := newWorld(t)
	w.policy(allowAll).want(200)
	a := w.join("replayed")
	body := `{"action_type":"pay"}`
	at := w.clock.Now()
	captured := proof.SignRequest(a.key, a.id, "POST", "/v1/authorize", at, "nonce-1", []byte(body))
	send := func(h proof.SignedHeaders) answer {
		t.Helper()
		return w.do("POST", "/v1/authorize", nil, text(body), func(r *request) { r.setSigned(h) })
	}
	forged := captured
	stranger, _ := newKeyPair(t)
	forged.Signature = proof.SignRequest(stranger, a.id, "POST", "/v1/authorize", at, "nonce-1", []byte(body)).Signature
	send(forged).want(401, "INVALID_SIGNATURE") // and does not use the nonce up
	send(captured).want(200)
	send(captured).want(401, "NONCE_REPLAY")
	w.restart()
	send(captured).want(401, "NONCE_REPLAY")
	w.clock.Step(119 * time.Second)
	send(captured).want(401, "NONCE_REPLAY")
	w.clock.Step(2 * time.Second)
	send(captured).want(401, "TIMESTAMP_SKEW")
	w.clock.Step(-10 * time.Minute)
	send(captured).want(401, "TIMESTAMP_SKEW")
	w.clock.Step(10 * time.Minute)

	for _, stamp := range []string{"", "NaN", "0", "yesterday", "9999-99-99T99:99:99Z", "2026-04-10", "2026-04-10 12:00:00Z", "1e400"} {
		h := captured
		h.Timestamp, h.Nonce = stamp, nonce()
		if got := send(h); got.status != 401 {
			t.Errorf("the timestamp %q: got %d", stamp, got.status)
		}
	}
	for code, spoil := range map[string]func(*proof.SignedHeaders){
		"MISSING_HEADERS":    func(h *proof.SignedHeaders) { h.Nonce = "" },
		"BODY_HASH_MISMATCH": func(h *proof.SignedHeaders) { h.BodySHA256 = proof.BodySHA256([]byte("other")) },
		"AGENT_NOT_FOUND":    func(h *proof.SignedHeaders) { h.AgentID = "nobody" },
		"INVALID_SIGNATURE":  func(h *proof.SignedHeaders) { h.Nonce = "another" },
	} {
		h := proof.SignRequest(a.key, a.id, "POST", "/v1/authorize", w.clock.Now(), nonce(), []byte(body))
		spoil(&h)
		send(h).want(401, code)
	}
	// The signature covers method and path.
	h := proof.SignRequest(a.key, a.id, "GET", "/v1/agent/self", w.clock.Now(), nonce(), []byte(body))
	send(h).want(401, "INVALID_SIGNATURE")
}

// 7. Log-out ends the session on the server; so do a new passphrase and a revoked owner.
func TestPromise07_SessionsEnd(t *testing.T) {
	w := newWorld(t)
	alive := func(token string) bool {
		return w.do("GET", "/v1/owner/profile", nil, as(token)).status == 200
	}
	token := w.login()
	if !alive(token) {
		t.Fatal("a new session is dead")
	}
	w.do("POST", "/v1/owner/logout", nil, as(token)).want(200)
	if alive(token) {
		t.Error("after log-out the session lives")
	}
	token, changer := w.login(), w.login()
	w.do("PUT", "/v1/owner/profile", M{"passphrase": "another passphrase", "current_passphrase": "wrong"}, as(changer)).want(401, "INVALID_CREDENTIALS")
	w.do("PUT", "/v1/owner/profile", M{"passphrase": "short", "current_passphrase": passphrase}, as(changer)).want(400, "WEAK_PASSPHRASE")
	w.do("PUT", "/v1/owner/profile", M{"passphrase": "another passphrase", "current_passphrase": passphrase}, as(changer)).want(200)
	if alive(token) {
		t.Error("after a new passphrase the other session lives")
	}
	w.restart()
	if alive(token) || !alive(changer) {
		t.Error("a restart changed who is logged in")
	}
	refreshed := w.do("POST", "/v1/owner/session/refresh", nil, as(changer)).want(200).str("token")
	if alive(changer) || !alive(refreshed) {
		t.Error("after a refresh the old session lives, or the new one does not")
	}
	w.clock.Step(13 * time.Hour)
	if alive(refreshed) {
		t.Error("an expired session lives")
	}
	w.clock.Step(-13 * time.Hour)
	w.asAdmin("DELETE", "/v1/admin/owners/"+w.owner, nil).want(200)
	if alive(refreshed) {
		t.Error("a revoked owner's session lives")
	}
}

// 8. Changing or switching off TOTP needs a valid code; a code works once; guesses are slowed.
func TestPromise08_SecondFactor(t *testing.T) {
	w := newWorld(t)
	token := w.login()
	secret := w.do("POST", "/v1/owner/totp/setup", M{}, as(token)).want(200).str("secret")
	w.do("POST", "/v1/owner/totp/confirm", M{"totp_code": "000000"}, as(token)).want(401, "INVALID_TOTP")
	recovery := w.do("POST", "/v1/owner/totp/confirm", M{"totp_code": w.code(secret)}, as(token)).want(200).items("recovery_codes")

	for _, path := range []string{"setup", "disable"} {
		w.do("POST", "/v1/owner/totp/"+path, M{}, as(token)).want(401, "INVALID_TOTP")
		w.do("POST", "/v1/owner/totp/"+path, M{"totp_code": w.code(secret)}, as(token)).want(401, "INVALID_TOTP") // used by confirm
	}
	login := M{"user_principal_id": w.owner, "passphrase": passphrase}
	w.do("POST", "/v1/owner/login", login).want(401, "TOTP_REQUIRED")
	w.clock.Step(time.Minute)
	login["totp_code"] = w.code(secret)
	w.do("POST", "/v1/owner/login", login).want(200)
	w.do("POST", "/v1/owner/login", login).want(401, "INVALID_TOTP") // once
	login["totp_code"] = recovery[0]
	w.do("POST", "/v1/owner/login", login).want(200)
	w.do("POST", "/v1/owner/login", login).want(401, "INVALID_TOTP") // once

	guess := M{"user_principal_id": w.owner, "passphrase": "wrong guess"}
	var slowed answer
	for range 10 {
		if slowed = w.do("POST", "/v1/owner/login", guess); slowed.status == 429 {
			break
		}
	}
	slowed.want(429, "RATE_LIMITED")
	unknown := M{"user_principal_id": "usr_nobody", "passphrase": "wrong guess"}
	w.do("POST", "/v1/owner/login", unknown).want(401, "INVALID_CREDENTIALS")
}
