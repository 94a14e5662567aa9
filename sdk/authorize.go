package sdk

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// Action is what an agent is about to do. Only Type is required.
type Action struct {
	Type    string // such as purchase.order
	Context any    // what the policy looks at; encodes to a JSON object

	// ID is the idempotency key; a random one if empty. To ask again about the same action, give
	// RequestedAt as before too.
	ID           string
	RequestedAt  time.Time // now if zero
	Resource     *proof.Resource
	RelyingParty *proof.RelyingParty // the counterparty that the proof is for
}

// Results of decisions. Only Allow is a yes.
const (
	Allow           = "ALLOW"
	Deny            = "DENY"
	RequireApproval = "REQUIRE_APPROVAL"
	RequireStepUp   = "REQUIRE_STEP_UP"
	RequireDeposit  = "REQUIRE_DEPOSIT"
)

// Decision is the server's answer to one action.
type Decision struct {
	ID              string       `json:"decision_id"`
	ActionID        string       `json:"action_id"`
	ActionHash      string       `json:"action_hash"`
	Result          string       `json:"result"`
	MatchedPolicyID string       `json:"matched_policy_id"`
	MatchedRuleID   string       `json:"matched_rule_id"`
	Reason          string       `json:"reason"`
	ProofToken      string       `json:"proof_token"` // for the counterparty; only on ALLOW
	ProofExpiresAt  time.Time    `json:"proof_expires_at"`
	Obligations     []Obligation `json:"obligations"`
	Budgets         []Budget     `json:"budgets"`

	// Action is the request that was decided, as it was sent.
	Action json.RawMessage `json:"-"`
}

// Obligation is what must hold for a decision to stand.
type Obligation struct {
	ID      string          `json:"obligation_id"`
	Type    string          `json:"type"`   // HUMAN_APPROVAL, STEP_UP_AUTH, DEPOSIT or COUNTERPARTY_ATTESTATION
	Status  string          `json:"status"` // PENDING or SATISFIED
	Details json.RawMessage `json:"details_json"`
}

// Budget is what is left of one budget, in minor units or actions.
type Budget struct {
	ID        string     `json:"id"`
	PolicyID  string     `json:"policy_id"`
	Currency  string     `json:"currency"`
	Limit     int64      `json:"limit"`
	Spent     int64      `json:"spent"`
	Remaining int64      `json:"remaining"`
	ResetsAt  *time.Time `json:"resets_at"`
}

// Allowed reports whether the action may be done. The zero Decision is not allowed.
func (d *Decision) Allowed() bool { return d != nil && d.Result == Allow }

// NeedsApproval reports whether the owner can still allow the action.
func (d *Decision) NeedsApproval() bool {
	return d != nil && (d.Result == RequireApproval || d.Result == RequireStepUp || d.Result == RequireDeposit)
}

// Err is nil if the action is allowed, else a *NotAllowedError.
func (d *Decision) Err() error {
	if d.Allowed() {
		return nil
	}
	return &NotAllowedError{Decision: d}
}

// ActionType is the type of the action that was decided.
func (d *Decision) ActionType() string {
	var action struct {
		Type string `json:"action_type"`
	}
	_ = json.Unmarshal(d.Action, &action)
	return action.Type
}

// Authorize asks whether the agent may do an action. A DENY is an answer and no error; see
// Decision.Err. It may send the same request again, which the server decides and charges once.
func (c *Client) Authorize(ctx context.Context, a Action) (*Decision, error) {
	body, err := c.request(a)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, body, body)
}

// Redeem asks again for an action that the owner approved. The token is good for one ALLOW.
func (c *Client) Redeem(ctx context.Context, d *Decision, approvalToken string) (*Decision, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(d.Action, &fields); err != nil {
		return nil, &Error{Kind: ErrRequest, Message: "the decision does not hold the action that it is about", Err: err}
	}
	token, err := json.Marshal(approvalToken)
	if err != nil {
		return nil, err
	}
	fields["approval_token"] = token
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	redeemed, err := c.ask(ctx, d.Action, body)
	if Code(err) == "APPROVAL_TOKEN_CONSUMED" {
		// Perhaps by this very request, whose answer was lost. If so, the server knows the action
		// and repeats its answer; if not, it asks for an approval again.
		return c.ask(ctx, d.Action, d.Action)
	}
	return redeemed, err
}

// Guard does what do does only if the action is allowed. It waits for no approval.
func (c *Client) Guard(ctx context.Context, a Action, do func(context.Context, *Decision) error) error {
	d, err := c.Authorize(ctx, a)
	if err != nil {
		return err
	}
	if err := d.Err(); err != nil {
		return err
	}
	return do(ctx, d)
}

// request builds the whole action request.
func (c *Client) request(a Action) ([]byte, error) {
	payload := json.RawMessage("{}")
	if a.Context != nil {
		encoded, err := json.Marshal(a.Context)
		if err != nil {
			return nil, &Error{Kind: ErrRequest, Message: "the context of the action does not encode to JSON", Err: err}
		}
		payload = encoded
	}
	if a.ID == "" {
		a.ID = "act_" + rand.Text()
	}
	if a.RequestedAt.IsZero() {
		a.RequestedAt = c.now()
	}
	action := proof.Action{
		ActionID: a.ID, ActionType: a.Type, RequestedAt: proof.FormatTime(a.RequestedAt),
		Principal: &proof.Principal{AgentID: c.agentID},
		Resource:  a.Resource, RelyingParty: a.RelyingParty, Payload: payload,
	}
	if c.ownerID != "" {
		action.Subject = &proof.Subject{PrincipalID: c.ownerID}
	}
	return json.Marshal(action)
}

// ask sends body, which is action with or without an approval token beside it.
func (c *Client) ask(ctx context.Context, action, body []byte) (*Decision, error) {
	parsed, err := proof.ParseAction(action)
	if err != nil {
		return nil, &Error{Kind: ErrRequest, Code: "INVALID_ACTION", Message: "the action is not valid", Err: err}
	}
	d := &Decision{}
	if err := c.do(ctx, c.signed(call{method: "POST", path: "/v1/authorize", body: body, again: true}), d); err != nil {
		return nil, err
	}
	switch d.Result {
	case Allow, Deny, RequireApproval, RequireStepUp, RequireDeposit:
	default:
		return nil, &Error{Kind: ErrResponse, Message: fmt.Sprintf("the result %q is none that this version knows; take it for a no, and update", d.Result)}
	}
	if d.ActionHash != parsed.Hash {
		return nil, &Error{Kind: ErrResponse, Message: "the answer is about another action than was asked; something between here and the server changes requests"}
	}
	d.Action = action
	return d, nil
}

// Commit tells what an allowed action really cost, in minor units.
func (c *Client) Commit(ctx context.Context, decisionID string, amountMinor int64) (*Settlement, error) {
	return c.settle(ctx, decisionID, "commit", &amountMinor)
}

// Release gives back what an allowed action charged, because it was not done.
func (c *Client) Release(ctx context.Context, decisionID string) (*Settlement, error) {
	return c.settle(ctx, decisionID, "release", nil)
}

// Refund gives back a part of what was committed, in minor units.
func (c *Client) Refund(ctx context.Context, decisionID string, amountMinor int64) (*Settlement, error) {
	return c.settle(ctx, decisionID, "refund", &amountMinor)
}

// Settlement is how the budgets stand after a charge was settled.
type Settlement struct {
	DecisionID string   `json:"decision_id"`
	Settled    string   `json:"settled"` // commit, release or refund
	Budgets    []Budget `json:"budgets"`
}

func (c *Client) settle(ctx context.Context, decisionID, kind string, amountMinor *int64) (*Settlement, error) {
	body, err := json.Marshal(struct {
		AmountMinor *int64 `json:"amount_minor,omitempty"`
	}{amountMinor})
	if err != nil {
		return nil, err
	}
	s := &Settlement{}
	path := "/v1/agent/decisions/" + url.PathEscape(decisionID) + "/" + kind
	if err := c.do(ctx, c.signed(call{method: "POST", path: path, body: body, again: true}), s); err != nil {
		return nil, err
	}
	return s, nil
}
