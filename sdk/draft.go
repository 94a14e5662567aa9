package sdk

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// Draft is a policy that an agent proposes. It changes nothing until the owner approves it.
type Draft struct {
	PolicyYAML                string `json:"policy_yaml"`
	AppliesToAgentPrincipalID string `json:"applies_to_agent_principal_id,omitempty"` // empty: all agents of the owner
	Name                      string `json:"name,omitempty"`
	Description               string `json:"description,omitempty"`
	Justification             string `json:"justification,omitempty"`
}

// PolicyDraft is a proposed policy as the server knows it.
type PolicyDraft struct {
	Draft
	ID         string    `json:"policy_draft_id"`
	Status     string    `json:"status"`    // PENDING, APPROVED or DENIED
	PolicyID   string    `json:"policy_id"` // once APPROVED
	DenyReason string    `json:"deny_reason"`
	CreatedAt  time.Time `json:"created_at"`
}

// CreatePolicyDraft proposes a policy to the owner. It is sent once: the server would take a second
// one for another proposal.
func (c *Client) CreatePolicyDraft(ctx context.Context, d Draft) (*PolicyDraft, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return c.draft(ctx, call{method: "POST", path: "/v1/agent/policy-drafts", body: body})
}

// PolicyDraft returns a proposed policy as it stands now.
func (c *Client) PolicyDraft(ctx context.Context, id string) (*PolicyDraft, error) {
	return c.draft(ctx, call{method: "GET", path: "/v1/agent/policy-drafts/" + url.PathEscape(id), again: true})
}

type draftList struct {
	Drafts []PolicyDraft `json:"policy_drafts"`
}

// PolicyDrafts returns what the agent proposed, newest first.
func (c *Client) PolicyDrafts(ctx context.Context) ([]PolicyDraft, error) {
	var page draftList
	if err := c.do(ctx, c.signed(call{method: "GET", path: "/v1/agent/policy-drafts", again: true}), &page); err != nil {
		return nil, err
	}
	return page.Drafts, nil
}

func (c *Client) draft(ctx context.Context, r call) (*PolicyDraft, error) {
	d := &PolicyDraft{}
	if err := c.do(ctx, c.signed(r), d); err != nil {
		return nil, err
	}
	return d, nil
}
