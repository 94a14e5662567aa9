package leash

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

const (
	// MaxSkew is how far a request's timestamp may be from the clock.
	MaxSkew = 120 * time.Second
	// NonceTTL is how long a nonce is remembered: longer than any timestamp is accepted.
	NonceTTL = 600 * time.Second

	maxNonce   = 128
	maxAgentID = 128
)

// Request is a signed HTTP request of an agent.
type Request struct {
	Method   string
	Path     string // without the query
	RawQuery string
	Headers  proof.SignedHeaders
	Body     []byte
}

// Agent is an authenticated agent, prepared for its decisions: all that does not change from request
// to request is resolved.
type Agent struct {
	store.Agent
	Owner  store.Owner
	key    ed25519.PublicKey
	engine *rego.Engine
	layers *rego.Layers
	// generation is the store's in which the records and the engine were read.
	generation store.Generation
	// nonce is that of the request which authenticated this copy.
	nonce string
}

// Authenticate checks the signature of a request and returns its agent. The nonce is recorded last,
// once the signature holds, so that nobody else can use one up.
func (s *Service) Authenticate(ctx context.Context, r Request) (*Agent, error) {
	h := r.Headers
	if h.AgentID == "" || h.Timestamp == "" || h.Nonce == "" || h.BodySHA256 == "" || h.Signature == "" {
		return nil, fail(MissingHeaders, "a signed request needs the headers X-Agent-Id, X-Timestamp, X-Nonce, X-Body-Sha256 and X-Signature")
	}
	if len(h.Nonce) > maxNonce || len(h.AgentID) > maxAgentID {
		return nil, fail(MissingHeaders, "X-Nonce and X-Agent-Id are at most %d characters", maxNonce)
	}
	now := s.cfg.Clock()
	at, err := time.Parse(time.RFC3339Nano, h.Timestamp)
	if err != nil {
		return nil, fail(TimestampSkew, "X-Timestamp must be an RFC 3339 time such as 2026-04-10T12:00:00.000Z")
	}
	if skew := now.Sub(at); skew > MaxSkew || skew < -MaxSkew {
		return nil, fail(TimestampSkew, "X-Timestamp is %s off the server's clock; at most %s is accepted", skew.Abs().Round(time.Second), MaxSkew)
	}
	if !bodyHashMatches(r.Body, h.BodySHA256) {
		return nil, fail(BodyHashMismatch, "X-Body-Sha256 is not the SHA-256 of the body")
	}
	agent, err := s.agent(ctx, h.AgentID)
	if err != nil {
		return nil, err
	}
	if agent.Status != store.Active || agent.Owner.Status != store.Active {
		return nil, fail(AgentInactive, "the agent %q is not active", h.AgentID)
	}
	if err := proof.VerifyRequest(agent.key, r.Method, r.Path, r.RawQuery, h); err != nil {
		return nil, fail(InvalidSignature, "X-Signature does not fit this request and the agent's public key")
	}
	switch err := s.store.UseNonce(ctx, agent.PrincipalID, h.Nonce, now.Add(NonceTTL)); {
	case errors.Is(err, store.ErrReplay):
		return nil, fail(NonceReplay, "this nonce was used before; sign every request with a new one")
	case errors.Is(err, store.ErrFull):
		return nil, fail(RateLimited, "too many requests of this agent; slow down")
	case err != nil:
		return nil, unavailable(err)
	}
	signed := *agent
	signed.nonce = h.Nonce
	return &signed, nil
}

// bodyHashMatches accepts any hash for an empty body: the signature covers it, and clients differ in
// what they hash there.
func bodyHashMatches(body []byte, want string) bool {
	if len(body) == 0 {
		return true
	}
	sum := sha256.Sum256(body)
	return strings.EqualFold(hex.EncodeToString(sum[:]), want)
}

// agent returns the prepared agent with an agent_id, anew if its record, its owner or its owner's
// policies changed since.
func (s *Service) agent(ctx context.Context, agentID string) (*Agent, error) {
	generation, err := s.store.Generation(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	cached, ok := s.agents.Load(agentID)
	if ok {
		if a := cached.(*Agent); a.generation == generation {
			return a, nil
		}
	}
	rec, err := store.First[store.Agent](ctx, s.store, store.ByAgentID(agentID), store.ByStatus(store.Active))
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.whyNoAgent(ctx, agentID)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	owner, err := store.Get[store.Owner](ctx, s.store, rec.OwnerID)
	if err != nil {
		return nil, unavailable(err)
	}
	engine := s.policies.Engine(rec.OwnerID)
	if ok {
		a := *cached.(*Agent)
		if a.engine == engine && sameAgent(a.Agent, rec) && a.Owner.UpdatedAt.Equal(owner.UpdatedAt) && a.Owner.Status == owner.Status {
			a.generation = generation
			s.agents.Store(agentID, &a)
			return &a, nil
		}
	}
	key, err := proof.ParsePublicKeyB64(rec.PublicKeyB64)
	if err != nil {
		return nil, unavailable(err)
	}
	a := &Agent{Agent: rec, Owner: owner, key: key, engine: engine, generation: generation}
	a.layers = engine.Layers(rego.Subject{
		AgentID: rec.AgentID, PrincipalID: rec.PrincipalID, Groups: rec.Groups,
		OwnerID: owner.ID, OwnerType: owner.Type,
	})
	s.agents.Store(agentID, a)
	return a, nil
}

func sameAgent(a, b store.Agent) bool {
	return a.PrincipalID == b.PrincipalID && a.PublicKeyB64 == b.PublicKeyB64 && a.Status == b.Status &&
		slices.Equal(a.Groups, b.Groups)
}

func (s *Service) whyNoAgent(ctx context.Context, agentID string) error {
	switch _, err := store.First[store.Agent](ctx, s.store, store.ByAgentID(agentID)); {
	case err == nil:
		return fail(AgentInactive, "the agent %q is not active: its owner has to accept it, or has revoked it", agentID)
	case errors.Is(err, store.ErrNotFound):
		return fail(AgentNotFound, "no agent %q is registered here", agentID)
	default:
		return unavailable(err)
	}
}

// unavailable wraps a fault of the store.
func unavailable(err error) error {
	return &Error{Code: Unavailable, Message: "the server cannot read or write its state right now; try again later", Err: err}
}
