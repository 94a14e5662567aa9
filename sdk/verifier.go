package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// Expect is what a counterparty knows about the action that a proof is shown for. Empty fields are
// not compared: set ActionHash, or at least Audience, lest a proof for one thing pays for another.
type Expect struct {
	ActionHash  string // hex, see proof.ActionHash
	AgentID     string
	Audience    string // the counterparty's own domain
	AmountMinor *int64
	Currency    string
	Leeway      time.Duration // by how much the server's clock may be ahead of this one

	// Replays remembers the proofs that Verify accepts; nil is a cache that the whole process shares.
	Replays *proof.ReplayCache
	// AllowReplay accepts a proof again, and remembers nothing: for a look at a proof, or before RedeemProof.
	AllowReplay bool
	// OnceOnline accepts a proof offline although its rule says that it must be redeemed. Redeem it before you act.
	OnceOnline bool
}

// How long a Verifier relies on the keys that it fetched.
const (
	keysFresh = 5 * time.Minute  // then it asks for them again
	keysStale = time.Hour        // and until then it goes on if it gets no answer
	keysRetry = 10 * time.Second // the least between two requests
)

// Verifier checks proof tokens offline, with keys that it fetches and keeps. It is safe for
// concurrent use.
type Verifier struct {
	transport
	fixed bool

	fetching sync.Mutex // held by the one request for keys that is under way

	mu      sync.Mutex
	keys    proof.KeySource
	fetched time.Time // when keys came
	asked   time.Time // when they were last asked for
}

// NewVerifier returns a verifier for the proofs of one server. It connects when it first verifies.
func NewVerifier(serverURL string) (*Verifier, error) {
	return NewVerifierConfig(Config{URL: serverURL})
}

// NewVerifierConfig is NewVerifier with a choice of time-outs, HTTP client and clock.
func NewVerifierConfig(c Config) (*Verifier, error) {
	t, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	return &Verifier{transport: t}, nil
}

// NewOfflineVerifier returns a verifier that knows only the given keys and never connects. Keys that
// are revoked later, it does not hear of.
func NewOfflineVerifier(keys proof.PublicKeys) *Verifier {
	return &Verifier{transport: transport{now: systemClock()}, fixed: true, keys: keys.Source()}
}

// Verify checks a proof token offline, once, and returns what it says. A token that is not valid is a *proof.VerifyError,
// and one that was accepted before too (proof.AlreadyRedeemed); an *Error means that there are no keys to check it with,
// and then it must not be accepted either.
func (v *Verifier) Verify(ctx context.Context, token string, e Expect) (proof.Claims, error) {
	keys, err := v.source(ctx, keysFresh)
	if err != nil {
		return proof.Claims{}, err
	}
	claims, err := proof.Verify(token, keys, e.proof(v.now()))
	var invalid *proof.VerifyError
	if v.fixed || !errors.As(err, &invalid) || invalid.Reason != proof.KeyUnknown {
		return claims, err
	}
	// The server may have rotated its keys since.
	if keys, err = v.source(ctx, keysRetry); err != nil {
		return proof.Claims{}, err
	}
	return proof.Verify(token, keys, e.proof(v.now()))
}

func (e Expect) proof(now time.Time) proof.Expect {
	return proof.Expect{Purpose: proof.PurposeProof, Now: now, ActionHash: e.ActionHash, AgentID: e.AgentID,
		Audience: e.Audience, AmountMinor: e.AmountMinor, Currency: e.Currency, Leeway: e.Leeway,
		Online: e.OnceOnline, Replays: e.Replays, AllowReplay: e.AllowReplay}
}

// source returns keys that are not older than fresh, if they can be had. While one caller asks for
// new keys, the others go on with the old ones.
func (v *Verifier) source(ctx context.Context, fresh time.Duration) (proof.KeySource, error) {
	if keys := v.kept(fresh); keys != nil {
		return keys, nil
	}
	v.fetching.Lock()
	defer v.fetching.Unlock()
	if keys := v.kept(fresh); keys != nil {
		return keys, nil
	}
	now := v.now()
	v.mu.Lock()
	v.asked = now
	v.mu.Unlock()
	keys, err := v.fetch(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err == nil:
		v.keys, v.fetched = keys.Source(), now
	case v.keys == nil || now.Sub(v.fetched) >= keysStale:
		return nil, err
	}
	return v.keys, nil
}

// kept returns the keys that are here, or nil if it is time to ask for them.
func (v *Verifier) kept(fresh time.Duration) proof.KeySource {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	age := now.Sub(v.fetched)
	if v.fixed || v.keys != nil && (age < fresh || now.Sub(v.asked) < keysRetry && age < keysStale) {
		return v.keys
	}
	return nil
}

func (v *Verifier) fetch(ctx context.Context) (proof.PublicKeys, error) {
	var body json.RawMessage
	if err := v.do(ctx, call{method: "GET", path: "/v1/public-keys", again: true}, &body); err != nil {
		return nil, err
	}
	keys, err := proof.ParsePublicKeys(body)
	if err != nil {
		return nil, &Error{Kind: ErrResponse, Message: "the server's public keys cannot be read; check the URL", Err: err}
	}
	return keys, nil
}

// VerifyOnline lets the server check a proof token. The server knows more, such as that the agent was revoked since, but it
// accepts the token as often as it is shown; see RedeemProof.
func (v *Verifier) VerifyOnline(ctx context.Context, token string, e Expect) (proof.Claims, error) {
	body, err := json.Marshal(struct {
		Token      string `json:"token"`
		ActionHash string `json:"expected_action_hash,omitempty"`
		AgentID    string `json:"expected_agent_id,omitempty"`
		Audience   string `json:"expected_audience,omitempty"`
	}{token, e.ActionHash, e.AgentID, e.Audience})
	if err != nil {
		return proof.Claims{}, err
	}
	var answer struct {
		Valid  bool          `json:"valid"`
		Reason proof.Reason  `json:"reason"`
		Claims *proof.Claims `json:"claims"`
	}
	if v.fixed {
		return proof.Claims{}, noServer()
	}
	if err := v.do(ctx, call{method: "POST", path: "/v1/verify-proof", body: body, again: true}, &answer); err != nil {
		return proof.Claims{}, err
	}
	c := answer.Claims
	switch {
	case !answer.Valid:
		return proof.Claims{}, &proof.VerifyError{Reason: answer.Reason, Message: "the server says " + string(answer.Reason)}
	case c == nil || c.Purpose != proof.PurposeProof || c.Decision != Allow:
		return proof.Claims{}, &Error{Kind: ErrResponse, Message: "the server's answer says nothing about a proof"}
	case e.AmountMinor != nil && (c.AmountMinor == nil || *c.AmountMinor != *e.AmountMinor):
		return proof.Claims{}, &proof.VerifyError{Reason: proof.AmountMismatch, Message: "it is for another amount"}
	case e.Currency != "" && c.Currency != e.Currency:
		return proof.Claims{}, &proof.VerifyError{Reason: proof.CurrencyMismatch, Message: "it is for another currency"}
	}
	return *c, nil
}

func noServer() error {
	return &Error{Kind: ErrRequest, Message: "an offline verifier has no server to ask"}
}
