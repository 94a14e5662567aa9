package sdk

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// KeyPair is an agent's Ed25519 key. The private half never leaves the agent.
type KeyPair struct{ Private ed25519.PrivateKey }

// GenerateKeyPair makes a new key.
func GenerateKeyPair() (KeyPair, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return KeyPair{private}, err
}

// ParseKeyPair reads a private key in base64 of DER PKCS#8. Any other kind of key is an ErrKey.
func ParseKeyPair(privateKeyB64 string) (KeyPair, error) {
	private, err := proof.ParsePrivateKeyB64(strings.TrimSpace(privateKeyB64))
	if err != nil {
		return KeyPair{}, &Error{Kind: ErrKey, Err: err,
			Message: "the private key cannot be used; it is OPENLEASH_AGENT_PRIVATE_KEY_B64 in the file that registering wrote"}
	}
	return KeyPair{private}, nil
}

// PublicKeyB64 is the public half in base64 of DER SPKI.
func (k KeyPair) PublicKeyB64() string {
	return proof.EncodePublicKeyB64(k.Private.Public().(ed25519.PublicKey))
}

// PrivateKeyB64 is the private half in base64 of DER PKCS#8.
func (k KeyPair) PrivateKeyB64() string { return proof.EncodePrivateKeyB64(k.Private) }

// Registration is an agent that is bound to its owner.
type Registration struct {
	AgentPrincipalID string    `json:"agent_principal_id"`
	AgentID          string    `json:"agent_id"`
	OwnerType        string    `json:"owner_type"`
	OwnerID          string    `json:"owner_id"`
	Status           string    `json:"status"` // ACTIVE, or PENDING until the owner accepts it
	CreatedAt        time.Time `json:"created_at"`
	URL              string    `json:"openleash_url"`

	KeyPair KeyPair `json:"-"`
}

// Config is what New needs of the registration.
func (r *Registration) Config() Config {
	return Config{URL: r.URL, AgentID: r.AgentID, PrivateKeyB64: r.KeyPair.PrivateKeyB64(), OwnerID: r.OwnerID}
}

// Env is the registration as FromEnv reads it, one NAME=value a line. It holds the private key.
func (r *Registration) Env() string {
	return fmt.Sprintf("OPENLEASH_URL=%s\nOPENLEASH_AGENT_ID=%s\nOPENLEASH_AGENT_PRIVATE_KEY_B64=%s\nOPENLEASH_OWNER_ID=%s\n",
		r.URL, r.AgentID, r.KeyPair.PrivateKeyB64(), r.OwnerID)
}

// RedeemInvite makes the agent one of the owner who made the invite. The invite is good for one
// agent, so the request is sent once.
func RedeemInvite(ctx context.Context, inviteURL, agentID string, key KeyPair) (*Registration, error) {
	invite, err := url.Parse(strings.TrimSpace(inviteURL))
	if err != nil {
		return nil, &Error{Kind: ErrRequest, Message: "the invite is no URL", Err: err}
	}
	query := invite.Query()
	id, token := query.Get("invite_id"), query.Get("invite_token")
	at := strings.Index(invite.Path, "/v1/agents/register-with-invite")
	if id == "" || token == "" || at < 0 {
		return nil, &Error{Kind: ErrRequest, Message: "the URL is no agent invite: it ends in /v1/agents/register-with-invite?invite_id=…&invite_token=…"}
	}
	server := url.URL{Scheme: invite.Scheme, Host: invite.Host, Path: invite.Path[:at]}
	t, err := newTransport(Config{URL: server.String()})
	if err != nil {
		return nil, err
	}
	return t.register(ctx, "/v1/agents/register-with-invite", key, map[string]string{
		"invite_id": id, "invite_token": token, "agent_id": agentID, "agent_pubkey_b64": key.PublicKeyB64(),
	})
}

// Owner names the owner that an agent asks to join.
type Owner struct{ Type, ID string } // HUMAN or ORG, usr_…

// Register asks to join an owner without an invite, by signing a challenge of the server. The agent
// is PENDING until the owner accepts it.
func Register(ctx context.Context, serverURL, agentID string, owner Owner, key KeyPair) (*Registration, error) {
	t, err := newTransport(Config{URL: serverURL})
	if err != nil {
		return nil, err
	}
	request := map[string]string{
		"agent_id": agentID, "agent_pubkey_b64": key.PublicKeyB64(), "owner_type": owner.Type, "owner_id": owner.ID,
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	var challenge struct {
		ID        string `json:"challenge_id"`
		Challenge string `json:"challenge_b64"`
	}
	if err := t.do(ctx, call{method: "POST", path: "/v1/agents/registration-challenge", body: body, again: true}, &challenge); err != nil {
		return nil, err
	}
	message, err := base64.StdEncoding.DecodeString(challenge.Challenge)
	if err != nil || len(message) == 0 {
		return nil, &Error{Kind: ErrResponse, Message: "the server's challenge is not base64", Err: err}
	}
	request["challenge_id"] = challenge.ID
	request["signature_b64"] = base64.StdEncoding.EncodeToString(ed25519.Sign(key.Private, message))
	return t.register(ctx, "/v1/agents/register", key, request)
}

func (t transport) register(ctx context.Context, path string, key KeyPair, request map[string]string) (*Registration, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	r := &Registration{KeyPair: key}
	if err := t.do(ctx, call{method: "POST", path: path, body: body}, r); err != nil {
		return nil, err
	}
	if r.AgentID != request["agent_id"] {
		return nil, &Error{Kind: ErrResponse, Message: "the server registered another agent than was asked"}
	}
	if r.URL == "" {
		r.URL = t.base.String()
	}
	return r, nil
}

// Self is the agent as the server knows it.
type Self struct {
	AgentPrincipalID string `json:"agent_principal_id"`
	AgentID          string `json:"agent_id"`
	OwnerType        string `json:"owner_type"`
	OwnerID          string `json:"owner_id"`
	Status           string `json:"status"`
}

// Self asks the server who the agent is: the simplest check of URL, agent id and key.
func (c *Client) Self(ctx context.Context) (*Self, error) {
	s := &Self{}
	if err := c.do(ctx, c.signed(call{method: "GET", path: "/v1/agent/self", again: true}), s); err != nil {
		return nil, err
	}
	return s, nil
}
