package server

import (
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// paging are the parameters of every list that comes in pages.
var paging = []param{
	{"limit", "integer", "how many, at most 500; 50 by default"},
	{"cursor", "string", "next_cursor of the page before"},
}

const maxPage = 500

var agentQuery = append([]param{
	{"status", "string", "PENDING, ACTIVE or REVOKED"},
	{"q", "string", "a part of the agent_id or of a group"},
}, paging...)

func (s *Server) ownAgentRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/owner/agents", summary: "The owner's agents, newest first",
			query: agentQuery, endpoint: gives(s.agents)},
		{method: "GET", path: "/v1/owner/agents/:id", summary: "One agent, by principal or agent_id", endpoint: gives(s.ownAgent)},
		{method: "PUT", path: "/v1/owner/agents/:id", summary: "Accept, revoke, or put into groups",
			doc:      "status ACTIVE accepts an agent that waits, REVOKED ends it at once; groups are exactly those of the list.",
			endpoint: takes(s.updateAgent)},
		{method: "POST", path: "/v1/owner/agent-invites", summary: "Invite an agent",
			doc:      "The token is shown this once, and works once. replace_agent_id lets it replace the key of that agent.",
			endpoint: takes(s.createInvite)},
		{method: "GET", path: "/v1/owner/agent-invites", summary: "The invites, newest first", endpoint: gives(s.invites)},
		{method: "DELETE", path: "/v1/owner/agent-invites/:id", summary: "Make an invite worthless", endpoint: gives(s.revokeInvite)},
	}
}

func (s *Server) agents(c *call) (leash.AgentPage, error) {
	limit, err := c.number("limit", maxPage)
	if err != nil {
		return leash.AgentPage{}, err
	}
	status, err := c.agentStatus()
	if err != nil {
		return leash.AgentPage{}, err
	}
	return s.svc.Agents(c.ctx, c.caller, leash.AgentQuery{Status: status, Text: c.query.Get("q"), Limit: limit, Cursor: c.query.Get("cursor")})
}

func (s *Server) ownAgent(c *call) (leash.AgentView, error) {
	return s.svc.AgentByID(c.ctx, c.caller, c.id("id"))
}

// AgentUpdate changes an agent. What is not given stays.
type AgentUpdate struct {
	Status store.Status `json:"status"`
	Groups []string     `json:"groups"`
}

func (s *Server) updateAgent(c *call, in AgentUpdate) (out leash.AgentView, err error) {
	if in.Status == "" && in.Groups == nil {
		return out, fail(leash.InvalidRequest, "status or groups is needed")
	}
	if in.Groups != nil {
		if out, err = s.svc.SetAgentGroups(c.ctx, c.caller, c.id("id"), in.Groups); err != nil {
			return out, err
		}
	}
	if in.Status != "" {
		out, err = s.svc.SetAgentStatus(c.ctx, c.caller, c.id("id"), in.Status)
	}
	return out, err
}

func (s *Server) createInvite(c *call, in leash.InviteInput) (leash.InviteGrant, error) {
	return s.svc.CreateInvite(c.ctx, c.caller, in)
}

// Invites are an owner's agent invites.
type Invites struct {
	Items []leash.InviteView `json:"items"`
}

func (s *Server) invites(c *call) (Invites, error) {
	all, err := s.svc.Invites(c.ctx, c.caller)
	return Invites{all}, err
}

func (s *Server) revokeInvite(c *call) (done, error) {
	return said(s.svc.RevokeInvite(c.ctx, c.caller, c.id("id")))
}

func (s *Server) approvalRoutes() []route {
	return append(settlements("/v1/owner", s.settleAsOwner), []route{
		{method: "GET", path: "/v1/owner/approval-requests", summary: "Approval requests, newest first",
			query: append([]param{{"status", "string", "PENDING, APPROVED, DENIED, EXPIRED or CONSUMED"},
				{"agent_principal_id", "string", "of one agent"}, {"action_type", "string", "of one action type"}}, paging...),
			endpoint: gives(s.approvals)},
		{method: "GET", path: "/v1/owner/approval-requests/:id", summary: "One of them", endpoint: gives(s.approval)},
		{method: "POST", path: "/v1/owner/approval-requests/:id/approve", summary: "Approve it",
			doc:      "A step-up needs totp_code, a deposit deposit_reference. The token is good for one action, the one that was approved.",
			endpoint: takes(s.approve)},
		{method: "POST", path: "/v1/owner/approval-requests/:id/deny", summary: "Deny it", endpoint: takes(s.deny)},
		{method: "GET", path: "/v1/owner/policy-drafts", summary: "Policies that agents propose, newest first",
			query: []param{{"status", "string", "PENDING, APPROVED or DENIED"}}, endpoint: gives(s.drafts)},
		{method: "GET", path: "/v1/owner/policy-drafts/:id", summary: "One of them", endpoint: gives(s.draft)},
		{method: "POST", path: "/v1/owner/policy-drafts/:id/approve", summary: "Put it in force",
			doc:      "The server chooses the id of the policy, the owner its name and scope: all, or one agent; by default the agent that proposed it.",
			endpoint: takes(s.approveDraft)},
		{method: "POST", path: "/v1/owner/policy-drafts/:id/deny", summary: "Refuse it", endpoint: takes(s.denyDraft)},
	}...)
}

func (s *Server) approvals(c *call) (leash.ApprovalPage, error) {
	limit, err := c.number("limit", maxPage)
	if err != nil {
		return leash.ApprovalPage{}, err
	}
	status, err := c.approvalStatus()
	if err != nil {
		return leash.ApprovalPage{}, err
	}
	return s.svc.Approvals(c.ctx, c.caller, leash.ApprovalQuery{Status: status, Limit: limit, Cursor: c.query.Get("cursor"),
		AgentPrincipalID: c.query.Get("agent_principal_id"), ActionType: c.query.Get("action_type")})
}

func (s *Server) approval(c *call) (leash.ApprovalView, error) {
	return s.svc.Approval(c.ctx, c.caller, c.id("id"))
}

func (s *Server) approve(c *call, in leash.ApproveInput) (leash.ApprovalGrant, error) {
	defer s.wakeOutbox()
	return s.svc.Approve(c.ctx, c.caller, c.id("id"), in)
}

// DenyRequest is why an owner says no.
type DenyRequest struct {
	Reason string `json:"reason"`
}

func (s *Server) deny(c *call, in DenyRequest) (leash.ApprovalView, error) {
	defer s.wakeOutbox()
	return s.svc.DenyApproval(c.ctx, c.caller, c.id("id"), in.Reason)
}

func (s *Server) drafts(c *call) (leash.DraftPage, error) {
	status, err := c.draftStatus()
	if err != nil {
		return leash.DraftPage{}, err
	}
	return s.svc.Drafts(c.ctx, c.caller, status)
}

func (s *Server) draft(c *call) (leash.DraftView, error) {
	return s.svc.Draft(c.ctx, c.caller, c.id("id"))
}

func (s *Server) approveDraft(c *call, in leash.ApproveDraftInput) (leash.DraftView, error) {
	defer s.wakeOutbox()
	return s.svc.ApproveDraft(c.ctx, c.caller, c.id("id"), in)
}

func (s *Server) denyDraft(c *call, in DenyRequest) (leash.DraftView, error) {
	defer s.wakeOutbox()
	return s.svc.DenyDraft(c.ctx, c.caller, c.id("id"), in.Reason)
}
