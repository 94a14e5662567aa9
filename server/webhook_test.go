package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// joinWithHook makes an agent that wants to be told at a URL.
func (w *world) joinWithHook(id, url string) *agent {
	w.t.Helper()
	invite := w.asAdmin("POST", "/v1/owner/agent-invites", M{}).want(200)
	key, public := newKeyPair(w.t)
	w.do("POST", "/v1/agents/register-with-invite", M{"invite_id": invite.str("invite_id"), "invite_token": invite.str("invite_token"),
		"agent_id": id, "agent_pubkey_b64": public, "webhook_url": url, "webhook_secret": "hush-secret", "webhook_auth_token": "hush-token"}).want(200)
	return &agent{w: w, id: id, key: key}
}

// deliver runs the webhook worker for the time of a test.
func (w *world) deliver() {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = w.srv.DeliverWebhooks(ctx) })
	w.t.Cleanup(func() { cancel(); done.Wait() })
}

func (w *world) denyOne(a *agent) {
	w.t.Helper()
	w.asAdmin("POST", "/v1/owner/approval-requests/"+w.pending(a)+"/deny", M{"reason": "too dear"}).want(200)
}

func TestWebhookIsSignedAndRetried(t *testing.T) {
	var tries atomic.Int32
	type called struct {
		header http.Header
		body   []byte
	}
	calls := make(chan called, 10)
	target := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if tries.Add(1) == 1 {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		body, _ := io.ReadAll(r.Body)
		calls <- called{r.Header, body}
	}))
	defer target.Close()
	w := newWorld(t, func(w *world) { w.cfg.AllowPrivateWebhooks = true })
	a := w.joinWithHook("hooked", target.URL+"/hook")
	w.policy(spendingPolicy).want(200)
	w.denyOne(a)
	w.deliver()
	waitFor(t, "the first try failed", func() bool {
		items := w.asAdmin("GET", "/v1/owner/deliveries", nil).want(200).items("items")
		return len(items) == 1 && items[0].(M)["attempts"].(float64) == 1
	})
	w.clock.Step(time.Minute)
	got := <-calls
	mac := hmac.New(sha256.New, []byte("hush-secret"))
	mac.Write(got.body)
	if got.header.Get("X-Webhook-Signature") != hex.EncodeToString(mac.Sum(nil)) || got.header.Get("Authorization") != "Bearer hush-token" {
		t.Errorf("the headers are %v", got.header)
	}
	var event struct {
		EventType string `json:"event_type"`
		Data      M
	}
	if err := json.Unmarshal(got.body, &event); err != nil || event.EventType != "approval_request.denied" || event.Data["reason"] != "too dear" {
		t.Errorf("the body is %s, %v", got.body, err)
	}
	waitFor(t, "the outbox is empty", func() bool {
		return len(w.asAdmin("GET", "/v1/owner/deliveries", nil).want(200).items("items")) == 0
	})
}

func TestWebhookDoesNotFollowRedirects(t *testing.T) {
	var reached atomic.Int32
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inner.Close()
	outer := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusTemporaryRedirect))
	defer outer.Close()
	w := newWorld(t, func(w *world) { w.cfg.AllowPrivateWebhooks = true })
	a := w.joinWithHook("hooked", outer.URL)
	w.policy(spendingPolicy).want(200)
	w.denyOne(a)
	w.deliver()
	waitFor(t, "the try failed", func() bool {
		items := w.asAdmin("GET", "/v1/owner/deliveries", nil).want(200).items("items")
		return len(items) == 1 && items[0].(M)["attempts"].(float64) == 1
	})
	if reached.Load() != 0 {
		t.Error("the redirect was followed")
	}
}
