package proof_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// The vectors that the clients in every language agree on.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../sdk/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Canonical []struct{ Name, Input, Canonical, Hash, Error string }
		Actions   []struct{ Name, Body, Hash, Input, Error, Path string }
		Requests  []struct {
			Name, Method, Path, Timestamp, Nonce, Body, Signature string
			PrivateKey                                            string `json:"private_key_b64"`
			PublicKey                                             string `json:"public_key_b64"`
			BodySHA256                                            string `json:"body_sha256"`
		}
		Keys   json.RawMessage `json:"public_keys"`
		Tokens []struct {
			Name, Token string
			Valid       bool
			Reason      proof.Reason
			Expect      struct {
				Purpose       proof.Purpose
				Now           time.Time
				Audience      string
				Currency      string
				ActionHash    string `json:"action_hash"`
				AgentID       string `json:"agent_id"`
				AmountMinor   *int64 `json:"amount_minor"`
				LeewaySeconds int    `json:"leeway_seconds"`
				OnceOnline    bool   `json:"once_online"`
			}
		}
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Canonical) == 0 || len(v.Actions) == 0 || len(v.Requests) == 0 || len(v.Tokens) == 0 {
		t.Fatal("a kind of vectors is missing")
	}
	for _, c := range v.Canonical {
		out, err := proof.Canonical([]byte(c.Input))
		sum := sha256.Sum256(out)
		if c.Error == "" && (err != nil || string(out) != c.Canonical || hex.EncodeToString(sum[:]) != c.Hash) || codeOf(err) != c.Error {
			t.Errorf("canonical, %s: %s, %v", c.Name, out, err)
		}
	}
	for _, c := range v.Actions {
		action, err := proof.ParseAction([]byte(c.Body))
		if c.Error == "" && (err != nil || action.Hash != c.Hash || string(action.Input) != c.Input) || codeOf(err) != c.Error {
			t.Errorf("action, %s: %+v, %v", c.Name, action, err)
		}
	}
	for _, c := range v.Requests {
		private, err := proof.ParsePrivateKeyB64(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		public, err := proof.ParsePublicKeyB64(c.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		at, err := proof.ParseTime(c.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		h := proof.SignRequest(private, "agent", c.Method, c.Path, at, c.Nonce, []byte(c.Body))
		if h.Signature != c.Signature || h.BodySHA256 != c.BodySHA256 || h.Timestamp != c.Timestamp {
			t.Errorf("request, %s: %+v", c.Name, h)
		}
		if err := proof.VerifyRequest(public, c.Method, c.Path, "", h); err != nil {
			t.Errorf("request, %s: %v", c.Name, err)
		}
	}
	keys, err := proof.ParsePublicKeys(v.Keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Tokens {
		e := c.Expect
		_, err := proof.Verify(c.Token, keys.Source(), proof.Expect{Purpose: e.Purpose, Now: e.Now, ActionHash: e.ActionHash,
			AgentID: e.AgentID, Audience: e.Audience, AmountMinor: e.AmountMinor, Currency: e.Currency,
			Leeway: time.Duration(e.LeewaySeconds) * time.Second,
			Online: e.OnceOnline, AllowReplay: true})
		var invalid *proof.VerifyError
		switch {
		case c.Valid && err != nil:
			t.Errorf("token, %s: %v", c.Name, err)
		case !c.Valid && (!errors.As(err, &invalid) || invalid.Reason != c.Reason):
			t.Errorf("token, %s: %v, want %s", c.Name, err, c.Reason)
		}
	}
}

func codeOf(err error) string {
	var e *proof.ActionError
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return ""
}
