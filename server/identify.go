package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
)

// headerOwner names the owner that the admin acts for.
const headerOwner = "X-Owner-Id"

// identify finds out who asks, and refuses who may not.
func (p plane) identify(need access, c *call) (err error) {
	switch need {
	case forAnyone:
	case forAgent:
		c.agent, err = p.identifyAgent(c)
	case forOwner:
		c.caller, err = p.identifyOwner(c)
	case forAdmin:
		c.caller, err = p.identifyAdmin(c)
	}
	return err
}

func (p plane) identifyAgent(c *call) (*leash.Agent, error) {
	r := c.Request()
	agent, err := p.svc.Authenticate(c.ctx, leash.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Body: c.body,
		Headers: proof.SignedHeaders{
			AgentID: r.Header.Get(proof.HeaderAgentID), Timestamp: r.Header.Get(proof.HeaderTimestamp),
			Nonce: r.Header.Get(proof.HeaderNonce), BodySHA256: r.Header.Get(proof.HeaderBodySHA256),
			Signature: r.Header.Get(proof.HeaderSignature),
		},
	})
	if err == nil {
		c.who = agent.AgentID
	}
	return agent, err
}

// identifyOwner takes a session token as Bearer or from the portal's cookie. The admin acts for an
// owner.
func (p plane) identifyOwner(c *call) (leash.Caller, error) {
	if p.isAdmin(c) {
		return p.actFor(c)
	}
	token, isBearer := bearer(c.Request())
	if !isBearer {
		cookie, err := c.Cookie(SessionCookie)
		if err != nil {
			return leash.Caller{}, fail(leash.Unauthenticated, "log in: the request carries neither a Bearer token nor a session cookie")
		}
		if err := p.sameOrigin(c.Request()); err != nil {
			return leash.Caller{}, err
		}
		token = cookie.Value
	}
	caller, err := p.svc.Session(c.ctx, token)
	if err == nil {
		c.who = caller.OwnerID
	}
	return caller, err
}

// identifyAdmin lets the admin in. An owner is no admin.
func (p plane) identifyAdmin(c *call) (leash.Caller, error) {
	if !p.isAdmin(c) {
		return leash.Caller{}, fail(leash.Unauthenticated, "this is for the admin: use the Unix socket, or the configured admin token as Bearer")
	}
	c.who = "admin"
	return leash.Caller{OwnerID: c.Request().Header.Get(headerOwner), Admin: true}, nil
}

// isAdmin compares hashes, so that neither the content nor the length of the token shows in the time.
func (p plane) isAdmin(c *call) bool {
	if p.admin {
		return true
	}
	token, isBearer := bearer(c.Request())
	if p.cfg.AdminToken == "" || !isBearer {
		return false
	}
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], p.adminToken[:]) == 1
}

// actFor is the admin in the place of the owner that the request names, or of the only one.
func (p plane) actFor(c *call) (leash.Caller, error) {
	caller := leash.Caller{OwnerID: c.Request().Header.Get(headerOwner), Admin: true}
	if caller.OwnerID == "" {
		only, err := p.svc.OnlyOwner(c.ctx)
		if err != nil {
			return leash.Caller{}, err
		}
		caller.OwnerID = only
	} else if _, err := p.svc.Profile(c.ctx, caller); err != nil {
		return leash.Caller{}, err
	}
	c.who = "admin"
	return caller, nil
}

// bearer is the token of the Authorization header.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
