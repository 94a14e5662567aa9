package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/proof"
)

// Whatever comes over the network is answered, and never with a fault of ours.
func FuzzRequest(f *testing.F) {
	w := newWorld(f)
	key, _ := newKeyPair(f)
	for _, seed := range []struct{ method, path, query, body, header string }{
		{"POST", "/v1/verify-proof", "", `{"token":"v4.public.AAAA"}`, ""},
		{"POST", "/v1/agents/register-with-invite", "invite_id=x", `{"agent_id":"a","agent_pubkey_b64":"b"}`, ""},
		{"POST", "/v1/owner/login", "", `{"user_principal_id":"x","passphrase":""}`, ""},
		{"GET", "/v1/owner/agents/%2e%2e", "limit=1", ``, "Bearer v4.public.x"},
		{"POST", "/v1/authorize", "", `{"action_type":"x"}`, "2026-04-10T12:00:00Z"},
		{"GET", "/v1/owner/events/stream", "after=1", "", "openleash_session=x"},
		{"POST", "/access/v1/evaluations", "", `{"evaluations":[{}]}`, ""},
		{"PUT", "/reference", "", `{`, ""},
	} {
		f.Add(seed.method, seed.path, seed.query, seed.body, seed.header)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body, header string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(method, " \r\n\t") || method == "" {
			t.Skip("no HTTP request")
		}
		u := &url.URL{Path: path, RawQuery: query}
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Authorization", header)
		r.Header.Set("Cookie", header)
		r.Header.Set("X-Request-Id", header)
		r.Header.Set("Last-Event-ID", header)
		h := proof.SignRequest(key, header, method, u.EscapedPath(), w.clock.Now(), header, []byte(body))
		r.Header.Set(proof.HeaderAgentID, h.AgentID)
		r.Header.Set(proof.HeaderTimestamp, h.Timestamp)
		r.Header.Set(proof.HeaderNonce, h.Nonce)
		r.Header.Set(proof.HeaderBodySHA256, h.BodySHA256)
		r.Header.Set(proof.HeaderSignature, h.Signature)
		got := httptest.NewRecorder()
		w.srv.Public().ServeHTTP(got, r)
		if got.Code >= 500 {
			t.Fatalf("%s %s?%s %q: %d %s", method, path, query, body, got.Code, got.Body)
		}
		if got.Code == 200 && (strings.HasPrefix(path, "/v1/owner/") && path != "/v1/owner/login" || strings.HasPrefix(path, "/v1/admin/")) {
			t.Fatalf("%s %s was answered to a stranger: %s", method, path, got.Body)
		}
	})
}
