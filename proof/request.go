package proof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"
)

// The headers of a signed request.
const (
	HeaderAgentID    = "X-Agent-Id"
	HeaderTimestamp  = "X-Timestamp"   // RFC 3339
	HeaderNonce      = "X-Nonce"       // any text that the agent uses once
	HeaderBodySHA256 = "X-Body-Sha256" // hex, of the raw body
	HeaderSignature  = "X-Signature"   // base64 of 64 bytes
)

// SignedHeaders are the values of those headers.
type SignedHeaders struct {
	AgentID, Timestamp, Nonce, BodySHA256, Signature string
}

// ErrSignature means that the signature of a request does not hold.
var ErrSignature = errors.New("the signature does not match the request")

// SignRequest signs a request as an agent does. The path goes without its query.
func SignRequest(key ed25519.PrivateKey, agentID, method, path string, now time.Time, nonce string, body []byte) SignedHeaders {
	h := SignedHeaders{AgentID: agentID, Timestamp: FormatTime(now), Nonce: nonce, BodySHA256: BodySHA256(body)}
	h.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, h.signed(method, path)))
	return h
}

// BodySHA256 is the hex SHA-256 of a raw body.
func BodySHA256(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// VerifyRequest returns ErrSignature unless the signature is the key's; see SignedHeaders.Verify.
func VerifyRequest(public ed25519.PublicKey, method, path, rawQuery string, h SignedHeaders) error {
	key, err := NewVerifier(public)
	if err != nil {
		return ErrSignature
	}
	return h.Verify(key, method, path, rawQuery)
}

// Verify returns ErrSignature unless the signature covers method, path, timestamp, nonce and
// body hash. The path may have been signed with the query or without: both are in use. Time, nonce
// and body hash are for the caller to judge.
func (h SignedHeaders) Verify(key *Verifier, method, path, rawQuery string) error {
	signature, err := base64.StdEncoding.DecodeString(h.Signature)
	if err != nil {
		return ErrSignature
	}
	if key.Verify(h.signed(method, path), signature) {
		return nil
	}
	if rawQuery != "" && key.Verify(h.signed(method, path+"?"+rawQuery), signature) {
		return nil
	}
	return ErrSignature
}

// signed is the text that the signature covers.
func (h SignedHeaders) signed(method, path string) []byte {
	return []byte(method + "\n" + path + "\n" + h.Timestamp + "\n" + h.Nonce + "\n" + h.BodySHA256)
}
