package proof_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/openleash/openleash-go/proof"
)

func TestVerifyRequest(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const path, query = "/v1/agent/approval-requests/apr_1", "wait=30s"
	plain := proof.SignRequest(private, "a", "GET", path, epoch, "n-1", nil)
	queried := proof.SignRequest(private, "a", "GET", path+"?"+query, epoch, "n-1", nil)
	change := func(edit func(h *proof.SignedHeaders)) proof.SignedHeaders {
		h := plain
		edit(&h)
		return h
	}
	for _, c := range []struct {
		name                string
		key                 ed25519.PublicKey
		method, path, query string
		headers             proof.SignedHeaders
		ok                  bool
	}{
		{"path without query", public, "GET", path, query, plain, true},
		{"path with query", public, "GET", path, query, queried, true},
		{"no query at all", public, "GET", path, "", plain, true},
		{"another query than signed", public, "GET", path, "wait=60s", queried, false},
		{"a query that is gone", public, "GET", path, "", queried, false},
		{"another method", public, "POST", path, query, plain, false},
		{"another path", public, "GET", path + "0", query, plain, false},
		{"another key", stranger, "GET", path, query, plain, false},
		{"no key", nil, "GET", path, query, plain, false},
		{"another time", public, "GET", path, query, change(func(h *proof.SignedHeaders) { h.Timestamp = "2026-04-10T12:00:00.001Z" }), false},
		{"another nonce", public, "GET", path, query, change(func(h *proof.SignedHeaders) { h.Nonce = "n-2" }), false},
		{"another body", public, "GET", path, query, change(func(h *proof.SignedHeaders) { h.BodySHA256 = proof.BodySHA256([]byte("{}")) }), false},
		{"lines moved between fields", public, "GET", path + "\n" + plain.Timestamp, "",
			change(func(h *proof.SignedHeaders) { h.Timestamp, h.Nonce = h.Nonce, h.BodySHA256; h.BodySHA256 = "" }), false},
		{"no signature", public, "GET", path, query, change(func(h *proof.SignedHeaders) { h.Signature = "" }), false},
		{"a signature in base64url", public, "GET", path, query, change(func(h *proof.SignedHeaders) {
			raw, _ := base64.StdEncoding.DecodeString(h.Signature)
			h.Signature = base64.RawURLEncoding.EncodeToString(raw)
		}), false},
	} {
		err := proof.VerifyRequest(c.key, c.method, c.path, c.query, c.headers)
		if c.ok && err != nil || !c.ok && !errors.Is(err, proof.ErrSignature) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
