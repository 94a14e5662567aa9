package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

// The whole server, without network or model: a server on loopback allows in USD only.
func TestServe(t *testing.T) {
	leash := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		action, err := proof.ParseAction(body)
		if err != nil {
			t.Error(err)
			return
		}
		result := "DENY"
		if action.Currency == "USD" {
			result = "ALLOW"
		}
		_, _ = io.WriteString(w, `{"decision_id":"dec_1","reason":"dollars only","action_hash":"`+action.Hash+`","result":"`+result+`"}`)
	}))
	defer leash.Close()
	pair, err := sdk.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	client, err := sdk.New(sdk.Config{URL: leash.URL, AgentID: "a", PrivateKeyB64: pair.PrivateKeyB64()})
	if err != nil {
		t.Fatal(err)
	}
	in := strings.Join([]string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`,
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"place_order","arguments":{"amount":45,"currency":"USD"}}}`,
		`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"place_order","arguments":{"amount":45,"currency":"EUR"}}}`,
		`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"rm"}}`,
		`no JSON`,
	}, "\n")
	var out strings.Builder
	if err := (server{client, []tool{placeOrder()}}).serve(t.Context(), strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{`"protocolVersion":"2025-06-18"`, `"name":"place_order"`, `"text":"ordered for 45 USD"`, `"isError":true`, `-32601`, `-32600`}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("answers %q", lines)
	}
	for i, w := range want {
		if !strings.Contains(lines[i], w) || !json.Valid([]byte(lines[i])) {
			t.Errorf("answer %q lacks %s", lines[i], w)
		}
	}
	if !strings.Contains(lines[3], "dollars only") || strings.Contains(lines[2], "isError") {
		t.Errorf("answers %q", lines)
	}
}
