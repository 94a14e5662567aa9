package server_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/openleash/openleash-go/proof"
)

// The walk-through of the product: invite, policy, 45 / 250 / 600, approval, verification.
func TestWalkThrough(t *testing.T) {
	w := newWorld(t)
	a := w.join("shopper")
	a.ask(purchase(45)).want(403, "NO_POLICY")
	w.policy(spendingPolicy).want(200)

	small := a.ask(purchase(45)).want(200)
	if small.str("result") != "ALLOW" || !strings.HasPrefix(small.str("proof_token"), "v4.public.") {
		t.Fatalf("45: %s", small.raw)
	}
	if large := a.ask(purchase(600)).want(200); large.str("result") != "DENY" || large.get("proof_token") != nil {
		t.Fatalf("600: %s", large.raw)
	}

	action := purchase(250)
	action["action_id"] = "order-250"
	token, requestID := w.approved(a, action)
	polled := a.do("GET", "/v1/agent/approval-requests/"+requestID, nil).want(200)
	if polled.str("status") != "APPROVED" || polled.str("approval_token") != token {
		t.Fatalf("the agent sees %s", polled.raw)
	}
	redeemed := a.ask(withToken(action, token)).want(200)
	if redeemed.str("result") != "ALLOW" {
		t.Fatalf("redeemed: %s", redeemed.raw)
	}

	keys, err := proof.ParsePublicKeys(w.do("GET", "/v1/public-keys", nil).want(200).raw)
	w.must(err)
	claims, err := proof.Verify(redeemed.str("proof_token"), keys.Source(), proof.Expect{Purpose: proof.PurposeProof, Now: w.clock.Now(), AgentID: "shopper"})
	w.must(err)
	if claims.ActionID != "order-250" || claims.OwnerID != w.owner {
		t.Errorf("the proof says %+v", claims)
	}
	online := w.do("POST", "/v1/verify-proof", M{"token": redeemed.str("proof_token"), "expected_agent_id": "shopper"}).want(200)
	if online.get("valid") != true || online.str("claims", "decision_id") != redeemed.str("decision_id") {
		t.Errorf("verify-proof says %s", online.raw)
	}
	log := w.asAdmin("GET", "/v1/admin/audit?event_type=DECISION_CREATED", nil).want(200)
	if n := len(log.items("items")); n != 5 {
		t.Errorf("the log has %d decisions, want 5", n)
	}
}

// Every documented route is registered, and every registered one is documented.
func TestDocumentAndServerAgree(t *testing.T) {
	w := newWorld(t)
	var documented []string
	for path, item := range w.spec.paths {
		for method := range item {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(documented)
	if registered := w.srv.RegisteredRoutes(); !slices.Equal(registered, documented) {
		t.Errorf("registered:\n%s\ndocumented:\n%s", strings.Join(registered, "\n"), strings.Join(documented, "\n"))
	}
	ids := map[string]bool{}
	for path, item := range w.spec.paths {
		for _, op := range item {
			id := op.(map[string]any)["operationId"].(string)
			if ids[id] {
				t.Errorf("%s: the operationId %s stands twice", path, id)
			}
			ids[id] = true
		}
	}
}

// Every route is called with success at least once, and its answer is as documented.
func TestEveryRouteAnswersAsDocumented(t *testing.T) {
	w := newWorld(t)
	for _, visit := range []func(*world){visitPublic, visitAgent, visitOwner, visitAdmin} {
		visit(w)
	}
	for path, item := range w.spec.paths {
		for method := range item {
			if call := strings.ToUpper(method) + " " + path; !w.spec.answered[call] && !strings.HasSuffix(call, "/events/stream") {
				t.Errorf("%s was never answered with 200", call)
			}
		}
	}
	t.Logf("%d routes", len(slices.Collect(maps.Keys(w.spec.answered))))
}

func visitPublic(w *world) {
	for _, path := range []string{"/v1/health", "/livez", "/readyz", "/v1/public-keys", "/v1/agents/policy-schema", "/reference",
		"/reference/style.css", "/reference/openapi.json", "/v1/agents/register-with-invite?invite_id=inv_1&invite_token=t"} {
		w.do("GET", path, nil).want(200)
	}
	w.do("POST", "/v1/verify-proof", M{"token": "rubbish"}).want(200)
	w.do("GET", "/v1/agents/register-with-invite?invite=1", nil).want(400, "INVALID_REQUEST")
	waiting := w.registerByChallenge("waiting")
	waiting.do("GET", "/v1/agent/self", nil).want(401, "AGENT_INACTIVE")
	w.asAdmin("PUT", "/v1/owner/agents/"+waiting.principal, M{"status": "ACTIVE", "groups": []string{"new"}}).want(200)
	waiting.do("GET", "/v1/agent/self", nil).want(200)
}

// registerByChallenge registers an agent without an invite; it waits for its owner.
func (w *world) registerByChallenge(id string) *agent {
	w.t.Helper()
	key, public := newKeyPair(w.t)
	ch := w.do("POST", "/v1/agents/registration-challenge", M{"agent_id": id, "agent_pubkey_b64": public, "owner_principal_id": w.owner}).want(200)
	reg := w.do("POST", "/v1/agents/register", M{"challenge_id": ch.str("challenge_id"), "agent_id": id, "agent_pubkey_b64": public,
		"signature_b64": signChallenge(w.t, key, ch.str("challenge_b64")), "owner_id": w.owner, "owner_type": "HUMAN"}).want(200)
	if reg.str("status") != "PENDING" {
		w.t.Fatalf("registered: %s", reg.raw)
	}
	return &agent{w, id, reg.str("agent_principal_id"), key}
}

const budgetPolicy = `id: pol_budget
rules:
  - {action: pay, effect: allow}
budgets:
  - {id: daily, limit: 1000, currency: USD, window: day, actions: [pay]}
`

// trustingPolicy is budgetPolicy of an owner who lets the agent lower its charges.
var trustingPolicy = strings.Replace(budgetPolicy, "actions: [pay]", "actions: [pay], settle_by: [owner, agent]", 1)

func pay(minor int) M {
	return M{"action_type": "pay", "payload": M{"amount_minor": minor, "currency": "USD"}}
}

func visitAgent(w *world) {
	a := w.join("visitor")
	w.policy(spendingPolicy).want(200)
	w.policy(trustingPolicy).want(200)
	w.approved(a, purchase(300))
	for _, kind := range []string{"commit", "release"} {
		paid := a.ask(pay(10)).want(200)
		body := M{}
		if kind == "commit" {
			body["amount_minor"] = 5
		}
		a.do("POST", "/v1/agent/decisions/"+paid.str("decision_id")+"/"+kind, body).want(200)
		if kind == "commit" {
			a.do("POST", "/v1/agent/decisions/"+paid.str("decision_id")+"/refund", M{"amount_minor": 1}).want(200)
		}
	}
	for _, kind := range []string{"commit", "release"} {
		body := M{}
		if kind == "commit" {
			body["amount_minor"] = 5
		}
		paid := "/v1/owner/decisions/" + a.ask(pay(10)).want(200).str("decision_id")
		w.asAdmin("POST", paid+"/"+kind, body).want(200)
		if kind == "commit" {
			w.asAdmin("POST", paid+"/refund", M{"amount_minor": 1}).want(200)
		}
	}
	forShop := pay(10)
	forShop["relying_party"] = M{"domain": "shop.example"}
	redemption := M{"token": a.ask(forShop).want(200).str("proof_token"), "audience": "shop.example"}
	for _, valid := range []bool{true, false} {
		if r := w.do("POST", "/v1/redeem-proof", redemption).want(200); r.M["valid"] != valid {
			w.t.Errorf("redeemed: %s", r.raw)
		}
	}
	asked := a.ask(purchase(222)).want(200)
	approval := a.do("POST", "/v1/agent/approval-requests", M{"decision_id": asked.str("decision_id"), "action": purchase(222), "justification": "needed"}).want(200)
	a.do("GET", "/v1/agent/approval-requests/"+approval.str("approval_request_id")+"?wait=1ms", nil).want(200)
	draft := a.do("POST", "/v1/agent/policy-drafts", M{"policy_yaml": "rules: [{action: read, effect: allow}]\n", "name": "Reading"}).want(200)
	a.do("POST", "/v1/agent/policy-drafts", M{"policy_yaml": "rules: [{action: write, effect: allow}]\n"}).want(200)
	a.do("GET", "/v1/agent/policy-drafts?status=PENDING", nil).want(200)
	a.do("GET", "/v1/agent/policy-drafts/"+draft.str("policy_draft_id"), nil).want(200)
	evaluation := M{"subject": M{"type": "agent", "id": "visitor"}, "action": M{"name": "purchase.order"}, "resource": M{"type": "shop", "id": "1"},
		"context": M{"amount": 45, "currency": "USD"}}
	a.do("POST", "/access/v1/evaluation", evaluation).want(200)
	a.do("POST", "/access/v1/evaluations", evaluation).want(200)
}

func visitOwner(w *world) {
	w.asAdmin("PUT", "/v1/owner/policies/order", M{"policy_ids": []string{"pol_budget", "pol_spending_limit"}}).want(200)
	w.asAdmin("POST", "/v1/owner/policies/validate", M{"policy_yaml": spendingPolicy}).want(200)
	w.asAdmin("POST", "/v1/owner/policies/validate", M{"policy_yaml": "rules: 1\n"}).want(200)
	w.asAdmin("POST", "/v1/owner/policies/compare", M{"policy_id": "pol_spending_limit", "policy_yaml": strings.ReplaceAll(spendingPolicy, "value: 100", "value: 10")}).want(200)
	w.asAdmin("GET", "/v1/owner/policies/pol_budget", nil).want(200)
	w.asAdmin("GET", "/v1/owner/policies/pol_budget/rego", nil).want(200)
	w.asAdmin("PUT", "/v1/owner/policies/pol_budget", M{"policy_yaml": budgetPolicy}).want(200)
	for _, path := range []string{"policies", "agents?status=ACTIVE&limit=1", "agents/visitor", "agent-invites", "approval-requests?status=PENDING", "policy-drafts", "audit?limit=2", "budgets",
		"deliveries", "profile", "sessions"} {
		w.asAdmin("GET", "/v1/owner/"+path, nil).want(200)
	}
	for _, path := range []string{"agents?status=GONE", "approval-requests?status=ACTIVE", "policy-drafts?status=pending", "audit?result=MAYBE"} {
		w.asAdmin("GET", "/v1/owner/"+path, nil).want(400, "INVALID_REQUEST")
	}
	invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{"groups": []string{"shoppers"}}).want(200)
	w.asAdmin("DELETE", "/v1/owner/agent-invites/"+invite.str("invite_id"), nil).want(200)

	decision := w.asAdmin("GET", "/v1/owner/audit?event_type=DECISION_CREATED&limit=1", nil).want(200).items("items")[0].(M)["decision"].(M)["decision_id"].(string)
	w.asAdmin("GET", "/v1/owner/decisions/"+decision, nil).want(200)
	w.asAdmin("GET", "/v1/owner/waiting", nil).want(200)

	pending := w.asAdmin("GET", "/v1/owner/approval-requests?status=PENDING", nil).want(200).items("items")
	id := pending[0].(M)["approval_request_id"].(string)
	w.asAdmin("GET", "/v1/owner/approval-requests/"+id, nil).want(200)
	w.asAdmin("POST", "/v1/owner/approval-requests/"+id+"/deny", M{"reason": "no"}).want(200)

	drafts := w.asAdmin("GET", "/v1/owner/policy-drafts?status=PENDING", nil).want(200).items("items")
	for i, verb := range []string{"approve", "deny"} {
		id := drafts[i].(M)["policy_draft_id"].(string)
		w.asAdmin("GET", "/v1/owner/policy-drafts/"+id, nil).want(200)
		w.asAdmin("POST", "/v1/owner/policy-drafts/"+id+"/"+verb, M{}).want(200)
	}
	w.asAdmin("POST", "/v1/playground/run", M{"policy_yaml": spendingPolicy, "action": purchase(45)}).want(200)
	w.asAdmin("DELETE", "/v1/owner/policies/pol_budget", nil).want(200)
	visitAccount(w)
}

func visitAccount(w *world) {
	token := w.login()
	w.do("PUT", "/v1/owner/profile", M{"display_name": "Ada L."}, as(token)).want(200)
	secret := w.do("POST", "/v1/owner/totp/setup", M{}, as(token)).want(200).str("secret")
	w.do("POST", "/v1/owner/totp/confirm", M{"totp_code": w.code(secret)}, as(token)).want(200)
	w.clock.Step(time.Minute)
	w.do("POST", "/v1/owner/totp/disable", M{"totp_code": w.code(secret)}, as(token)).want(200)
	fresh := w.do("POST", "/v1/owner/session/refresh", nil, as(token)).want(200).str("token")
	w.clock.Step(time.Second) // sessions are listed by age
	other := w.login()
	sessions := w.do("GET", "/v1/owner/sessions", nil, as(fresh)).want(200).items("items")
	w.do("DELETE", "/v1/owner/sessions/"+sessions[len(sessions)-1].(M)["session_id"].(string), nil, as(fresh)).want(200)
	w.do("GET", "/v1/owner/profile", nil, as(other)).want(401, "UNAUTHENTICATED")
	w.do("POST", "/v1/owner/logout", nil, as(fresh)).want(200)
}

// code is the authenticator's code of now.
func (w *world) code(secret string) string {
	w.t.Helper()
	code, err := totp.GenerateCode(secret, w.clock.Now())
	w.must(err)
	return code
}

func visitAdmin(w *world) {
	owner := w.asAdmin("POST", "/v1/admin/owners", M{"display_name": "Grace", "owner_type": "ORG"}).want(200).str("user_principal_id")
	invite := w.asAdmin("POST", "/v1/admin/owners/"+owner+"/setup-invite", nil).want(200)
	w.do("POST", "/v1/owner/setup", M{"invite_id": invite.str("invite_id"), "invite_token": invite.str("invite_token"), "passphrase": passphrase}).want(200)
	for _, path := range []string{"owners", "agents", "policies", "audit", "deliveries", "config", "health", "keys"} {
		w.asAdmin("GET", "/v1/admin/"+path, nil).want(200)
		w.do("GET", "/v1/admin/"+path, nil, as(adminToken)).want(200)
		w.do("GET", "/v1/admin/"+path, nil).want(401, "UNAUTHENTICATED")
	}
	w.asAdmin("GET", "/v1/admin/agents?limit=1", nil, with("X-Owner-Id", w.owner)).want(200)
	first := w.asAdmin("GET", "/v1/admin/agents?limit=1", nil).want(200)
	rest := w.asAdmin("GET", "/v1/admin/agents?cursor="+first.str("next_cursor"), nil).want(200)
	if n := len(first.items("items")) + len(rest.items("items")); first.M["total"] != float64(n) || n < 2 {
		w.t.Errorf("%d agents in two pages of %v", n, first.M["total"])
	}
	w.asAdmin("POST", "/v1/admin/policies/reload", nil).want(200)
	w.asAdmin("GET", "/v1/admin/audit?event_type=DECISION_CREATED,FROB", nil, unchecked).want(400, "INVALID_REQUEST")
	entry := w.asAdmin("GET", "/v1/admin/audit?event_type=DECISION_CREATED&limit=1", nil).items("items")[0].(M)
	w.asAdmin("POST", "/v1/admin/audit/redact", M{"id": entry["event_id"], "paths": []string{"$.payload.currency"}}).want(200)
	kid := w.asAdmin("POST", "/v1/admin/keys/rotate", M{"purpose": "proof"}).want(200).str("kid")
	w.asAdmin("POST", "/v1/admin/keys/"+kid+"/revoke", nil).want(200)
	w.asAdmin("GET", "/metrics", nil).want(200)
	w.asAdmin("DELETE", "/v1/admin/owners/"+owner, nil).want(200)
}

func TestErrorsAreWellFormed(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "/nowhere", "", 404, "NOT_FOUND"},
		{"DELETE", "/v1/health", "", 405, "METHOD_NOT_ALLOWED"},
		{"BREW", "/v1/health", "", 405, "METHOD_NOT_ALLOWED"},
		{"POST", "/v1/verify-proof", `{"token":"x","tokens":"y"}`, 400, "INVALID_REQUEST"},
		{"POST", "/v1/verify-proof", `{`, 400, "INVALID_REQUEST"},
		{"POST", "/v1/verify-proof", strings.Repeat(" ", 64<<10+1), 413, "BODY_TOO_LARGE"},
		{"GET", "/v1/health?x=1", "", 400, "INVALID_REQUEST"},
		{"POST", "/v1/authorize", `{}`, 401, "MISSING_HEADERS"},
	} {
		a := w.do(tt.method, tt.path, nil, text(tt.body), unchecked).want(tt.status, tt.code)
		if a.header.Get("X-Request-Id") == "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: headers %v", tt.method, tt.path, a.header)
		}
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1/health", "/reference", "/nowhere", "/v1/owner/profile"} {
		a := w.do("GET", path, nil, unchecked)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		csp := a.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: the policy is %q", path, csp)
		}
	}
	if got := w.do("GET", "/v1/health", nil, with("X-Request-Id", "abc-1")).header.Get("X-Request-Id"); got != "abc-1" {
		t.Errorf("a fit request id became %q", got)
	}
	if got := w.do("GET", "/v1/health", nil, with("X-Request-Id", "a b")).header.Get("X-Request-Id"); got == "a b" {
		t.Error("an unfit request id was kept")
	}
}

func TestReferenceIsSelfContained(t *testing.T) {
	w := newWorld(t)
	page := string(w.do("GET", "/reference", nil).want(200).raw)
	for _, bad := range []string{"<script", "style=", "onclick", "http://", "https://", "//cdn"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %s", bad)
		}
	}
	for path := range w.spec.paths {
		if !strings.Contains(page, path) {
			t.Errorf("the page does not name %s", path)
		}
	}
}

func TestAdminActsForTheNamedOwner(t *testing.T) {
	w := newWorld(t)
	second := w.asAdmin("POST", "/v1/admin/owners", M{"display_name": "Grace"}).want(200).str("user_principal_id")
	w.asAdmin("GET", "/v1/owner/profile", nil).want(400, "AMBIGUOUS_OWNER") // which one?
	for _, id := range []string{w.owner, second} {
		if got := w.asAdmin("GET", "/v1/owner/profile", nil, with("X-Owner-Id", id)).want(200).str("user_principal_id"); got != id {
			t.Errorf("got %s, want %s", got, id)
		}
	}
	w.asAdmin("GET", "/v1/owner/agents", nil, with("X-Owner-Id", "usr_nobody")).want(404, "NOT_FOUND")
	// An owner is not the admin, and cannot become another owner by the header.
	session := w.login()
	w.do("GET", "/v1/admin/owners", nil, as(session)).want(401)
	if got := w.do("GET", "/v1/owner/profile", nil, as(session), with("X-Owner-Id", second)).want(200).str("user_principal_id"); got != w.owner {
		t.Errorf("the session of %s acted for %s", w.owner, got)
	}
}

func TestAdminOverTCPNeedsAToken(t *testing.T) {
	w := newWorld(t, func(w *world) { w.web.AdminToken = "" })
	for _, parts := range [][]part{nil, {as("")}, {as(adminToken)}} {
		w.do("GET", "/v1/admin/owners", nil, parts...).want(404, "NOT_FOUND")
		w.do("GET", "/v1/owner/profile", nil, parts...).want(401)
	}
}

func TestUnknownRequestsAreCountedUnderOneName(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/a", "/b", "/v1/owner/agents/x", "/v1/owner/agents/y"} {
		w.do("GET", path, nil, unchecked)
	}
	w.do("BREW", "/", nil, unchecked)
	text := string(w.asAdmin("GET", "/metrics", nil).want(200).raw)
	for _, want := range []string{`method="GET",route="none",status="404"} 2`, `method="GET",route="/v1/owner/agents/:id",status="401"} 2`, `method="other",route="none"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestMetricsCountDecisions(t *testing.T) {
	w := newWorld(t)
	a := w.join("counted")
	w.policy(budgetPolicy).want(200)
	a.ask(pay(900)).want(200)
	a.ask(pay(900)).want(200)
	w.clock.Step(time.Minute) // past what the survey remembers
	text := string(w.asAdmin("GET", "/metrics", nil).want(200).raw)
	for _, want := range []string{`openleash_decisions_total{policy="pol_budget",result="ALLOW"} 1`, `openleash_decisions_total{policy="pol_budget",result="DENY"} 1`,
		`openleash_budgets{state="near"} 1`, `openleash_queue_length{queue="approvals"} 0`, "openleash_decision_duration_seconds_count 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestRateLimitOfStrangers(t *testing.T) {
	w := newWorld(t, func(w *world) { w.web.Limits.Reads = 1 })
	refused := 0
	for range 30 {
		a := w.do("POST", "/v1/verify-proof", M{"token": "x"})
		if a.status == http.StatusTooManyRequests {
			refused++
			if a.code() != "RATE_LIMITED" || a.header.Get("Retry-After") != "1" {
				t.Fatalf("%s, Retry-After %q", a.raw, a.header.Get("Retry-After"))
			}
		}
	}
	if refused != 11 { // the document was the first request
		t.Errorf("%d of 30 were refused, want 11", refused)
	}
	w.do("GET", "/livez", nil).want(200) // probes are not limited
}
