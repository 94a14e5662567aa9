package server_test

import (
	"context"
	"crypto/ed25519"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/server"
	"github.com/openleash/openleash-go/store"
	"github.com/openleash/openleash-go/store/file"
)

// 16. No token passes for another kind.
func TestPromise16_TokensOfOneKind(t *testing.T) {
	w := newWorld(t)
	w.policy(spendingPolicy).want(200)
	a := w.join("mixer")
	session := w.login()
	proofToken := a.ask(purchase(45)).want(200).str("proof_token")
	approval, _ := w.approved(a, purchase(250))

	for name, token := range map[string]string{"session": session, "approval": approval} {
		if got := w.do("POST", "/v1/verify-proof", M{"token": token}).want(200); got.get("valid") != false {
			t.Errorf("a %s token is a valid proof: %s", name, got.raw)
		}
	}
	for name, token := range map[string]string{"proof": proofToken, "approval": approval} {
		if got := w.do("GET", "/v1/owner/profile", nil, as(token)); got.status != 401 {
			t.Errorf("a %s token is a session: %s", name, got.raw)
		}
	}
	for name, token := range map[string]string{"proof": proofToken, "session": session} {
		if got := a.ask(withToken(purchase(250), token)); got.code() != "INVALID_APPROVAL_TOKEN" {
			t.Errorf("a %s token is an approval: %s", name, got.raw)
		}
	}
	for name, token := range map[string]string{"proof": proofToken, "session": session, "approval": approval} {
		if got := w.do("GET", "/v1/admin/owners", nil, as(token)); got.status != 401 {
			t.Errorf("a %s token is the admin's: %s", name, got.raw)
		}
	}
	// Existing verifiers try all published keys and look at no purpose: none may fit.
	keys, err := proof.ParsePublicKeys(w.do("GET", "/v1/public-keys", nil).raw)
	w.must(err)
	for name, token := range map[string]string{"session": session, "approval": approval} {
		for _, purpose := range []proof.Purpose{proof.PurposeProof, proof.PurposeSession, proof.PurposeApproval} {
			if _, err := proof.Verify(token, keys.Source(), proof.Expect{Purpose: purpose, Now: w.clock.Now()}); err == nil {
				t.Errorf("a %s token verifies with a published key", name)
			}
		}
	}
}

// 17. A token without exp, expired, by a revoked key, or for another audience, action or agent than
// expected is not valid.
func TestPromise17_InvalidProofs(t *testing.T) {
	w := newWorld(t)
	w.policy(allowAll).want(200)
	a := w.join("prover")
	action := pay(1)
	action["relying_party"] = M{"domain": "shop.example"}
	got := a.ask(action).want(200)
	token := got.str("proof_token")
	verify := func(in M) string {
		t.Helper()
		v := w.do("POST", "/v1/verify-proof", in).want(200)
		if v.get("valid") == true {
			return "valid"
		}
		return v.str("reason")
	}
	flipped := []byte(token)
	flipped[len(flipped)/2] ^= 1
	for name, tt := range map[string]struct {
		in   M
		want string
	}{
		"control":           {M{"token": token, "expected_action_hash": got.str("action_hash"), "expected_agent_id": "prover", "expected_audience": "shop.example"}, "valid"},
		"another audience":  {M{"token": token, "expected_audience": "evil.example"}, "AUDIENCE_MISMATCH"},
		"an empty audience": {M{"token": token, "expected_audience": ""}, "AUDIENCE_MISMATCH"},
		"an empty agent":    {M{"token": token, "expected_agent_id": ""}, "AGENT_MISMATCH"},
		"an empty hash":     {M{"token": token, "expected_action_hash": ""}, "ACTION_MISMATCH"},
		"nothing expected":  {M{"token": token, "expected_audience": nil}, "valid"},
		"another action":    {M{"token": token, "expected_action_hash": strings.Repeat("0", 64)}, "ACTION_MISMATCH"},
		"another agent":     {M{"token": token, "expected_agent_id": "other"}, "AGENT_MISMATCH"},
		"cut":               {M{"token": token[:len(token)-10]}, ""},
		"another version":   {M{"token": strings.Replace(token, "v4.public", "v2.public", 1)}, "MALFORMED"},
		"local":             {M{"token": strings.Replace(token, "v4.public", "v4.local", 1)}, "MALFORMED"},
		"long":              {M{"token": strings.Repeat("a", 60_000)}, "MALFORMED"},
		"flipped":           {M{"token": string(flipped)}, ""},
		"without exp":       {M{"token": w.forge(`"nbf":"2020-01-01T00:00:00Z","iat":"2020-01-01T00:00:00Z"`)}, ""},
		"exp unparsable":    {M{"token": w.forge(`"nbf":"2020-01-01T00:00:00Z","iat":"2020-01-01T00:00:00Z","exp":"never"`)}, ""},
	} {
		if got := verify(tt.in); got == "valid" && tt.want != "valid" || tt.want != "" && got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	w.clock.Step(-time.Minute)
	if got := verify(M{"token": token}); got != "NOT_YET_VALID" {
		t.Errorf("before its time: %q", got)
	}
	w.clock.Step(time.Minute + 121*time.Second)
	if got := verify(M{"token": token}); got != "EXPIRED" {
		t.Errorf("after its time: %q", got)
	}
	token = a.ask(pay(2)).want(200).str("proof_token")
	claims := w.do("POST", "/v1/verify-proof", M{"token": token}).want(200)
	w.asAdmin("POST", "/v1/admin/keys/"+claims.str("claims", "kid")+"/revoke", nil).want(200)
	if got := verify(M{"token": token}); got != "REVOKED_KEY" {
		t.Errorf("of a revoked key: %q", got)
	}
	if got := a.ask(pay(3)).want(200).str("proof_token"); verify(M{"token": got}) != "valid" {
		t.Error("after a revocation, new proofs are not valid")
	}
}

// forge signs claims with the server's own proof key, as only a faulty server could.
func (w *world) forge(times string) string {
	w.t.Helper()
	ring, err := leash.LoadKeyRing(context.Background(), w.store)
	w.must(err)
	key, ok := ring.Active(proof.PurposeProof)
	if !ok {
		w.t.Fatal("no proof key")
	}
	return signToken(w.t, key, `{"iss":"openleash","purpose":"proof","kid":"`+key.KID+`","decision":"ALLOW","agent_id":"prover",`+times+`}`)
}

// 18. Secrets are never world-readable, logged or sent; passphrases and tokens are stored only hashed.
func TestPromise18_SecretsStaySecret(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.AllowPrivateWebhooks = true })
	w.policy(spendingPolicy).want(200)
	a := w.joinWithHook("keeper", "http://127.0.0.1:1/hook")
	session := w.login()
	secret := w.do("POST", "/v1/owner/totp/setup", M{}, as(session)).want(200).str("secret")
	recovery := w.do("POST", "/v1/owner/totp/confirm", M{"totp_code": w.code(secret)}, as(session)).want(200).items("recovery_codes")[0].(string)
	invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{}).want(200)
	approval, _ := w.approved(a, purchase(250))
	w.do("GET", "/v1/agents/register-with-invite?invite_id="+invite.str("invite_id")+"&invite_token="+invite.str("invite_token"), nil).want(200)
	w.do("POST", "/v1/owner/login", M{"user_principal_id": w.owner, "passphrase": "a wrong passphrase"})

	// Nothing that is kept only as a hash stands in a file; nothing secret stands in the log.
	hashed := map[string]string{"passphrase": passphrase, "session": session, "invite token": invite.str("invite_token"), "recovery code": recovery, "approval token": approval}
	logged := map[string]string{"TOTP secret": secret, "webhook secret": "hush-secret", "webhook token": "hush-token", "admin token": adminToken, "wrong passphrase": "a wrong passphrase"}
	w.must(filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		w.must(err)
		info, err := d.Info()
		w.must(err)
		if private := strings.Contains(path, "/keys") || strings.Contains(path, "/owners") || strings.Contains(path, "/agents"); private && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		if d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		w.must(err)
		for name, value := range hashed {
			if strings.Contains(string(text), value) {
				t.Errorf("%s holds the %s", path, name)
			}
		}
		for name, value := range logged {
			if strings.HasSuffix(path, ".jsonl") && strings.Contains(string(text), value) {
				t.Errorf("%s holds the %s", path, name)
			}
		}
		return nil
	}))
	for _, all := range []map[string]string{hashed, logged} {
		for name, value := range all {
			if strings.Contains(w.log.String(), value) {
				t.Errorf("the server's log holds the %s", name)
			}
		}
	}
	// Nothing secret is sent.
	ring, err := leash.LoadKeyRing(t.Context(), w.store)
	w.must(err)
	sent := map[string]string{"TOTP secret": secret, "webhook secret": "hush-secret", "webhook token": "hush-token", "passphrase hash": "$argon2id$", "admin token": adminToken}
	for _, key := range ring.Keys() {
		sent["private key "+key.KID] = proof.EncodePrivateKeyB64(key.Private)
	}
	for path, item := range w.spec.paths {
		if item["get"] == nil || strings.Contains(path, "stream") {
			continue
		}
		id := map[bool]string{true: "keeper", false: "x"}[strings.Contains(path, "/agents/")]
		answer := w.asAdmin("GET", strings.ReplaceAll(path, "{id}", id), nil)
		for name, value := range sent {
			if strings.Contains(string(answer.raw), value) {
				t.Errorf("GET %s sends the %s", path, name)
			}
		}
	}
}

// 19. No id, name or field can leave its place: no path traversal, no newline or markup that breaks a
// stored file, no script in a page.
func TestPromise19_NothingLeavesItsPlace(t *testing.T) {
	w := newWorld(t)
	outside := filepath.Dir(w.dir)
	before := listing(t, outside, w.dir)
	hostile := []string{"../../escape", "..%2f..%2fescape", "/etc/passwd", "a/../../b", "..\\..\\x", "x\ny: z", "x\x00y", "<script>alert(1)</script>",
		"\u202eevil", "CON", strings.Repeat("a", 5000), ".", "..", "-rf", "{{.}}", "${HOME}", "a\r\nSet-Cookie: x=y"}
	_, public := newKeyPair(t)
	for _, s := range hostile {
		valid := s == "CON" || s == "-rf" // as ids of policies: plain words, if odd ones
		invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{}).want(200)
		if got := w.do("POST", "/v1/agents/register-with-invite", M{"invite_id": invite.str("invite_id"), "invite_token": invite.str("invite_token"),
			"agent_id": s, "agent_pubkey_b64": public}); got.status == 200 && !valid {
			t.Errorf("the agent_id %q was taken", s)
		}
		w.policy("id: " + quoted(s) + "\nrules: [{action: x, effect: allow}]\n")
		for _, path := range []string{"policies/", "agents/", "approval-requests/", "policy-drafts/", "decisions/", "agent-invites/", "sessions/"} {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				if got := w.asAdmin(method, "/v1/owner/"+path+url.PathEscape(s), nil, unchecked, text(`{"policy_yaml":"rules: [{action: x, effect: allow}]"}`)); got.status == 200 && !valid || got.status >= 500 {
					t.Errorf("%s %s%q: got %d %s", method, path, s, got.status, got.raw)
				}
			}
		}
		w.asAdmin("PUT", "/v1/owner/profile", M{"display_name": s})
		w.asAdmin("POST", "/v1/owner/agent-invites", M{"groups": []string{s}})
		w.asAdmin("POST", "/v1/admin/owners/"+url.PathEscape(s)+"/setup-invite", nil, unchecked)
	}
	if after := listing(t, outside, w.dir); after != before {
		t.Errorf("files came to stand outside the data folder:\n%s", after)
	}
	w.restart() // all files still parse
	for _, path := range []string{"/reference", "/v1/owner/profile", "/v1/health"} {
		a := w.asAdmin("GET", path, nil)
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script") {
			t.Errorf("%s: the policy is %q", path, csp)
		}
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie", path)
		}
	}
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(s) + `"`
}

// listing names all files under a folder but those under one of its own.
func listing(t *testing.T, root, but string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if path == but {
			return fs.SkipDir
		}
		out = append(out, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// 20. After a crash no answered decision is missing from the log, no charge is lost or doubled, and no
// approval is usable twice. The crash is a copy of the folder, taken while requests run. (That of a
// whole process, at every write, is tried where the store is.)
func TestPromise20_NothingAnsweredIsLost(t *testing.T) {
	w := newWorld(t)
	w.policy("id: pol_count\nrules:\n  - {action: pay, effect: allow}\nbudgets:\n  - {id: total, limit: 1000000, currency: USD, window: lifetime, actions: [pay]}\n").want(200)
	w.policy(spendingPolicy).want(200)
	a := w.join("crasher")
	token, _ := w.approved(a, purchase(250))
	a.ask(withToken(purchase(250), token)).want(200)
	var answered sync.Map
	var spent atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				answered.Store(a.ask(pay(1)).want(200).str("decision_id"), true)
				spent.Add(1)
			}
		})
	}
	waitFor(t, "there is load", func() bool { return spent.Load() > 50 })
	known := map[string]bool{}
	answered.Range(func(id, _ any) bool { known[id.(string)] = true; return true })
	least := spent.Load()
	crashed := t.TempDir()
	w.must(os.CopyFS(crashed, os.DirFS(w.dir)))
	most := spent.Load() + 4
	cancel()
	load.Wait()
	w.public.Close()
	w.admin.Close()
	w.must(w.store.Close())
	w.dir = crashed
	w.start()
	cursor := ""
	for {
		page := w.asAdmin("GET", "/v1/owner/audit?event_type=DECISION_CREATED&limit=500&cursor="+cursor, nil).want(200)
		for _, e := range page.items("items") {
			delete(known, e.(M)["decision"].(M)["decision_id"].(string))
		}
		if cursor = page.str("next_cursor"); cursor == "" {
			break
		}
	}
	if len(known) > 0 {
		t.Errorf("%d answered decisions are not in the log", len(known))
	}
	for _, b := range w.asAdmin("GET", "/v1/owner/budgets", nil).want(200).items("items") {
		if got := int64(b.(M)["spent"].(float64)); got < least || got > most {
			t.Errorf("spent is %d, want %d to %d", got, least, most)
		}
	}
	a.ask(withToken(purchase(250), token)).want(400, "APPROVAL_TOKEN_CONSUMED")
}

// 21. A store that cannot write, or a corrupt file: a clear error, no ALLOW, nothing overwritten.
func TestPromise21_NoStoreNoYes(t *testing.T) {
	w := newWorld(t)
	w.policy(allowAll).want(200)
	a := w.join("stranded")
	a.ask(pay(1)).want(200)
	w.must(w.store.Close())
	got := a.ask(pay(2))
	if got.status != 503 || got.code() != "UNAVAILABLE" || got.get("result") != nil || got.header.Get("Retry-After") == "" {
		t.Errorf("without a store: %d %s", got.status, got.raw)
	}
	for _, leak := range []string{w.dir, "closed", ".go:"} {
		if strings.Contains(string(got.raw), leak) {
			t.Errorf("the answer tells the cause: %s", got.raw)
		}
	}
	log := filepath.Join(w.dir, "audit.log.jsonl")
	text, err := os.ReadFile(log)
	w.must(err)
	broken := strings.Replace(string(text), "\n{", "\nXX{", 1)
	w.must(os.WriteFile(log, []byte(broken), 0o600))
	if st, err := file.Open(t.Context(), w.dir, file.Options{Clock: w.clock.Now, Log: slog.New(slog.DiscardHandler)}); err == nil {
		_ = st.Close()
	}
	after, err := os.ReadFile(log)
	w.must(err)
	if !strings.HasPrefix(string(after), broken) {
		t.Error("opening changed a corrupt log")
	}
}

// 23. A webhook target cannot reach loopback, link-local or private addresses, also not by redirect
// or by what a name resolves to.
func TestPromise23_WebhooksStayOutside(t *testing.T) {
	var reached atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inside.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	w := newWorld(t)
	w.policy(spendingPolicy).want(200)
	_, public := newKeyPair(t)
	for _, target := range []string{inside.URL, "http://[::1]:" + port, "http://169.254.169.254/latest", "http://10.0.0.1/", "http://192.168.1.1/", "http://[fe80::1]/",
		"http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port, "http://100.64.0.1/", "http://[fd00::1]/", "http://[64:ff9b::7f00:1]/",
		"file:///etc/passwd", "gopher://x/", "http://user:pass@example.com/", "//x", "http://"} {
		invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{}).want(200)
		w.do("POST", "/v1/agents/register-with-invite", M{"invite_id": invite.str("invite_id"), "invite_token": invite.str("invite_token"),
			"agent_id": "ssrf", "agent_pubkey_b64": public, "webhook_url": target}).want(400, "INVALID_WEBHOOK")
	}
	// Names are let in and judged by the address that they resolve to, at each connection.
	for i, name := range []string{"localhost", "2130706433", "0x7f.1", "127.1"} {
		w.denyOne(w.joinWithHook("named"+string(rune('a'+i)), "http://"+name+":"+port+"/"))
	}
	w.deliver()
	waitFor(t, "all were tried", func() bool {
		tried := 0
		for _, d := range w.asAdmin("GET", "/v1/owner/deliveries", nil).want(200).items("items") {
			if d.(M)["attempts"].(float64) > 0 {
				tried++
			}
		}
		return tried == 4
	})
	if n := reached.Load(); n != 0 {
		t.Errorf("%d calls reached a loopback address", n)
	}
}

// 24. Unauthenticated requests cannot fill memory, disk or the log.
func TestPromise24_StrangersFillNothing(t *testing.T) {
	w := newWorld(t, func(w *world) { w.web.Limits = server.Limits{Reads: 5, Writes: 1, Hashes: 0.1} })
	size := func() (n int64) {
		w.must(filepath.WalkDir(w.dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				info, err := d.Info()
				w.must(err)
				n += info.Size()
			}
			return err
		}))
		return n
	}
	before := size()
	var memory, later runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	_, public := newKeyPair(t)
	accepted := 0
	for i := range 400 {
		name := sprintf("stranger-%d", i)
		if w.do("POST", "/v1/agents/registration-challenge", M{"agent_id": name, "agent_pubkey_b64": public}).status == 200 {
			accepted++
		}
		w.do("POST", "/v1/verify-proof", M{"token": name})
		w.do("POST", "/v1/owner/login", M{"user_principal_id": name, "passphrase": "x"})
		w.do("GET", "/v1/health", nil)
		w.do("POST", "/v1/authorize", nil, with("X-Agent-Id", name), with("X-Timestamp", w.clock.Now().Format(time.RFC3339)),
			with("X-Nonce", name), with("X-Body-Sha256", name), with("X-Signature", "AAAA")).want(401)
		w.do("GET", "/v1/owner/profile", nil, as(name)).want(401)
	}
	w.do("POST", "/v1/authorize", nil, text(strings.Repeat("x", 64<<10+1))).want(413, "BODY_TOO_LARGE")
	w.do("POST", "/v1/owner/policies", nil, text(strings.Repeat("x", 1<<20+1))).want(413, "BODY_TOO_LARGE")
	if accepted > 20 {
		t.Errorf("%d challenges were made", accepted)
	}
	if grown := size() - before; grown > 64<<10 {
		t.Errorf("the data folder grew by %d bytes", grown)
	}
	runtime.GC()
	runtime.ReadMemStats(&later)
	if grown := int64(later.HeapInuse) - int64(memory.HeapInuse); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// 25. Budgets hold under any interleaving of requests, restarts and clock steps.
func TestPromise25_BudgetsHold(t *testing.T) {
	w := newWorld(t)
	w.policy(budgetPolicy).want(200)
	a := w.join("spender")
	var allowed atomic.Int64
	flood := func() {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for range 4 {
					if got := a.ask(pay(70)).want(200); got.str("result") == "ALLOW" {
						allowed.Add(70)
					}
				}
			})
		}
		all.Wait()
	}
	flood()
	if allowed.Load() != 980 {
		t.Errorf("%d of 1000 were spent, want 980", allowed.Load())
	}
	w.restart()
	flood()
	w.clock.Step(-time.Minute)
	flood()
	if allowed.Load() != 980 {
		t.Errorf("after a restart and a step back, %d of 1000 were spent", allowed.Load())
	}
	// Deleting and restoring the budget forgives nothing, nor does the same request again.
	w.asAdmin("DELETE", "/v1/owner/policies/pol_budget", nil).want(200)
	w.policy(budgetPolicy).want(200)
	if got := a.ask(pay(70)).want(200).str("result"); got != "DENY" {
		t.Errorf("after the budget was restored: %s", got)
	}
	for range 3 {
		action := pay(20)
		action["action_id"] = "once"
		if got := a.ask(action).want(200).str("result"); got != "ALLOW" {
			t.Errorf("the last 20: %s", got)
		}
	}
	changed := pay(1)
	changed["action_id"] = "once"
	a.ask(changed).want(409, "ACTION_ID_REUSED")
	if got := a.ask(pay(1)).want(200).str("result"); got != "DENY" {
		t.Errorf("one more: %s", got)
	}
	for name, body := range map[string]string{"no amount": `{}`, "another currency": `{"amount_minor":1,"currency":"EUR"}`, "negative": `{"amount_minor":-100,"currency":"USD"}`} {
		if got := a.do("POST", "/v1/authorize", nil, text(`{"action_type":"pay","payload":`+body+`}`)); got.str("result") == "ALLOW" {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
}

// 22. An entry of the log that was changed, dropped, added or reordered is found offline; so is a
// truncated tail, up to the last checkpoint held elsewhere.
func TestPromise22_TheLogCannotBeRewritten(t *testing.T) {
	w := newWorld(t)
	ring, err := leash.LoadKeyRing(t.Context(), w.store)
	w.must(err)
	key, _ := ring.Active(proof.PurposeLog)
	w.store.SetSigner(store.KeySigner{ID: key.KID, Private: key.Private})
	w.policy(allowAll).want(200)
	a := w.join("logged")
	for i := range 5 {
		a.ask(pay(i)).want(200)
	}
	w.must(w.store.Close()) // signs a checkpoint
	log := filepath.Join(w.dir, "audit.log.jsonl")
	text, err := os.ReadFile(log)
	w.must(err)
	notes, err := filepath.Glob(filepath.Join(w.dir, "checkpoints", "*"))
	w.must(err)
	note, err := os.ReadFile(notes[len(notes)-1])
	w.must(err)
	elsewhere := file.VerifyOptions{Checkpoint: note, PublicKeys: map[string]ed25519.PublicKey{key.KID: key.Public}}
	if report, err := file.Verify(t.Context(), w.dir, elsewhere); err != nil || report.Entries < 5 {
		t.Fatalf("the untouched log: %+v, %v", report, err)
	}
	w.must(os.RemoveAll(filepath.Join(w.dir, "checkpoints"))) // as one would who rewrites the log
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	at := len(lines) / 2
	edit := func(change func([]string) []string) string {
		return strings.Join(change(slices.Clone(lines)), "")
	}
	for name, tampered := range map[string]string{
		"changed":   edit(func(l []string) []string { l[at] = strings.Replace(l[at], "logged", "lagged", 1); return l }),
		"dropped":   edit(func(l []string) []string { return slices.Delete(l, at, at+1) }),
		"added":     edit(func(l []string) []string { return slices.Insert(l, at, l[at]) }),
		"reordered": edit(func(l []string) []string { l[at], l[at+1] = l[at+1], l[at]; return l }),
		"truncated": edit(func(l []string) []string { return l[:at] }),
	} {
		if tampered == string(text) {
			t.Fatalf("%s: nothing was changed", name)
		}
		w.must(os.WriteFile(log, []byte(tampered), 0o600))
		if _, err := file.Verify(t.Context(), w.dir, elsewhere); err == nil {
			t.Errorf("%s: it was not found", name)
		}
	}
}

func TestPromise24_PortalFormsOfStrangersAreLimited(t *testing.T) {
	reached := 0
	w := newWorld(t, func(w *world) {
		w.web.Limits.Hashes = 0.1 // two at once
		w.web.Gui = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })
	})
	for _, form := range []string{"/gui/login", "/gui/setup", "/gui/welcome", "/gui/admin/login"} {
		w.clock.Step(time.Hour)
		reached = 0
		for range 20 {
			w.do("POST", form, nil, unchecked)
		}
		if reached != 2 {
			t.Errorf("%s: %d of 20 tries of one address came through, want 2", form, reached)
		}
		w.do("POST", form, nil, unchecked).want(429, "RATE_LIMITED")
		w.do("GET", form, nil, unchecked).want(200)
	}
}
