package proof

import (
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"aidanwoods.dev/go-paseto"
)

// KeySource finds the public key that has a kid, and says whether it is revoked.
type KeySource func(kid string) (key ed25519.PublicKey, revoked, ok bool)

// Expect is what the holder of a token must show. Purpose and Now are required; of the others, those
// that are set are compared.
type Expect struct {
	Purpose     Purpose
	Now         time.Time
	ActionHash  string
	AgentID     string
	Audience    string // the relying party's own domain
	AmountMinor *int64
	Currency    string
	// Leeway is by how much the issuer's clock may be ahead: a token is valid that long before its
	// nbf. It never prolongs a token.
	Leeway time.Duration
	// Online says that the proof is being redeemed or checked online, so that UseOnceOnline is no reason to refuse it.
	Online bool
	// Replays remembers the proof if all else is right, and refuses one that it has seen. Nil is a cache that the whole
	// process shares. Tokens of other purposes are not remembered.
	Replays *ReplayCache
	// AllowReplay accepts a proof that was seen before, and remembers nothing. It is for those who only look at a proof,
	// and for those who redeem it online.
	AllowReplay bool
}

// Reason says why a token is not valid. The reasons are stable.
type Reason string

// Why a token is not valid, in the order in which Verify looks.
const (
	Malformed        Reason = "MALFORMED" // no v4.public token of ours, or one that lacks a claim
	KeyUnknown       Reason = "UNKNOWN_KEY"
	KeyRevoked       Reason = "REVOKED_KEY"
	BadSignature     Reason = "BAD_SIGNATURE"
	WrongPurpose     Reason = "WRONG_PURPOSE"
	NotYetValid      Reason = "NOT_YET_VALID"
	Expired          Reason = "EXPIRED"
	ActionMismatch   Reason = "ACTION_MISMATCH"
	AgentMismatch    Reason = "AGENT_MISMATCH"
	AudienceMismatch Reason = "AUDIENCE_MISMATCH"
	AmountMismatch   Reason = "AMOUNT_MISMATCH"
	CurrencyMismatch Reason = "CURRENCY_MISMATCH"
	OnlineOnly       Reason = "ONLINE_ONLY"       // a proof that must be redeemed was checked offline
	AlreadyRedeemed  Reason = "ALREADY_REDEEMED"  // it was accepted before, here or by the server
	ReplayCacheFull  Reason = "REPLAY_CACHE_FULL" // it cannot be remembered, so it is not accepted
)

// VerifyError says why a token is not valid.
type VerifyError struct {
	Reason  Reason
	Message string // for people
}

func (e *VerifyError) Error() string { return "the token is not valid: " + e.Message }

func refuse(reason Reason, format string, args ...any) (Claims, error) {
	return Claims{}, &VerifyError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Verify checks a token and returns what it says. Any error is a *VerifyError, and then the claims
// are empty. A proof is accepted once: see Expect.Replays. It takes about as long as one Ed25519 verification.
func Verify(token string, keys KeySource, e Expect) (Claims, error) {
	kid, err := footerKID(token)
	if err != nil {
		return refuse(Malformed, "%v", err)
	}
	public, revoked, ok := keys(kid)
	switch {
	case !ok:
		return refuse(KeyUnknown, "no key %q is known", kid)
	case revoked:
		return refuse(KeyRevoked, "key %q is revoked", kid)
	}
	key, err := paseto.NewV4AsymmetricPublicKeyFromEd25519(public)
	if err != nil {
		return refuse(KeyUnknown, "key %q is no Ed25519 key", kid)
	}
	parsed, err := paseto.MakeParser(nil).ParseV4Public(key, token, nil)
	switch {
	case errors.Is(err, paseto.TokenError{}):
		return refuse(BadSignature, "it was not signed by key %q", kid)
	case err != nil:
		return refuse(Malformed, "what it says is no JSON object")
	}
	var c Claims
	if err := json.Unmarshal(parsed.ClaimsJSON(), &c); err != nil {
		return refuse(Malformed, "a claim has the wrong type")
	}
	if err := c.check(kid, e); err != nil {
		return Claims{}, err
	}
	if c.Purpose == PurposeProof && !e.AllowReplay {
		if err := cmp.Or(e.Replays, &processReplays).record(&c, e.Now); err != nil {
			return Claims{}, err
		}
	}
	return c, nil
}

// check compares claims whose signature holds with what is expected of them.
func (c *Claims) check(kid string, e Expect) error {
	var reason Reason
	var message string
	switch {
	case c.Issuer != Issuer || c.KID != kid:
		reason, message = Malformed, "iss or kid is wrong"
	case c.Purpose == "" || c.Purpose != e.Purpose:
		reason, message = WrongPurpose, fmt.Sprintf("its purpose is %q, not %q", c.Purpose, e.Purpose)
	case c.IssuedAt.IsZero() || c.NotBefore.IsZero() || c.ExpiresAt.IsZero():
		reason, message = Malformed, "iat, nbf or exp is missing"
	case c.Purpose == PurposeProof && c.Decision != "ALLOW":
		reason, message = Malformed, "a proof must say ALLOW"
	case c.Purpose == PurposeProof && c.ID == "":
		reason, message = Malformed, "a proof must have a jti"
	case e.Now.Before(c.NotBefore.Add(-max(e.Leeway, 0))):
		reason, message = NotYetValid, "it is valid from "+FormatTime(c.NotBefore)
	case !e.Now.Before(c.ExpiresAt):
		reason, message = Expired, "it expired at "+FormatTime(c.ExpiresAt)
	case e.ActionHash != "" && c.ActionHash != e.ActionHash:
		reason, message = ActionMismatch, "it is for another action"
	case e.AgentID != "" && c.AgentID != e.AgentID:
		reason, message = AgentMismatch, fmt.Sprintf("it is for agent %q", c.AgentID)
	case e.Audience != "" && c.Audience == "":
		reason, message = AudienceMismatch, "it names no audience"
	case e.Audience != "" && c.Audience != e.Audience:
		reason, message = AudienceMismatch, fmt.Sprintf("it is for audience %q", c.Audience)
	case e.AmountMinor != nil && (c.AmountMinor == nil || *c.AmountMinor != *e.AmountMinor):
		reason, message = AmountMismatch, "it is for another amount"
	case e.Currency != "" && c.Currency != e.Currency:
		reason, message = CurrencyMismatch, fmt.Sprintf("it is for currency %q", c.Currency)
	case c.Use != "" && !(e.Online && c.Use == UseOnceOnline):
		reason, message = OnlineOnly, "it must be redeemed online: POST /v1/redeem-proof"
	default:
		return nil
	}
	return &VerifyError{Reason: reason, Message: message}
}

// footerKID checks the outer form of a token and returns the kid of its footer, which is not yet
// known to be signed.
func footerKID(token string) (string, error) {
	if len(token) > MaxToken {
		return "", fmt.Errorf("it is longer than %d bytes", MaxToken)
	}
	text, err := paseto.MakeParser(nil).UnsafeParseFooter(paseto.V4Public, token)
	if err != nil {
		return "", fmt.Errorf("it is no v4.public token")
	}
	var f footerClaims
	if err := json.Unmarshal(text, &f); err != nil || f.KID == "" {
		return "", fmt.Errorf("its footer names no kid")
	}
	return f.KID, nil
}

type footerClaims struct {
	KID string `json:"kid"`
}
