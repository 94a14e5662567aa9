package proof

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// Purpose says what a key of the server signs. No key signs for two purposes. Each token carries the
// purpose of its key.
type Purpose string

// The purposes.
const (
	PurposeProof    Purpose = "proof"        // tokens for a counterparty: this action was allowed
	PurposeApproval Purpose = "approval"     // tokens for an agent: the owner approved, ask again
	PurposeSession  Purpose = "user_session" // tokens for an owner who logged in
	PurposeLog      Purpose = "log"          // checkpoints of the log; there are no such tokens
)

// KeyPurposes are all the purposes; an installation needs a key for each. It is not to be changed.
var KeyPurposes = []Purpose{PurposeProof, PurposeApproval, PurposeSession, PurposeLog}

// MaxToken bounds the length of a token in bytes.
const MaxToken = 8 << 10

// Claims are what a token says. Which ones it carries depends on its purpose; the others are empty
// and left out. Times have a resolution of one millisecond.
type Claims struct {
	Issuer    string    `json:"iss"` // "openleash"
	Purpose   Purpose   `json:"purpose"`
	KID       string    `json:"kid"` // of the key that signed; the footer repeats it
	IssuedAt  time.Time `json:"iat"`
	NotBefore time.Time `json:"nbf"` // the token is valid from here
	ExpiresAt time.Time `json:"exp"` // and no longer valid here
	ID        string    `json:"jti,omitempty"`

	OwnerType  string `json:"owner_type,omitempty"`
	OwnerID    string `json:"owner_id,omitempty"`
	AgentID    string `json:"agent_id,omitempty"`
	ActionType string `json:"action_type,omitempty"`
	ActionHash string `json:"action_hash,omitempty"`

	// Of a proof.
	DecisionID     string  `json:"decision_id,omitempty"`
	Decision       string  `json:"decision,omitempty"` // "ALLOW"
	ActionID       string  `json:"action_id,omitempty"`
	MatchedRuleID  *string `json:"matched_rule_id,omitempty"` // null in a proof that no rule allowed
	PolicyRevision string  `json:"policy_revision,omitempty"`
	Audience       string  `json:"aud,omitempty"` // the relying party's domain
	AmountMinor    *int64  `json:"amount_minor,omitempty"`
	Currency       string  `json:"currency,omitempty"`
	TrustProfile   string  `json:"trust_profile,omitempty"`
	// Use is UseOnceOnline in a proof that is valid only when it is redeemed online.
	Use string `json:"use,omitempty"`

	// Of an approval.
	ApprovalRequestID string `json:"approval_request_id,omitempty"`

	// Of a session.
	Subject   string `json:"sub,omitempty"` // usr_…
	SessionID string `json:"sid,omitempty"` // ses_…
}

// UseOnceOnline marks a proof that its counterparty must redeem: POST /v1/redeem-proof.
const UseOnceOnline = "once-online"

// Issuer is who all tokens say that they are from.
const Issuer = "openleash"

// MarshalJSON writes times with milliseconds, and matched_rule_id into every proof.
func (c Claims) MarshalJSON() ([]byte, error) { return json.Marshal(c.wire()) }

type plainClaims Claims

type wireClaims struct {
	plainClaims
	IssuedAt      string `json:"iat"`
	NotBefore     string `json:"nbf"`
	ExpiresAt     string `json:"exp"`
	MatchedRuleID any    `json:"matched_rule_id,omitempty"`
}

func (c Claims) wire() wireClaims {
	w := wireClaims{plainClaims(c), FormatTime(c.IssuedAt), FormatTime(c.NotBefore), FormatTime(c.ExpiresAt), nil}
	if c.MatchedRuleID != nil || c.Purpose == PurposeProof {
		w.MatchedRuleID = c.MatchedRuleID
	}
	return w
}

// Mint signs claims with the ring's active key for the purpose. It sets iss, purpose and kid; nbf is
// iat if it is zero. Times are cut to milliseconds. It refuses claims that Verify would refuse at
// every time, and a proof that says anything but ALLOW.
func (r *KeyRing) Mint(purpose Purpose, c Claims) (string, error) {
	key, ok := r.keys[r.active[purpose]]
	switch {
	case !ok, purpose == PurposeLog:
		return "", fmt.Errorf("minting a %s token: no active key", purpose)
	case c.IssuedAt.IsZero() || !c.ExpiresAt.After(c.IssuedAt):
		return "", fmt.Errorf("minting a %s token: it must expire after it is issued", purpose)
	case purpose == PurposeProof && c.Decision != "ALLOW":
		return "", fmt.Errorf("minting a proof: the decision is %q, not ALLOW", c.Decision)
	case purpose == PurposeProof && c.ID == "":
		return "", fmt.Errorf("minting a proof: it has no jti")
	}
	c.Issuer, c.Purpose, c.KID = Issuer, purpose, key.KID
	if c.NotBefore.IsZero() {
		c.NotBefore = c.IssuedAt
	}
	payload, err := json.Marshal(c.wire())
	if err != nil {
		return "", fmt.Errorf("minting a %s token: %w", purpose, err)
	}
	return signToken(key.Private, payload, key.footer), nil
}

const tokenHeader = "v4.public."

// signToken makes a PASETO v4.public token of a payload that is known to be JSON. (go-paseto would
// decode it into a map and encode that again, which takes as long as signing; Verify does use it.)
func signToken(key ed25519.PrivateKey, payload, footer []byte) string {
	message := binary.LittleEndian.AppendUint64(make([]byte, 0, len(payload)+len(footer)+128), 4)
	at := 0
	for i, part := range [...][]byte{[]byte(tokenHeader), payload, footer, nil} { // nil: no implicit assertion
		message = binary.LittleEndian.AppendUint64(message, uint64(len(part)))
		if i == 1 {
			at = len(message)
		}
		message = append(message, part...)
	}
	signed := append(message[at:at+len(payload)], ed25519.Sign(key, message)...) // over the footer
	encoding := base64.RawURLEncoding
	token := make([]byte, 0, len(tokenHeader)+encoding.EncodedLen(len(signed))+1+encoding.EncodedLen(len(footer)))
	token = encoding.AppendEncode(append(token, tokenHeader...), signed)
	return string(encoding.AppendEncode(append(token, '.'), footer))
}
