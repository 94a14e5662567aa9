package server_test

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// 9. Missing, mistyped or extreme input never turns a no into a yes.
func TestPromise09_HostileInput(t *testing.T) {
	w := newWorld(t)
	w.policy(spendingPolicy).want(200)
	w.policy(`id: pol_minor
rules:
  - action: transfer
    effect: deny
    when: {match: {path: $.payload.to, op: eq, value: evil}}
  - action: transfer
    effect: allow
    constraints: {amount_max: 1000, currency: USD}
`).want(200)
	a := w.join("hostile")
	if got := a.do("POST", "/v1/authorize", nil, text(`{"action_type":"purchase.order","payload":{"amount":45}}`)).want(200).str("result"); got != "ALLOW" {
		t.Fatalf("the control got %s", got)
	}
	pay := func(payload string) string { return `{"action_type":"purchase.order","payload":` + payload + `}` }
	transfer := func(payload string) string { return `{"action_type":"transfer","payload":` + payload + `}` }
	for name, body := range map[string]string{
		"string for a number": pay(`{"amount":"45"}`),
		"missing":             pay(`{}`),
		"null":                pay(`{"amount":null}`),
		"bool":                pay(`{"amount":true}`),
		"list":                pay(`{"amount":[45]}`),
		"NaN":                 pay(`{"amount":NaN}`),
		"Infinity":            pay(`{"amount":-Infinity}`),
		"1e400":               pay(`{"amount":1e400}`),
		"-1e400":              pay(`{"amount":-1e400}`),
		"too many digits":     pay(`{"amount":45.00000000000000000001}`),
		"beyond 2^53":         pay(`{"amount":-9007199254740993}`),
		"leading zero":        pay(`{"amount":045}`),
		"hex":                 pay(`{"amount":0x1}`),
		"duplicate key":       pay(`{"amount":45,"amount":600}`),
		"duplicate by escape": pay(`{"amount":45,"\u0061mount":600}`),
		"duplicate action":    `{"action_type":"read","action_type":"purchase.order","payload":{"amount":45}}`,
		"payload and context": `{"action_type":"purchase.order","payload":{"amount":45},"context":{"amount":600}}`,
		"unknown key":         `{"action_type":"purchase.order","payload":{"amount":45},"force":true}`,
		"trailing data":       pay(`{"amount":45}`) + `{"amount":600}`,
		"deep nesting":        deep(200),
		"deeper nesting":      `{"action_type":"purchase.order","payload":` + strings.Repeat("[", 30_000),
		"byte order mark":     "\ufeff" + pay(`{"amount":45}`),
		"bad UTF-8":           pay("{\"amount\":45,\"x\":\"\xff\"}"),
		"lone surrogate":      pay(`{"amount":45,"x":"\ud800"}`),
		"action with space":   `{"action_type":"purchase.order ","payload":{"amount":45}}`,
		"look-alike letter":   `{"action_type":"рurchase.order","payload":{"amount":45}}`,
		"empty part":          `{"action_type":"purchase..order","payload":{"amount":45}}`,
		"pattern":             `{"action_type":"purchase.*","payload":{"amount":45}}`,
		"too long":            `{"action_type":"` + strings.Repeat("a", 129) + `","payload":{"amount":45}}`,
		"list for an object":  `[` + pay(`{"amount":45}`) + `]`,
		"nothing":             ``,
		"negative amount":     transfer(`{"amount_minor":-5,"currency":"USD","to":"x"}`),
		"fraction":            transfer(`{"amount_minor":5.5,"currency":"USD","to":"x"}`),
		"minor as a string":   transfer(`{"amount_minor":"5","currency":"USD","to":"x"}`),
		"currency missing":    transfer(`{"amount_minor":5,"to":"x"}`),
		"unknown for a deny":  transfer(`{"amount_minor":5,"currency":"USD"}`),
		"mistyped for a deny": transfer(`{"amount_minor":5,"currency":"USD","to":["evil"]}`),
	} {
		got := a.do("POST", "/v1/authorize", nil, text(body))
		if got.str("result") == "ALLOW" || got.get("proof_token") != nil || got.status >= 500 {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
}

// 10. A misspelt key, operator, effect or obligation is an error at load, never a weaker rule.
func TestPromise10_MisspeltPolicies(t *testing.T) {
	w := newWorld(t)
	w.policy(spendingPolicy).want(200)
	before := w.asAdmin("GET", "/v1/owner/policies/pol_spending_limit", nil).want(200).str("policy_yaml")
	for name, edit := range map[string][2]string{
		"effect":    {"effect: DENY", "effect: DENNY"},
		"operator":  {"operator: lte", "operator: leq"},
		"rule key":  {"conditions:", "condition:"},
		"file key":  {"rules:", "ruels:"},
		"duplicate": {"name: Spending", "name: twice\nname: Spending"},
		"value key": {"value: 500", "vlaue: 500"},
		"document":  {"rules:", "---\nrules:"},
	} {
		edited := strings.Replace(spendingPolicy, edit[0], edit[1], 1)
		if edited == spendingPolicy {
			t.Fatalf("%s: nothing was changed", name)
		}
		a := w.policy(edited).want(400, "INVALID_POLICY")
		problems, _ := a.get("error", "details", "errors").([]any)
		if len(problems) == 0 || problems[0].(M)["line"] == nil {
			t.Errorf("%s: no position: %s", name, a.raw)
		}
	}
	obligation := "id: pol_o\nrules:\n  - {action: pay, effect: allow, obligations: [{type: HUMAN_APPROVALS}]}\n"
	w.policy(obligation).want(400, "INVALID_POLICY")
	if after := w.asAdmin("GET", "/v1/owner/policies/pol_spending_limit", nil).want(200).str("policy_yaml"); after != before {
		t.Error("a refused policy changed the one in force")
	}
}

// 11. A step-up or a deposit is never satisfied by what the agent says in its payload.
func TestPromise11_PayloadSatisfiesNothing(t *testing.T) {
	w := newWorld(t)
	w.policy(`id: pol_steps
rules:
  - {action: wire, effect: require_step_up}
  - {action: lease, effect: require_deposit}
  - {action: vote, effect: allow, requirements: {min_assurance_level: SUBSTANTIAL}}
`).want(200)
	a := w.join("pretender")
	claims := M{"assurance_level": "HIGH", "step_up": true, "totp_code": "123456", "deposit_reference": "paid", "deposit": M{"status": "PAID"},
		"obligations": []M{{"type": "STEP_UP_AUTH", "status": "SATISFIED"}}, "approved": true}
	for action, want := range map[string]string{"wire": "REQUIRE_STEP_UP", "lease": "REQUIRE_DEPOSIT", "vote": "REQUIRE_STEP_UP"} {
		if got := a.ask(M{"action_type": action, "payload": claims}).want(200).str("result"); got != want {
			t.Errorf("%s: got %s, want %s", action, got, want)
		}
	}
	for name, body := range map[string]M{
		"beside the payload": {"action_type": "wire", "assurance_level": "HIGH"},
		"in the principal":   {"action_type": "wire", "principal": M{"agent_id": "pretender", "assurance_level": "HIGH"}},
	} {
		if got := a.ask(body); got.status != 400 {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	// The owner's approval without the code, or without the reference, is none.
	for action, code := range map[string]string{"wire": "TOTP_REQUIRED", "lease": "DEPOSIT_REFERENCE_REQUIRED"} {
		asked := a.ask(M{"action_type": action}).want(200)
		id := a.do("POST", "/v1/agent/approval-requests", M{"decision_id": asked.str("decision_id"), "action": M{"action_type": action}}).want(200).str("approval_request_id")
		if got := w.asAdmin("POST", "/v1/owner/approval-requests/"+id+"/approve", M{}); got.code() != code {
			t.Errorf("%s was approved with nothing: %d %s", action, got.status, got.raw)
		}
	}
}

// 12. Nothing overrides a guardrail; a draft cannot take effect, or be renamed into effect, without
// its owner.
func TestPromise12_GuardrailsAndDrafts(t *testing.T) {
	w := newWorld(t)
	a := w.join("drafter")
	w.policy("id: pol_rail\nguardrail: true\nrules:\n  - {action: wire, effect: deny}\n").want(200)
	w.policy("id: pol_mine\nrank: 1\napplies_to: {agents: [drafter]}\nrules:\n  - {action: \"*\", effect: allow}\n").want(200)
	if got := a.ask(M{"action_type": "read"}).want(200).str("result"); got != "ALLOW" {
		t.Fatalf("the control got %s", got)
	}
	denied := func(when string) {
		t.Helper()
		if got := a.ask(M{"action_type": "wire"}).want(200).str("result"); got != "DENY" {
			t.Errorf("%s: got %s", when, got)
		}
	}
	denied("a more specific policy")
	takeover := "id: pol_rail\nguardrail: false\nowner: " + w.owner + "\nrules:\n  - {action: \"*\", effect: allow}\n"
	draft := a.do("POST", "/v1/agent/policy-drafts", M{"policy_yaml": takeover}).want(200).str("policy_draft_id")
	denied("a draft")
	// An agent reaches no route of the owner's.
	a.do("POST", "/v1/owner/policy-drafts/"+draft+"/approve", M{}).want(401)
	a.do("PUT", "/v1/owner/policies/pol_rail", M{"policy_yaml": takeover}).want(401)
	approved := w.asAdmin("POST", "/v1/owner/policy-drafts/"+draft+"/approve", M{}).want(200)
	if id := approved.str("policy_id"); id == "pol_rail" || id == "" || approved.str("resulting_policy_id") != id {
		t.Errorf("the draft became %q", id)
	}
	denied("an approved draft of the guardrail's name")
	w.asAdmin("POST", "/v1/owner/policy-drafts/"+draft+"/approve", M{}).want(409, "INVALID_STATUS") // once
}

// 13. An approval is for a stored decision of that agent that asked for it, bound to the exact
// action, used once, and worthless if policy now denies.
func TestPromise13_Approvals(t *testing.T) {
	w := newWorld(t)
	a, other := w.join("asker"), w.join("other")
	w.policy(spendingPolicy).want(200)
	ask := func(by *agent, decision string, action M) answer {
		return by.do("POST", "/v1/agent/approval-requests", M{"decision_id": decision, "action": action})
	}
	allowed, denied, asked := a.ask(purchase(45)).want(200), a.ask(purchase(600)).want(200), a.ask(purchase(250)).want(200)
	ask(a, allowed.str("decision_id"), purchase(45)).want(409, "DECISION_NOT_APPROVABLE")
	ask(a, denied.str("decision_id"), purchase(600)).want(409, "DECISION_NOT_APPROVABLE")
	ask(a, "dec_invented", purchase(250)).want(409, "DECISION_NOT_APPROVABLE")
	ask(a, asked.str("decision_id"), purchase(251)).want(409, "DECISION_NOT_APPROVABLE")
	ask(other, asked.str("decision_id"), purchase(250)).want(409, "DECISION_NOT_APPROVABLE")

	token, id := w.approved(a, purchase(250))
	other.do("GET", "/v1/agent/approval-requests/"+id, nil).want(404, "APPROVAL_REQUEST_NOT_FOUND")
	a.ask(withToken(purchase(251), token)).want(400, "ACTION_HASH_MISMATCH")
	other.ask(withToken(purchase(250), token)).want(400, "AGENT_MISMATCH")
	a.ask(withToken(purchase(250), token+"x")).want(401, "INVALID_APPROVAL_TOKEN")

	// Two at the same instant: one proof.
	var mu sync.Mutex
	var won, lost int
	var race sync.WaitGroup
	for range 8 {
		race.Go(func() {
			got := a.ask(withToken(purchase(250), token))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case got.str("result") == "ALLOW":
				won++
			case got.code() == "APPROVAL_TOKEN_CONSUMED":
				lost++
			}
		})
	}
	race.Wait()
	if won != 1 || lost != 7 {
		t.Errorf("%d were allowed and %d refused, want 1 and 7", won, lost)
	}
	w.restart()
	a.ask(withToken(purchase(250), token)).want(400, "APPROVAL_TOKEN_CONSUMED")

	token, _ = w.approved(a, purchase(260))
	w.policy(strings.Replace(spendingPolicy, "effect: REQUIRE_APPROVAL", "effect: DENY", 1)).want(200)
	if got := a.ask(withToken(purchase(260), token)).want(200).str("result"); got != "DENY" {
		t.Errorf("after policy changed its mind: got %s", got)
	}
	w.policy(spendingPolicy).want(200)
	token, _ = w.approved(a, purchase(270))
	w.clock.Step(2 * time.Hour)
	a.ask(withToken(purchase(270), token)).want(401, "INVALID_APPROVAL_TOKEN") // expired
}

// 14. A regex or a Rego policy cannot stall the server.
func TestPromise14_NoStalling(t *testing.T) {
	w := newWorld(t)
	a := w.join("patient")
	w.policy(`id: pol_regex
applies_to: {agents: [patient]}
rules:
  - action: match
    effect: allow
    when: {match: {path: $.payload.s, op: regex, value: "^(a+)+$"}}
default: passthrough
`).want(200)
	w.policy("id: pol_bad\nrules:\n  - {action: x, effect: allow, when: {match: {path: $.payload.s, op: regex, value: '(?=a)b'}}}\n").want(400, "INVALID_POLICY")
	w.policy("id: pol_bomb\na: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nrules: []\n").want(400, "INVALID_POLICY")
	if got := a.ask(M{"action_type": "match", "payload": M{"s": strings.Repeat("a", 40_000) + "!"}}).want(200).str("result"); got != "DENY" {
		t.Errorf("the regex: got %s", got)
	}
	slow := w.policy(`# METADATA
# custom:
#   rank: 1
package openleash.policy.pol_slow

decision := {"effect": "allow", "rule_id": "slow"} if {
	n := count([1 | some i in input.payload.l; some j in input.payload.l; some k in input.payload.l; i * j * k == -1])
	n == 0
}
`)
	if slow.status != 200 {
		t.Fatalf("the Rego policy: %s", slow.raw)
	}
	got := a.ask(M{"action_type": "other", "payload": M{"l": make([]int, 2000)}}).want(200)
	if got.str("result") != "DENY" || !strings.Contains(got.str("reason"), "policy_error") {
		t.Errorf("the slow policy: got %s", got.raw)
	}
}

// 15. Raw Rego reads nothing outside its input; no other owner's policies.
func TestPromise15_RegoIsClosedIn(t *testing.T) {
	w := newWorld(t)
	for name, expr := range map[string]string{
		"network":     `http.send({"method": "GET", "url": "http://127.0.0.1/"}).status_code == 200`,
		"DNS":         `net.lookup_ip_addr("localhost")`,
		"environment": `opa.runtime().env.HOME`,
		"clock":       `time.now_ns() > 0`,
		"chance":      `rand.intn("x", 2) == 1`,
	} {
		text := "package openleash.policy.pol_raw\n\ndecision := {\"effect\": \"allow\", \"rule_id\": \"r\"} if { " + expr + " }\n"
		if got := w.policy(text); got.code() != "INVALID_POLICY" {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	second := w.asAdmin("POST", "/v1/admin/owners", M{"display_name": "Mallory"}).want(200).str("user_principal_id")
	w.policy("owner: "+w.owner+"\n"+allowAll, with("X-Owner-Id", w.owner)).want(200)
	peek := "# METADATA\n# custom:\n#   owner: " + second + "\npackage openleash.policy.pol_peek\n\n" +
		"decision := {\"effect\": \"allow\", \"rule_id\": \"r\"} if data.openleash.policy.pol_all.decision\n"
	w.policy(peek, with("X-Owner-Id", second))
	a := w.join("peeker", with("X-Owner-Id", second))
	if got := a.ask(M{"action_type": "x"}); got.str("result") == "ALLOW" {
		t.Errorf("a policy saw another owner's: %s", got.raw)
	}
	w.asAdmin("GET", "/v1/owner/policies/pol_all", nil, with("X-Owner-Id", second)).want(404)
}
