package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func keysBody(t *testing.T, keys proof.PublicKeys) string {
	t.Helper()
	body, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestVerifierKeepsItsKeys(t *testing.T) {
	set := vectorKeys(t)
	token := sign(t, set.proof, "", proofClaims(claims{"exp": "2026-04-11T12:00:00.000Z"}))
	f, _ := newFake(t, answer{body: keysBody(t, set.published(t))}, answer{status: 503, body: "x"})
	at := &clock{at: epoch}
	v, err := sdk.NewVerifierConfig(sdk.Config{URL: f.URL, Clock: at.now, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	verify := func() error {
		_, err := v.Verify(t.Context(), token, sdk.Expect{ActionHash: vectorHash, Audience: "shop.example", AllowReplay: true})
		return err
	}
	for _, step := range []struct {
		after    time.Duration
		requests int
		fails    bool
	}{
		{0, 1, false},
		{4 * time.Minute, 1, false},
		{2 * time.Minute, 2, false},  // asked again; the server is away
		{time.Second, 2, false},      // not at once again
		{10 * time.Second, 3, false}, // but soon
		{54 * time.Minute, 4, true},  // and keys of an hour ago are worth nothing
	} {
		at.forward(step.after)
		if err := verify(); (err != nil) != step.fails || len(f.requests()) != step.requests {
			t.Errorf("%s later: %v after %d requests, want %+v", step.after, err, len(f.requests()), step)
		}
	}
	var down *sdk.Error
	if err := verify(); !errors.As(err, &down) || !errors.Is(err, sdk.ErrServer) {
		t.Errorf("without keys: %v", err)
	}
}

func TestVerifierLearnsNewKeys(t *testing.T) {
	set := vectorKeys(t)
	old := keysBody(t, set.published(t))
	ring, err := proof.NewKeyRing([]proof.Key{set.proof, set.stranger}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := newFake(t, answer{body: old}, answer{body: keysBody(t, ring.PublicKeys())})
	at := &clock{at: epoch}
	v, err := sdk.NewVerifierConfig(sdk.Config{URL: f.URL, Clock: at.now})
	if err != nil {
		t.Fatal(err)
	}
	token := sign(t, set.stranger, "", proofClaims(claims{"kid": "key_stranger"}))
	var invalid *proof.VerifyError
	for range 5 { // a flood of unknown keys is no flood of requests
		if _, err := v.Verify(t.Context(), token, sdk.Expect{}); !errors.As(err, &invalid) || invalid.Reason != proof.KeyUnknown {
			t.Fatalf("%v", err)
		}
	}
	if n := len(f.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
	at.forward(11 * time.Second)
	if c, err := v.Verify(t.Context(), token, sdk.Expect{}); err != nil || c.AgentID != "shopper" {
		t.Errorf("%+v, %v", c, err)
	}
}

// A server that does not answer holds up the one who asks it for new keys, and nobody else.
func TestVerifierGoesOnWhileItAsks(t *testing.T) {
	set := vectorKeys(t)
	token := sign(t, set.proof, "", proofClaims(nil))
	f, _ := newFake(t, answer{body: keysBody(t, set.published(t))}, answer{hang: true})
	at := &clock{at: epoch}
	v, err := sdk.NewVerifierConfig(sdk.Config{URL: f.URL, Clock: at.now, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(ctx context.Context) error {
		_, err := v.Verify(ctx, token, sdk.Expect{AllowReplay: true})
		return err
	}
	if err := verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	at.forward(6 * time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan error)
	go func() { held <- verify(ctx) }()
	for len(f.requests()) < 2 {
		runtime.Gosched()
	}
	var expired *proof.VerifyError
	if err := verify(t.Context()); !errors.As(err, &expired) || expired.Reason != proof.Expired {
		t.Errorf("beside the one that asks: %v", err)
	}
	cancel()
	if err := <-held; !errors.As(err, &expired) {
		t.Errorf("the one that asks: %v", err)
	}
}

func TestOfflineVerifier(t *testing.T) {
	set := vectorKeys(t)
	v := sdk.NewOfflineVerifier(set.published(t))
	var invalid *proof.VerifyError
	_, err := v.Verify(t.Context(), sign(t, set.proof, "", proofClaims(nil)), sdk.Expect{})
	if !errors.As(err, &invalid) || invalid.Reason != proof.Expired {
		t.Errorf("a token of long ago: %v", err)
	}
	if _, err := v.VerifyOnline(t.Context(), "x", sdk.Expect{}); !errors.Is(err, sdk.ErrRequest) {
		t.Error(err)
	}
}

func TestVerifyOnline(t *testing.T) {
	amount := int64(4501)
	valid, err := json.Marshal(map[string]any{"valid": true, "claims": proofClaims(nil)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, body string
		expect     sdk.Expect
		reason     proof.Reason
		kind       error
	}{
		{"valid", string(valid), sdk.Expect{Currency: "USD"}, "", nil},
		{"not valid", `{"valid":false,"reason":"EXPIRED"}`, sdk.Expect{}, proof.Expired, nil},
		{"another amount", string(valid), sdk.Expect{AmountMinor: &amount}, proof.AmountMismatch, nil},
		{"another currency", string(valid), sdk.Expect{Currency: "EUR"}, proof.CurrencyMismatch, nil},
		{"valid without claims", `{"valid":true}`, sdk.Expect{}, "", sdk.ErrResponse},
		{"valid as a string", `{"valid":"true"}`, sdk.Expect{}, "", sdk.ErrResponse},
		{"claims of a session", `{"valid":true,"claims":{"purpose":"user_session"}}`, sdk.Expect{}, "", sdk.ErrResponse},
	} {
		f, _ := newFake(t, answer{body: c.body})
		v, err := sdk.NewVerifier(f.URL)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := v.VerifyOnline(t.Context(), "v4.public.x", c.expect)
		var invalid *proof.VerifyError
		switch {
		case c.kind != nil:
			if !errors.Is(err, c.kind) {
				t.Errorf("%s: %v", c.name, err)
			}
		case c.reason != "":
			if !errors.As(err, &invalid) || invalid.Reason != c.reason {
				t.Errorf("%s: %v", c.name, err)
			}
		case err != nil || claims.AgentID != "shopper":
			t.Errorf("%s: %+v, %v", c.name, claims, err)
		}
	}
}
