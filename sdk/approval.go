package sdk

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// ApprovalRequest is an agent's request that its owner approve one decision.
type ApprovalRequest struct {
	ID             string     `json:"approval_request_id"`
	Status         string     `json:"status"` // PENDING, APPROVED, DENIED, EXPIRED or CONSUMED
	DecisionID     string     `json:"decision_id"`
	ActionType     string     `json:"action_type"`
	ActionHash     string     `json:"action_hash"`
	DenyReason     string     `json:"deny_reason"`
	ExpiresAt      time.Time  `json:"expires_at"`
	Token          string     `json:"approval_token"` // once APPROVED
	TokenExpiresAt *time.Time `json:"approval_token_expires_at"`
}

// RequestApproval asks the owner to approve a decision that needs it. Asked twice, it is the same
// request. The justification is for the owner to read, and may be empty.
func (c *Client) RequestApproval(ctx context.Context, d *Decision, justification string) (*ApprovalRequest, error) {
	body, err := json.Marshal(struct {
		DecisionID    string          `json:"decision_id"`
		Action        json.RawMessage `json:"action"`
		Justification string          `json:"justification,omitempty"`
	}{d.ID, d.Action, justification})
	if err != nil {
		return nil, err
	}
	return c.approval(ctx, call{method: "POST", path: "/v1/agent/approval-requests", body: body})
}

// Approval returns an approval request as it stands now.
func (c *Client) Approval(ctx context.Context, id string) (*ApprovalRequest, error) {
	return c.approval(ctx, call{method: "GET", path: "/v1/agent/approval-requests/" + url.PathEscape(id)})
}

func (c *Client) approval(ctx context.Context, r call) (*ApprovalRequest, error) {
	r.again = true
	a := &ApprovalRequest{}
	if err := c.do(ctx, c.signed(r), a); err != nil {
		return nil, err
	}
	return a, nil
}

// hold is how long one request waits at the server for a decision of the owner.
const hold = 30 * time.Second

// WaitForApproval waits until the owner has decided, at most for timeout. Only an APPROVED request is
// returned without an error; any other is an *ApprovalError that holds it.
func (c *Client) WaitForApproval(ctx context.Context, id string, timeout time.Duration) (*ApprovalRequest, error) {
	deadline := c.now().Add(timeout)
	for {
		asked := c.now()
		wait := min(hold, max(deadline.Sub(asked), 0)).Round(time.Second)
		a, err := c.approval(ctx, call{method: "GET", path: "/v1/agent/approval-requests/" + url.PathEscape(id),
			query: "wait=" + wait.String(), patience: wait})
		switch {
		case err != nil:
			return nil, err
		case a.Status == "APPROVED" && a.Token != "":
			return a, nil
		case a.Status != "PENDING" || !c.now().Before(deadline):
			return nil, &ApprovalError{Request: a}
		}
		// A server that does not hold its answer is asked about once a second.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(asked.Add(time.Second).Sub(c.now()), deadline.Sub(c.now()))):
		}
	}
}

// AuthorizeAndWait is Authorize, and where the decision needs it: requests approval, waits for the
// owner at most for timeout, and asks again. The owner's no is an *ApprovalError.
func (c *Client) AuthorizeAndWait(ctx context.Context, a Action, justification string, timeout time.Duration) (*Decision, error) {
	d, err := c.Authorize(ctx, a)
	if err != nil || !d.NeedsApproval() {
		return d, err
	}
	request, err := c.RequestApproval(ctx, d, justification)
	if err != nil {
		return nil, err
	}
	approved, err := c.WaitForApproval(ctx, request.ID, timeout)
	if err != nil {
		return nil, err
	}
	return c.Redeem(ctx, d, approved.Token)
}
