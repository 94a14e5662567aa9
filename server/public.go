package server

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
)

func (s *Server) publicRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/health", summary: "How the server is",
			doc: "Status is ok, or degraded when policy files on disk cannot be used; their last good versions stay active. " +
				"The positions of the errors are public; the messages and file names are for the admin: GET /v1/admin/health.",
			endpoint: gives(s.health)},
		{method: "GET", path: "/livez", weight: free, summary: "Whether the process answers", endpoint: gives(s.live)},
		{method: "GET", path: "/readyz", weight: free, summary: "Whether the server can decide",
			doc: "503 while it is stopping, or cannot read its state.", endpoint: gives(s.ready)},
		{method: "GET", path: "/v1/public-keys", summary: "The keys that proofs verify with",
			doc:      "Only keys that sign proofs. A revoked key stays in the list with its revoked_at. May be cached for a minute.",
			endpoint: gives(s.publicKeys)},
		{method: "POST", path: "/v1/verify-proof", summary: "Verify a proof token",
			doc: "Checks what a counterparty can check offline with the public keys, and whether the decision was released, the agent revoked " +
				"or the action denied since. What is expected is compared if it is given.",
			endpoint: takes(s.verifyProof, "token")},
		{method: "POST", path: "/v1/redeem-proof", summary: "Use up a proof token, once",
			doc: "The first redemption is valid and is recorded; a second one is ALREADY_REDEEMED, with the time of the first. amount_minor, at most the " +
				"amount of the proof, commits the charge where settle_by of the budgets lets the counterparty lower it.",
			endpoint: takes(s.redeemProof, "token", "audience")},
		{method: "GET", path: "/v1/agents/policy-schema", summary: "The policy language as JSON Schema",
			endpoint: gives(s.policySchema)},
		{method: "GET", path: "/reference", summary: "This page", endpoint: streams("text/html; charset=utf-8", s.referencePage)},
		{method: "GET", path: "/reference/style.css", summary: "Its style", endpoint: streams("text/css; charset=utf-8", s.referenceStyle)},
		{method: "GET", path: "/reference/openapi.json", summary: "The API as OpenAPI 3.1", endpoint: gives(s.openAPI)},
	}
}

// HealthAnswer says how the server is.
type HealthAnswer struct {
	Status       string       `json:"status"` // ok or degraded
	Time         time.Time    `json:"time"`
	Version      string       `json:"version"`
	Policies     PolicyHealth `json:"policies"`
	APIReference string       `json:"api_reference"`
	OpenAPISpec  string       `json:"openapi_spec"`
}

// PolicyHealth says whether the policies on disk are active, without what they say or whose they are.
type PolicyHealth struct {
	// Revision is that of the only owner's policies, or a hash over those of all.
	Revision string           `json:"revision"`
	Errors   []PolicyPosition `json:"errors"`
	Ignored  int              `json:"ignored"` // files that are not policies
}

// PolicyPosition is where a policy file cannot be used.
type PolicyPosition struct {
	Code   string `json:"code"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func (s *Server) health(c *call) (HealthAnswer, error) {
	h, err := s.svc.PolicyHealth(c.ctx)
	if err != nil {
		return HealthAnswer{}, err
	}
	out := HealthAnswer{Status: h.Status, Time: s.svc.Now(), Version: s.cfg.Version,
		APIReference: s.cfg.PublicURL + "/reference", OpenAPISpec: s.cfg.PublicURL + "/reference/openapi.json",
		Policies: PolicyHealth{Revision: revision(h.Revisions), Errors: []PolicyPosition{}, Ignored: len(h.Ignored)}}
	for _, owner := range slices.Sorted(maps.Keys(h.Errors)) {
		for _, e := range h.Errors[owner] {
			out.Policies.Errors = append(out.Policies.Errors, PolicyPosition{e.Code, e.Line, e.Column})
		}
	}
	return out, nil
}

// revision is one name for what is in force, whoever it belongs to.
func revision(byOwner map[string]string) string {
	owners := slices.Sorted(maps.Keys(byOwner))
	if len(owners) == 1 {
		return byOwner[owners[0]]
	}
	h := sha256.New()
	for _, o := range owners {
		h.Write([]byte(o + " " + byOwner[o] + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (s *Server) live(*call) (done, error) { return said(nil) }

func (s *Server) ready(c *call) (done, error) {
	if s.svc.Releasing() {
		return done{}, fail(leash.Unavailable, "the server is stopping")
	}
	h, err := s.svc.PolicyHealth(c.ctx)
	if err == nil && h.Fault != "" {
		return done{}, fail(leash.Unavailable, "the server cannot write its state; see its log")
	}
	return said(err)
}

func (s *Server) publicKeys(c *call) (proof.PublicKeys, error) {
	c.Response().Header().Set("Cache-Control", "public, max-age=60")
	return s.svc.PublicKeys(), nil
}

func (s *Server) redeemProof(c *call, in leash.RedeemProofInput) (leash.Redemption, error) {
	return s.svc.RedeemProof(c.ctx, in)
}

func (s *Server) verifyProof(c *call, in leash.VerifyInput) (leash.Verification, error) {
	return s.svc.VerifyProof(c.ctx, in)
}

// SchemaAnswer is the policy language for programs that write it.
type SchemaAnswer struct {
	Schema   jsontext.Value  `json:"schema"`
	Taxonomy []TaxonomyEntry `json:"taxonomy"`
	Examples []PolicyExample `json:"examples"`
}

// TaxonomyEntry is a usual action type.
type TaxonomyEntry struct {
	Action      string `json:"action"`
	Description string `json:"description"`
}

// PolicyExample is a policy with what it is for.
type PolicyExample struct {
	Title      string `json:"title"`
	PolicyYAML string `json:"policy_yaml"`
}

func (s *Server) policySchema(c *call) (SchemaAnswer, error) {
	c.Response().Header().Set("Cache-Control", "public, max-age=60")
	return SchemaAnswer{compiler.Schema(), taxonomy, examples}, nil
}

// taxonomy names actions as most policies do. Agents and owners may use any others.
var taxonomy = []TaxonomyEntry{
	{"purchase", "buy something; purchase.order, purchase.subscription"},
	{"payment", "move money; payment.transfer, payment.refund"},
	{"booking", "reserve; booking.flight, booking.hotel, booking.table"},
	{"communication", "speak for the owner; communication.email.send, communication.message.send"},
	{"data", "touch records; data.read, data.write, data.delete, data.export"},
	{"file", "touch files; file.read, file.write, file.delete"},
	{"calendar", "touch a calendar; calendar.event.create, calendar.event.delete"},
	{"account", "change an account; account.create, account.update, account.delete"},
	{"code", "change software; code.push, code.merge"},
	{"infrastructure", "change systems; infrastructure.deploy, infrastructure.scale, infrastructure.delete"},
}

var examples = []PolicyExample{
	{"Small purchases pass, larger ones ask, the largest are refused", `rules:
  - action: purchase.*
    effect: allow
    conditions:
      - {field: context.amount, operator: lt, value: 100}
  - action: purchase.*
    effect: require_approval
    conditions:
      - {field: context.amount, operator: lte, value: 500}
default: deny
`},
	{"At most 500.00 a day, at known shops", `rules:
  - action: purchase.*
    effect: allow
    constraints:
      currency: USD
      allowed_domains: [shop.example.com]
budgets:
  - {id: daily, limit: 50000, currency: USD, window: day}
`},
	{"Mail to colleagues is free, to others it is asked for", `rules:
  - action: communication.email.send
    effect: allow
    when:
      match: {path: $.payload.to, op: regex, value: '^[^@]+@example\.com$'}
  - action: communication.email.send
    effect: require_approval
`},
}

// blob answers with embedded content.
func blob(c *call, media string, body []byte, cache string) error {
	c.Response().Header().Set("Cache-Control", cache)
	return c.Blob(http.StatusOK, media, body)
}
