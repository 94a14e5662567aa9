package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

// The whole loop, without network or model: a server on loopback allows under 100, denies from 500,
// and has an owner who says no to the rest.
func TestRun(t *testing.T) {
	decide := map[string]string{`{"amount":45}`: "ALLOW", `{"amount":250}`: "REQUIRE_APPROVAL", `{"amount":600}`: "DENY"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/authorize" {
			_, _ = io.WriteString(w, `{"approval_request_id":"apr_1","status":"DENIED","deny_reason":"too much"}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		action, err := proof.ParseAction(body)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(w, `{"decision_id":"dec_1","reason":"because","action_hash":"`+action.Hash+`","result":"`+decide[string(action.Payload)]+`"}`)
	}))
	defer server.Close()
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	client, err := sdk.New(sdk.Config{URL: server.URL, AgentID: "a", PrivateKeyB64: pair.PrivateKeyB64()})
	if err != nil {
		t.Fatal(err)
	}
	var steps []sdk.Action
	for _, amount := range []int{45, 250, 600, 7, 45} {
		steps = append(steps, sdk.Action{Type: "purchase.order", Context: map[string]any{"amount": amount}})
	}
	acted := 0
	told := run(t.Context(), client, steps, func(*sdk.Decision) string { acted++; return "done" })
	if acted != 1 || len(told) != 4 {
		t.Errorf("acted %d times: %q", acted, told)
	}
	for i, says := range []string{"done", "too much", "not allowed: because", "stopped:"} {
		if !strings.Contains(told[i], says) {
			t.Errorf("%q does not say %q", told[i], says)
		}
	}
}
