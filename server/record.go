package server

import (
	"fmt"
	"strings"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

func (s *Server) recordRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/owner/audit", summary: "The owner's part of the log, newest first", query: auditQuery, endpoint: gives(s.audit)},
		{method: "GET", path: "/v1/owner/decisions/:id", summary: "One decision as the log has it", endpoint: gives(s.decision)},
		{method: "GET", path: "/v1/owner/waiting", summary: "How much waits for the owner", endpoint: gives(s.awaiting)},
		{method: "GET", path: "/v1/owner/budgets", summary: "How the budgets stand, a line for each budget and subject", endpoint: gives(s.budgets)},
		{method: "GET", path: "/v1/owner/deliveries", summary: "Webhook calls that wait or have failed", endpoint: gives(s.deliveries)},
		{method: "GET", path: "/v1/owner/events/stream", summary: "The owner's log entries as they come", untimed: true,
			doc: "Server-sent events: id is the entry's seq, event its event_type, data the entry. With the header Last-Event-ID the stream goes on after that entry; " +
				"without, it begins now. A comment comes as a sign of life. The stream ends with the session.",
			query:    []param{{"after", "integer", "as Last-Event-ID, for clients that cannot set headers"}},
			endpoint: streams("text/event-stream", s.eventStream)},
		{method: "POST", path: "/v1/playground/run", summary: "Try a policy on an action", limit: policyLimit,
			doc: "Nothing is recorded. The trace says rule by rule which parts held.", endpoint: takes(s.playground, "policy_yaml", "action")},
	}
}

var auditQuery = append([]param{
	{"since", "string", "an RFC 3339 time; entries from it on"},
	{"until", "string", "an RFC 3339 time; entries before it"},
	{"agent_principal_id", "string", "of one agent"},
	{"event_type", "string", "one or several, with commas between"},
	{"result", "string", "decisions with this result"},
	{"policy_id", "string", "decisions of this policy"},
	{"q", "string", "a part of the entry's text"},
}, paging...)

func (s *Server) audit(c *call) (leash.AuditPage, error) {
	limit, err := c.number("limit", maxPage)
	if err != nil {
		return leash.AuditPage{}, err
	}
	result, err := oneOf(c, "result", store.Allow, store.Deny, store.RequireApproval, store.RequireStepUp, store.RequireDeposit)
	if err != nil {
		return leash.AuditPage{}, err
	}
	q := store.AuditQuery{AgentPrincipalID: c.query.Get("agent_principal_id"), Result: result,
		PolicyID: c.query.Get("policy_id"), Text: c.query.Get("q"), Limit: limit, Cursor: c.query.Get("cursor")}
	if q.Since, err = c.time("since"); err != nil {
		return leash.AuditPage{}, err
	}
	if q.Until, err = c.time("until"); err != nil {
		return leash.AuditPage{}, err
	}
	if types := c.query.Get("event_type"); types != "" {
		for word := range strings.SplitSeq(types, ",") {
			t := store.EventType(word)
			if t.Code() == 0 {
				return leash.AuditPage{}, fail(leash.InvalidRequest, fmt.Sprintf("event_type: there is no %q", clip(word, 40)))
			}
			q.Types = append(q.Types, t)
		}
	}
	return s.svc.Audit(c.ctx, c.caller, q)
}

func (s *Server) decision(c *call) (store.Entry, error) {
	return s.svc.Decision(c.ctx, c.caller, c.id("id"))
}

func (s *Server) awaiting(c *call) (leash.Waiting, error) { return s.svc.Waiting(c.ctx, c.caller) }

// Budgets are how an owner's budgets stand.
type Budgets struct {
	Items []leash.BudgetView `json:"items"`
}

func (s *Server) budgets(c *call) (Budgets, error) {
	all, err := s.svc.Budgets(c.ctx, c.caller, "")
	return Budgets{all}, err
}

// Deliveries are webhook calls that are not done.
type Deliveries struct {
	Items []store.Delivery `json:"items"`
}

func (s *Server) deliveries(c *call) (Deliveries, error) {
	all, err := s.svc.Deliveries(c.ctx, c.caller)
	return Deliveries{all}, err
}

func (s *Server) playground(c *call, in leash.PlaygroundInput) (leash.PlaygroundAnswer, error) {
	return s.svc.Playground(c.ctx, c.caller, in)
}
