package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

func (s *Server) agentRoutes() []route {
	return append(settlements("/v1/agent", s.settle), []route{
		{method: "POST", path: "/v1/authorize", summary: "Ask for a decision", redeems: true, untimed: true,
			doc: "DENY and REQUIRE_… are answers with status 200. An ALLOW carries a proof token and is in the log before it is answered. " +
				"Asked again with the same action_id and the same action, the answer is the same and nothing is charged twice. " +
				"approval_token redeems an approval: the action must be exactly the one that was approved. context is another name for payload.",
			endpoint: raw[ActionRequest](s.authorize, "action_type")},
		{method: "GET", path: "/v1/agent/self", summary: "Who the agent is", endpoint: gives(s.self)},
		{method: "POST", path: "/v1/agent/approval-requests", summary: "Ask the owner to approve a decision",
			doc:      "Only for this agent's own stored decision that requires approval, step-up or deposit, with the same action; otherwise 409. Asked twice, it is the same request.",
			endpoint: takes(s.requestApproval, "decision_id", "action")},
		{method: "GET", path: "/v1/agent/approval-requests/:id", summary: "How an approval request stands", untimed: true,
			doc:      "Once it is APPROVED, the answer carries the approval token.",
			query:    []param{{"wait", "string", "hold the answer until the request is resolved, at most this long, such as 30s; 60s at most"}},
			endpoint: gives(s.agentApproval)},
		{method: "POST", path: "/v1/agent/policy-drafts", summary: "Propose a policy", limit: policyLimit,
			doc: "It must compile, and changes nothing until the owner approves it.", endpoint: takes(s.submitDraft, "policy_yaml")},
		{method: "GET", path: "/v1/agent/policy-drafts", summary: "The agent's own drafts",
			query:    []param{{"status", "string", "PENDING, APPROVED or DENIED"}},
			endpoint: gives(s.agentDrafts)},
		{method: "GET", path: "/v1/agent/policy-drafts/:id", summary: "One of them", endpoint: gives(s.agentDraft)},
	}...)
}

// settlements are the routes that settle a charge, for agents and for owners.
func settlements(prefix string, settle func(kind string) func(c *call, in leash.SettleInput) (leash.SettleAnswer, error)) []route {
	one := func(kind, doc string, required ...string) route {
		return route{method: "POST", path: prefix + "/decisions/:id/" + kind, summary: "Settle a charge: " + kind,
			doc:      doc + " The same settlement again changes nothing. Lowering a charge is 409 SETTLEMENT_NOT_ALLOWED unless settle_by of each budget names the caller.",
			endpoint: takes(settle(kind), required...)}
	}
	return []route{
		one("commit", "The actual amount replaces what was charged.", "amount_minor"),
		one("release", "What was charged is given back, and the proof is not valid online any more."),
		one("refund", "The amount is taken off what was committed.", "amount_minor"),
	}
}

// ActionRequest is an action request as it stands on the wire. The server reads it with
// proof.ParseAction; this type only describes it.
type ActionRequest struct {
	proof.Action
	Context       json.RawMessage `json:"context,omitempty"`
	ApprovalToken string          `json:"approval_token,omitempty"`
}

func (s *Server) authorize(c *call) (*leash.Answer, error) {
	return s.decide(c, c.body)
}

// decide asks for one decision and counts it.
func (s *Server) decide(c *call, action []byte) (*leash.Answer, error) {
	began := s.cfg.Clock()
	answer, err := s.svc.Authorize(c.ctx, c.agent, action)
	if err == nil {
		s.metrics.decision(answer, s.cfg.Clock().Sub(began))
	}
	return answer, err
}

func (s *Server) self(c *call) (leash.AgentView, error) { return s.svc.Self(c.agent), nil }

func (s *Server) requestApproval(c *call, in leash.ApprovalInput) (leash.AgentApproval, error) {
	return s.svc.RequestApproval(c.ctx, c.agent, in)
}

func (s *Server) agentApproval(c *call) (leash.AgentApproval, error) {
	wait, err := c.wait()
	if err != nil {
		return leash.AgentApproval{}, err
	}
	agent, id := c.agent, c.id("id")
	now, err := s.svc.AgentApproval(c.ctx, agent, id, 0)
	if err != nil || wait == 0 || now.Status != store.Pending {
		return now, err
	}
	err = s.hold(agent.PrincipalID, func(ctx context.Context, _ func(), c echo.Context) error {
		out, err := s.svc.AgentApproval(ctx, agent, id, wait)
		if ctx.Err() != nil { // the server stops, and the client may still be there
			out, err = s.svc.AgentApproval(context.WithoutCancel(ctx), agent, id, 0)
		}
		extend(c, s.cfg.Limits.Deadline)
		if err != nil {
			return err
		}
		return send(c, http.StatusOK, out)
	})
	if leash.CodeOf(err) == leash.RateLimited { // the answer as it is now is right, too
		c.Response().Header().Set("Retry-After", "5")
		return now, nil
	}
	return now, err
}

// wait is how long the client wants its answer held.
func (c *call) wait() (time.Duration, error) {
	v := c.query.Get("wait")
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, fail(leash.InvalidRequest, "wait must be a duration such as 30s")
	}
	return min(d, leash.MaxWait), nil
}

// AgentDrafts are an agent's drafts, newest first.
type AgentDrafts struct {
	PolicyDrafts []leash.DraftView `json:"policy_drafts"`
}

func (s *Server) submitDraft(c *call, in leash.DraftInput) (leash.DraftView, error) {
	return s.svc.SubmitDraft(c.ctx, c.agent, in)
}

func (s *Server) agentDrafts(c *call) (AgentDrafts, error) {
	status, err := c.draftStatus()
	if err != nil {
		return AgentDrafts{}, err
	}
	page, err := s.svc.AgentDrafts(c.ctx, c.agent)
	if err != nil {
		return AgentDrafts{}, err
	}
	out := AgentDrafts{PolicyDrafts: []leash.DraftView{}}
	for _, d := range page.Items {
		if status == "" || d.Status == status {
			out.PolicyDrafts = append(out.PolicyDrafts, d)
		}
	}
	return out, nil
}

func (s *Server) agentDraft(c *call) (leash.DraftView, error) {
	return s.svc.AgentDraft(c.ctx, c.agent, c.id("id"))
}

func (s *Server) settle(kind string) func(c *call, in leash.SettleInput) (leash.SettleAnswer, error) {
	return func(c *call, in leash.SettleInput) (leash.SettleAnswer, error) {
		return s.svc.Settle(c.ctx, c.agent, c.id("id"), kind, in)
	}
}

func (s *Server) settleAsOwner(kind string) func(c *call, in leash.SettleInput) (leash.SettleAnswer, error) {
	return func(c *call, in leash.SettleInput) (leash.SettleAnswer, error) {
		return s.svc.SettleAsOwner(c.ctx, c.caller, c.id("id"), kind, in)
	}
}
