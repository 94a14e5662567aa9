package server

import (
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

func (s *Server) adminRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/admin/owners", summary: "All owners, oldest first", endpoint: gives(s.owners)},
		{method: "POST", path: "/v1/admin/owners", summary: "Add an owner",
			doc: "owner_type is HUMAN or ORG. The owner cannot log in before set-up.", endpoint: takes(s.createOwner, "display_name")},
		{method: "POST", path: "/v1/admin/owners/:id/setup-invite", summary: "Let an owner set a passphrase",
			doc: "Also for one who lost it. The token is shown this once.", endpoint: takes(s.setupInvite)},
		{method: "DELETE", path: "/v1/admin/owners/:id", summary: "Revoke an owner", doc: "Sessions end, and the owner's agents can do nothing more.",
			endpoint: gives(s.revokeOwner)},
		{method: "GET", path: "/v1/admin/agents", summary: "The agents of all owners, newest first", doc: "Or of the one that X-Owner-Id names.",
			query: agentQuery, endpoint: gives(s.agents)},
		{method: "GET", path: "/v1/admin/policies", summary: "The policies of all owners", doc: "Or of the one that X-Owner-Id names.", endpoint: gives(s.allPolicies)},
		{method: "GET", path: "/v1/admin/audit", summary: "The whole log, newest first", doc: "Or the part of the owner that X-Owner-Id names.",
			query: auditQuery, endpoint: gives(s.audit)},
		{method: "POST", path: "/v1/admin/audit/redact", summary: "Take values out of a log entry, for ever",
			doc:      "id is that of the entry or of its decision, paths are such as $.payload.email. Commitments to the values stay, so that the chain still verifies.",
			endpoint: takes(s.redact, "id", "paths")},
		{method: "GET", path: "/v1/admin/events/stream", summary: "The log entries of all owners as they come", untimed: true,
			doc:      "Or those of the owner that X-Owner-Id names. Else as GET /v1/owner/events/stream.",
			query:    []param{{"after", "integer", "as Last-Event-ID, for clients that cannot set headers"}},
			endpoint: streams("text/event-stream", s.eventStream)},
		{method: "GET", path: "/v1/admin/deliveries", summary: "Webhook calls of all owners that wait or have failed", endpoint: gives(s.allDeliveries)},
		{method: "GET", path: "/v1/admin/config", summary: "The settings in force, without secrets", endpoint: gives(s.config)},
		{method: "GET", path: "/v1/admin/health", summary: "Whether the policies on disk are active, with their errors", endpoint: gives(s.fullHealth)},
		{method: "POST", path: "/v1/admin/policies/reload", summary: "Read the policy files again", doc: "Changes are also found without it; the answer is that of GET /v1/admin/health.", endpoint: takes(s.reload)},
		{method: "GET", path: "/v1/admin/keys", summary: "All keys without their private parts", endpoint: gives(s.keys)},
		{method: "POST", path: "/v1/admin/keys/rotate", summary: "Put a new key in force",
			doc:      "purpose is proof (the default), approval, user_session or log. Tokens of the old key stay valid until they expire.",
			endpoint: takes(s.rotateKey)},
		{method: "POST", path: "/v1/admin/keys/:kid/revoke", summary: "Make all tokens of a key invalid", doc: "An active key is replaced by a new one.",
			endpoint: takes(s.revokeKey)},
		{method: "GET", path: "/metrics", summary: "Prometheus metrics", endpoint: streams("text/plain; version=0.0.4; charset=utf-8", s.metrics.serve)},
	}
}

// Owners are the owners of the server.
type Owners struct {
	Items []leash.OwnerProfile `json:"items"`
}

func (s *Server) owners(c *call) (Owners, error) {
	all, err := s.svc.Owners(c.ctx)
	return Owners{all}, err
}

// OwnerRequest is a new owner.
type OwnerRequest struct {
	DisplayName string `json:"display_name"`
	OwnerType   string `json:"owner_type"`
}

func (s *Server) createOwner(c *call, in OwnerRequest) (leash.OwnerProfile, error) {
	return s.svc.CreateOwner(c.ctx, in.DisplayName, in.OwnerType)
}

func (s *Server) setupInvite(c *call, _ nothing) (leash.InviteGrant, error) {
	return s.svc.SetupInvite(c.ctx, c.id("id"))
}

func (s *Server) revokeOwner(c *call) (done, error) {
	return said(s.svc.RevokeOwner(c.ctx, c.id("id")))
}

// each runs use for the owner that the admin named, or for all of them.
func (s *Server) each(c *call, use func(leash.Caller) error) error {
	if c.caller.OwnerID != "" {
		return use(c.caller)
	}
	owners, err := s.svc.Owners(c.ctx)
	if err != nil {
		return err
	}
	for _, o := range owners {
		if err := use(leash.Caller{OwnerID: o.ID, Admin: true}); err != nil {
			return err
		}
	}
	return nil
}

// OwnedPolicy is a policy with whose it is.
type OwnedPolicy struct {
	OwnerID string `json:"owner_id"`
	leash.PolicyView
}

// OwnedPolicies are the policies of all owners.
type OwnedPolicies struct {
	Items []OwnedPolicy `json:"items"`
}

func (s *Server) allPolicies(c *call) (OwnedPolicies, error) {
	all := OwnedPolicies{Items: []OwnedPolicy{}}
	err := s.each(c, func(caller leash.Caller) error {
		policies, err := s.svc.Policies(c.ctx, caller)
		for _, p := range policies {
			all.Items = append(all.Items, OwnedPolicy{caller.OwnerID, p})
		}
		return err
	})
	return all, err
}

func (s *Server) allDeliveries(c *call) (Deliveries, error) {
	all := Deliveries{Items: []store.Delivery{}}
	err := s.each(c, func(caller leash.Caller) error {
		some, err := s.svc.Deliveries(c.ctx, caller)
		all.Items = append(all.Items, some...)
		return err
	})
	return all, err
}

// RedactRequest names what is to be taken out of one log entry.
type RedactRequest struct {
	ID    string   `json:"id"`
	Paths []string `json:"paths"`
}

// Redacted is what was taken out.
type Redacted struct {
	Removed []string `json:"removed"`
}

func (s *Server) redact(c *call, in RedactRequest) (Redacted, error) {
	removed, err := s.svc.Redact(c.ctx, c.caller, in.ID, in.Paths)
	return Redacted{removed}, err
}

// ConfigAnswer is the settings in force.
type ConfigAnswer struct {
	Version  string `json:"version"`
	Settings any    `json:"settings"`
}

func (s *Server) config(*call) (ConfigAnswer, error) {
	return ConfigAnswer{s.cfg.Version, s.adjusted.Load().settings}, nil
}

func (s *Server) fullHealth(c *call) (leash.Health, error) { return s.svc.PolicyHealth(c.ctx) }

func (s *Server) reload(c *call, _ nothing) (leash.Health, error) {
	if err := s.SyncPolicies(c.ctx); err != nil {
		return leash.Health{}, err
	}
	return s.svc.PolicyHealth(c.ctx)
}

// Keys are the keys of the server.
type Keys struct {
	Items []leash.KeyView `json:"items"`
}

func (s *Server) keys(c *call) (Keys, error) {
	all, err := s.svc.Keys(c.ctx)
	return Keys{all}, err
}

// RotateRequest names what a new key is for.
type RotateRequest struct {
	Purpose proof.Purpose `json:"purpose"`
}

func (s *Server) rotateKey(c *call, in RotateRequest) (leash.KeyView, error) {
	return s.svc.RotateKey(c.ctx, in.Purpose)
}

func (s *Server) revokeKey(c *call, _ nothing) (done, error) {
	return said(s.svc.RevokeKey(c.ctx, c.id("kid")))
}
