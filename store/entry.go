package store

import (
	"encoding/json"
	"slices"
	"time"
)

// Result is what a decision says.
type Result string

// The results. The zero Result is none of them and allows nothing.
const (
	Allow           Result = "ALLOW"
	Deny            Result = "DENY"
	RequireApproval Result = "REQUIRE_APPROVAL"
	RequireStepUp   Result = "REQUIRE_STEP_UP"
	RequireDeposit  Result = "REQUIRE_DEPOSIT"
)

// Obligation is what must hold, or must be done, for a decision to stand.
type Obligation struct {
	ID      string          `json:"obligation_id"`
	Type    string          `json:"type"`   // HUMAN_APPROVAL, STEP_UP_AUTH, DEPOSIT, COUNTERPARTY_ATTESTATION
	Status  string          `json:"status"` // PENDING or SATISFIED
	Details json.RawMessage `json:"details_json,omitempty"`
}

// Decision is one answer to one action request, as the log keeps it.
type Decision struct {
	ID               string          `json:"decision_id"` // dec_…
	Time             time.Time       `json:"-"`           // the entry's time
	OwnerID          string          `json:"-"`           // the entry's owner
	AgentID          string          `json:"-"`           // the entry's agent
	AgentPrincipalID string          `json:"-"`           // the entry's agent
	Groups           []string        `json:"-"`
	ActionID         string          `json:"action_id"`
	ActionType       string          `json:"action_type"`
	ActionHash       string          `json:"action_hash"` // hex SHA-256 of the canonical action
	Action           json.RawMessage `json:"-"`           // canonical; the entry carries it
	Result           Result          `json:"result"`
	PolicyID         string          `json:"matched_policy_id,omitempty"`
	RuleID           string          `json:"matched_rule_id,omitempty"`
	Reason           string          `json:"reason,omitempty"`
	Obligations      []Obligation    `json:"obligations,omitempty"`
	PolicyRevision   string          `json:"policy_revision,omitempty"`
	// Policies are the layers that had a matching rule, in the order in which they were asked.
	Policies []PolicyMatch `json:"policies,omitempty"`
	// ProofID is the jti of the proof token, and ProofTTL its life in seconds; zero without a proof.
	ProofID  string `json:"proof_id,omitempty"`
	ProofTTL int    `json:"proof_ttl_seconds,omitempty"`
	// ProofUse is "once-online" for a proof that must be redeemed.
	ProofUse string `json:"proof_use,omitempty"`
	// ApprovalID is the approval request that was presented with the action.
	ApprovalID string `json:"approval_request_id,omitempty"`
	// Overages are the budgets that a REQUIRE_APPROVAL or DENY found full.
	Overages []BudgetState `json:"overages,omitempty"`
	// Nonce is that of the signed request, so that a restart does not forget it.
	Nonce string `json:"nonce,omitempty"`
	// Generation is the state that was decided in: a store records the decision in no other. Zero for any.
	Generation Generation `json:"-"`
}

// NoPolicy is the reason of a denial because no policy applied to the agent. It does not bind its action_id: asked
// again, the action is decided by the policies that there are then.
const NoPolicy = "no_policy"

// Consumes is the approval that the decision uses up: the one that was presented, if it allows.
func (d *Decision) Consumes() string {
	if d.Result != Allow {
		return ""
	}
	return d.ApprovalID
}

// PolicyMatch says which rule of which policy matched.
type PolicyMatch struct {
	PolicyID string `json:"policy_id"`
	RuleID   string `json:"rule_id"`
	Effect   string `json:"effect"`
}

// EventType says what a log entry records.
type EventType string

// The event types.
const (
	DecisionCreated   EventType = "DECISION_CREATED"
	ChargeSettled     EventType = "CHARGE_SETTLED"
	BudgetAlert       EventType = "BUDGET_ALERT"
	ApprovalRequested EventType = "APPROVAL_REQUESTED"
	ApprovalApproved  EventType = "APPROVAL_APPROVED"
	ApprovalDenied    EventType = "APPROVAL_DENIED"
	ApprovalExpired   EventType = "APPROVAL_EXPIRED"
	AgentInvited      EventType = "AGENT_INVITED"
	InviteRevoked     EventType = "INVITE_REVOKED"
	AgentRegistered   EventType = "AGENT_REGISTERED"
	AgentUpdated      EventType = "AGENT_UPDATED"
	AgentRevoked      EventType = "AGENT_REVOKED"
	// PolicyUpdated has the data {policy_id, path, revision, text, by, via, old_sum, new_sum}.
	PolicyUpdated   EventType = "POLICY_UPDATED"
	PolicyDeleted   EventType = "POLICY_DELETED"   // data: {policy_id, path, revision, by, via, old_sum}
	PolicyRefused   EventType = "POLICY_REFUSED"   // a file cannot be used; its last good version stays active
	PolicyRecovered EventType = "POLICY_RECOVERED" // a file that was refused can be used again, or is gone
	DraftSubmitted  EventType = "POLICY_DRAFT_SUBMITTED"
	DraftApproved   EventType = "POLICY_DRAFT_APPROVED"
	DraftDenied     EventType = "POLICY_DRAFT_DENIED"
	OwnerCreated    EventType = "OWNER_CREATED"
	OwnerUpdated    EventType = "OWNER_UPDATED"
	OwnerRevoked    EventType = "OWNER_REVOKED"
	SessionStarted  EventType = "SESSION_STARTED"
	SessionEnded    EventType = "SESSION_ENDED"
	KeyRotated      EventType = "KEY_ROTATED"
	KeyRevoked      EventType = "KEY_REVOKED"
	EntryRedacted   EventType = "ENTRY_REDACTED"
	LogCheckpoint   EventType = "CHECKPOINT"
	LogRecovered    EventType = "LOG_RECOVERED" // a torn last line was cut off at start-up
	// LogAdopted says that entries of the log are missing, and what is known of them. Its data is an Adopted.
	LogAdopted EventType = "LOG_ADOPTED"
	// ProofRedeemed says that a counterparty used a proof up. Its data is a Settled of the kind redeem.
	ProofRedeemed EventType = "PROOF_REDEEMED"
	// SettlementRefused says that somebody asked to lower a charge and may not.
	SettlementRefused EventType = "SETTLEMENT_REFUSED"
	// BudgetRenamed says that a budget has a new name, and keeps what was spent. Its data is a Renamed.
	BudgetRenamed EventType = "BUDGET_RENAMED"
	// BudgetRestarted says that a new budget starts at 0, although money was spent under a budget that is gone.
	BudgetRestarted EventType = "BUDGET_RESTARTED"
)

// eventTypes are all of them. The place of one is kept in files: append only.
var eventTypes = [...]EventType{
	DecisionCreated, ChargeSettled, BudgetAlert,
	ApprovalRequested, ApprovalApproved, ApprovalDenied,
	AgentInvited, InviteRevoked, AgentRegistered, AgentUpdated, AgentRevoked,
	PolicyUpdated, PolicyDeleted, PolicyRefused,
	DraftSubmitted, DraftApproved, DraftDenied,
	OwnerCreated, OwnerUpdated, OwnerRevoked,
	SessionStarted, SessionEnded, KeyRotated, KeyRevoked,
	EntryRedacted, LogCheckpoint, LogRecovered,
	PolicyRecovered, ProofRedeemed, SettlementRefused, LogAdopted, ApprovalExpired,
	BudgetRenamed, BudgetRestarted,
}

// Code is a number for the event type that stays the same; 0 if there is no such type.
func (t EventType) Code() uint8 { return uint8(slices.Index(eventTypes[:], t) + 1) }

// Entry is one line of the log. Seq, Prev and Hash are the store's: it fills them on append.
type Entry struct {
	Seq              uint64          `json:"seq"`      // from 1, without gaps
	ID               string          `json:"event_id"` // evt_…
	Time             time.Time       `json:"time"`     // UTC, milliseconds
	Type             EventType       `json:"event_type"`
	OwnerID          string          `json:"owner_id,omitempty"`
	AgentID          string          `json:"agent_id,omitempty"`
	AgentPrincipalID string          `json:"agent_principal_id,omitempty"`
	Decision         *Decision       `json:"decision,omitempty"`
	Action           json.RawMessage `json:"action,omitempty"`  // the whole request of a decision, canonical
	Charges          []Charge        `json:"charges,omitempty"` // what the decision charged
	Data             json.RawMessage `json:"data,omitempty"`    // what the event type says
	// Redacted maps what was taken out of the action, as paths such as $.payload.email, to the
	// salted commitments that keep the chain whole.
	Redacted map[string]string `json:"redacted,omitempty"`
	// Withheld are the paths that the settings kept from ever being written. They need no ENTRY_REDACTED.
	Withheld []string `json:"withheld,omitempty"`
	Prev     string   `json:"prev"` // hash of the entry before
	Hash     string   `json:"hash"` // hex SHA-256 over this entry's chained form; see doc.go
}
