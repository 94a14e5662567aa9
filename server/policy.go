package server

import "github.com/openleash/openleash-go/leash"

func (s *Server) policyRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/owner/policies", summary: "The owner's policies in the order in which they apply",
			doc: "problems are the files that cannot be used as they are; their last good versions are active. ignored are files that are not policies.", endpoint: gives(s.policies)},
		{method: "POST", path: "/v1/owner/policies", summary: "Save a policy", limit: policyLimit,
			doc: "The policy that the text names is replaced or made, and is active when the answer comes. One with an error is 400 INVALID_POLICY, with positions, and changes nothing. " +
				"409 CONFLICT means that the file was changed on disk in the meantime; 409 POLICY_READ_ONLY that it is behind a link or in a read-only folder.",
			endpoint: takes(s.createPolicy, "policy_yaml")},
		{method: "PUT", path: "/v1/owner/policies/order", summary: "Rank policies", doc: "They get the ranks 10, 20, 30, … in this order, in their own files.",
			endpoint: takes(s.orderPolicies, "policy_ids")},
		{method: "POST", path: "/v1/owner/policies/validate", summary: "Check a policy without saving it", limit: policyLimit,
			doc: "Says every error with its position, what the policy means in words, and its Rego.", endpoint: takes(s.validatePolicy, "policy_yaml")},
		{method: "POST", path: "/v1/owner/policies/compare", summary: "What an edited policy would change", limit: policyLimit,
			doc:      "Replays the recorded requests of the last 30 days against the policies in force and against those with this text in the place of policy_id. Nothing is saved.",
			endpoint: takes(s.comparePolicy, "policy_yaml")},
		{method: "GET", path: "/v1/owner/policies/:id", summary: "One policy with its text", endpoint: gives(s.policy)},
		{method: "PUT", path: "/v1/owner/policies/:id", summary: "Replace one policy", limit: policyLimit,
			doc:      "With expect_policy_yaml the text must be what is stored now, else 409 CONFLICT.",
			endpoint: takes(s.putPolicy, "policy_yaml")},
		{method: "DELETE", path: "/v1/owner/policies/:id", summary: "Delete one policy", doc: "409 CONFLICT if its file was changed on disk since it became active.", endpoint: gives(s.deletePolicy)},
		{method: "GET", path: "/v1/owner/policies/:id/rego", summary: "The Rego that it compiles to", endpoint: gives(s.policyRego)},
	}
}

// Policies are an owner's policies.
type Policies struct {
	Items []leash.PolicyView `json:"items"`
	leash.PolicyFiles
}

func (s *Server) policies(c *call) (Policies, error) {
	all, err := s.svc.Policies(c.ctx, c.caller)
	if err != nil {
		return Policies{}, err
	}
	files, err := s.svc.PolicyFiles(c.ctx, c.caller)
	return Policies{all, files}, err
}

// PolicyRequest is a policy to be saved.
type PolicyRequest struct {
	leash.PolicyInput
	Expect *string `json:"expect_policy_yaml"`
}

func (s *Server) createPolicy(c *call, in PolicyRequest) (leash.PolicyView, error) {
	in.ExpectText = in.Expect
	return s.svc.PutPolicy(c.ctx, c.caller, "", in.PolicyInput)
}

func (s *Server) putPolicy(c *call, in PolicyRequest) (leash.PolicyView, error) {
	in.ExpectText = in.Expect
	return s.svc.PutPolicy(c.ctx, c.caller, c.id("id"), in.PolicyInput)
}

func (s *Server) policy(c *call) (leash.PolicyView, error) {
	return s.svc.Policy(c.ctx, c.caller, c.id("id"))
}

func (s *Server) deletePolicy(c *call) (done, error) {
	return said(s.svc.DeletePolicy(c.ctx, c.caller, c.id("id")))
}

// RegoAnswer is a policy as Rego.
type RegoAnswer struct {
	Rego string `json:"rego"`
}

func (s *Server) policyRego(c *call) (RegoAnswer, error) {
	text, err := s.svc.PolicyRego(c.ctx, c.caller, c.id("id"))
	return RegoAnswer{text}, err
}

// OrderRequest ranks policies.
type OrderRequest struct {
	PolicyIDs []string `json:"policy_ids"`
}

func (s *Server) orderPolicies(c *call, in OrderRequest) (Policies, error) {
	all, err := s.svc.OrderPolicies(c.ctx, c.caller, in.PolicyIDs)
	if err != nil {
		return Policies{}, err
	}
	files, err := s.svc.PolicyFiles(c.ctx, c.caller)
	return Policies{all, files}, err
}

// PolicyText is a policy to be looked at.
type PolicyText struct {
	PolicyYAML string `json:"policy_yaml"`
}

func (s *Server) validatePolicy(c *call, in PolicyText) (leash.PolicyCheck, error) {
	return s.svc.ValidatePolicy(c.ctx, c.caller, in.PolicyYAML)
}

// CompareRequest is an edited policy. Without a policy_id it is a new one.
type CompareRequest struct {
	PolicyText
	PolicyID         string `json:"policy_id"`
	AgentPrincipalID string `json:"agent_principal_id"`
}

func (s *Server) comparePolicy(c *call, in CompareRequest) (leash.Comparison, error) {
	return s.svc.Compare(c.ctx, c.caller, in.PolicyID, in.PolicyYAML, in.AgentPrincipalID)
}
