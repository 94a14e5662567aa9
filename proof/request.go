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

// VerifyRequest returns ErrSignature unless the Ed25519 signature (RFC 8032) is the key's and covers
// method, path, timestamp, nonce and body hash. Clients sign the path with or without its query; both
// are accepted. The caller checks time, nonce and body hash.
func VerifyRequest(key ed25519.PublicKey, method, path, rawQuery string, h SignedHeaders) error {
	signature, err := base64.StdEncoding.DecodeString(h.Signature)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return ErrSignature
	}
	if ed25519.Verify(key, h.signed(method, path), signature) {
		return nil
	}
	if rawQuery != "" && ed25519.Verify(key, h.signed(method, path+"?"+rawQuery), signature) {
		return nil
	}
	return ErrSignature
}

// signed is the text that the signature covers.
func (h SignedHeaders) signed(method, path string) []byte {
	return []byte(method + "\n" + path + "\n" + h.Timestamp + "\n" + h.Nonce + "\n" + h.BodySHA256)
}
