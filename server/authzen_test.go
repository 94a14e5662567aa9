package server_test

import "testing"

func evaluation(amount int) M {
	return M{"subject": M{"type": "agent", "id": "zen"}, "action": M{"name": "purchase.order", "properties": M{"currency": "USD"}},
		"resource": M{"type": "shop", "id": "42", "properties": M{"colour": "red"}}, "context": M{"amount": amount}}
}

func TestAuthZEN(t *testing.T) {
	w := newWorld(t)
	a := w.join("zen")
	w.policy(spendingPolicy).want(200)
	allowed := a.do("POST", "/access/v1/evaluation", evaluation(45)).want(200)
	if allowed.get("decision") != true || allowed.str("context", "openleash", "proof_token") == "" {
		t.Errorf("45: %s", allowed.raw)
	}
	for _, amount := range []int{250, 600} {
		if got := a.do("POST", "/access/v1/evaluation", evaluation(amount)).want(200); got.get("decision") != false {
			t.Errorf("%d: %s", amount, got.raw)
		}
	}
	logged := w.asAdmin("GET", "/v1/owner/audit?event_type=DECISION_CREATED&result=ALLOW", nil).want(200).items("items")[0].(M)["action"].(M)
	payload := logged["payload"].(M)
	if payload["amount"] != 45.0 || payload["currency"] != "USD" || payload["resource"].(M)["colour"] != "red" || logged["resource"].(M)["resource_id"] != "42" {
		t.Errorf("the action is %v", logged)
	}
}

func TestAuthZENRefusesWhatItCannotMap(t *testing.T) {
	w := newWorld(t)
	a := w.join("zen")
	w.policy(spendingPolicy).want(200)
	for name, spoil := range map[string]func(M){
		"another agent":        func(e M) { e["subject"] = M{"type": "agent", "id": "other"} },
		"another owner":        func(e M) { e["subject"] = M{"type": "user", "id": "usr_other"} },
		"a subject it vouches": func(e M) { e["subject"] = M{"type": "agent", "id": "zen", "properties": M{"role": "admin"}} },
		"another kind":         func(e M) { e["subject"] = M{"type": "robot", "id": "zen"} },
		"amount twice":         func(e M) { e["action"] = M{"name": "purchase.order", "properties": M{"amount": 1}} },
		"resource twice":       func(e M) { e["context"] = M{"resource": 1} },
		"unknown extension":    func(e M) { e["context"] = M{"amount": 1, "openleash": M{"x": 1}} },
		"no resource":          func(e M) { delete(e, "resource") },
		"unknown key":          func(e M) { e["subjects"] = 1 },
	} {
		e := evaluation(45)
		spoil(e)
		if got := a.do("POST", "/access/v1/evaluation", e); got.status != 400 && got.status != 403 {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	w.do("POST", "/access/v1/evaluation", evaluation(45)).want(401, "MISSING_HEADERS")
}

func TestAuthZENEvaluations(t *testing.T) {
	w := newWorld(t)
	a := w.join("zen")
	w.policy(spendingPolicy).want(200)
	ask := func(semantic string, amounts ...int) (decisions []any) {
		t.Helper()
		all := evaluation(1)
		delete(all, "context")
		var each []M
		for _, amount := range amounts {
			each = append(each, M{"context": M{"amount": amount}})
		}
		all["evaluations"], all["options"] = each, M{"evaluations_semantic": semantic}
		for _, e := range a.do("POST", "/access/v1/evaluations", all).want(200).items("evaluations") {
			decisions = append(decisions, e.(M)["decision"])
		}
		return decisions
	}
	for semantic, want := range map[string]string{"execute_all": "[true false true]", "deny_on_first_deny": "[true false]", "permit_on_first_permit": "[true]"} {
		if got := sprintf("%v", ask(semantic, 45, 600, 46)); got != want {
			t.Errorf("%s: got %s, want %s", semantic, got, want)
		}
	}
	tooMany := evaluation(1)
	tooMany["evaluations"] = make([]M, 33)
	a.do("POST", "/access/v1/evaluations", tooMany).want(400, "INVALID_REQUEST")
}
