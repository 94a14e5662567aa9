package store

import (
	"encoding/json"
	"time"
)

// Kind names a collection of records; it is also the folder that store/file keeps them in.
type Kind string

// The kinds of records.
const (
	KindOwner    Kind = "owners"
	KindAgent    Kind = "agents"
	KindInvite   Kind = "invites"
	KindApproval Kind = "approvals"
	KindDraft    Kind = "drafts"
	KindKey      Kind = "keys"
	KindPolicy   Kind = "policies"
	// KindPolicyRecord is what the log last said about each policy file.
	KindPolicyRecord Kind = "active"
	KindSession      Kind = "sessions"
	KindChallenge    Kind = "challenges"
	KindDelivery     Kind = "deliveries"
	KindState        Kind = "state"
)

// A Record is a value with an identity. Records are values: a reader may keep one, and never
// changes what its slices and maps hold.
type Record interface {
	Kind() Kind
	// Key identifies the record within its kind.
	Key() string
	// Terms are what the record can be found by, besides its key.
	Terms() []Term
}

// A Term is one word that a record is found by, such as "owner=usr_…". At most one record of a
// kind may hold a Unique term; the store refuses a second with ErrExists.
type Term struct {
	Text   string
	Unique bool
}

// The words that records are found by.
func ByOwner(ownerID string) string       { return "owner=" + ownerID }
func ByAgentID(agentID string) string     { return "agent_id=" + agentID }
func ByPrincipal(principal string) string { return "principal=" + principal }
func ByDecision(decisionID string) string { return "decision=" + decisionID }
func ByStatus(s Status) string            { return "status=" + string(s) }

func find(words ...string) []Term {
	terms := make([]Term, len(words))
	for i, w := range words {
		terms[i] = Term{Text: w}
	}
	return terms
}

// Status is where a record stands in its life.
type Status string

// The statuses; each record uses those that its comment names.
const (
	Pending  Status = "PENDING"
	Active   Status = "ACTIVE"
	Revoked  Status = "REVOKED"
	Approved Status = "APPROVED"
	Denied   Status = "DENIED"
	Expired  Status = "EXPIRED"
	Consumed Status = "CONSUMED"
	Redeemed Status = "REDEEMED"
	Dead     Status = "DEAD"
)

// Owner is a person or an organisation that agents act for: ACTIVE or REVOKED.
type Owner struct {
	ID             string     `json:"user_principal_id"` // usr_…
	Type           string     `json:"owner_type"`        // HUMAN or ORG
	DisplayName    string     `json:"display_name"`
	Status         Status     `json:"status"`
	PassphraseHash string     `json:"passphrase_hash,omitempty"` // argon2id; empty until set-up
	TOTP           *TOTP      `json:"totp,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	RevokedAt      *time.Time `json:"revoked_at,omitempty"`
}

// TOTP is an owner's second factor (RFC 6238).
type TOTP struct {
	Secret string `json:"secret"` // base32
	// Confirmed is false until the owner has shown that the authenticator works.
	Confirmed bool `json:"confirmed"`
	// LastStep is the time step of the last accepted code, so that a code works once.
	LastStep int64 `json:"last_step"`
	// RecoveryHashes are SHA-256 hashes (hex) of the unused recovery codes.
	RecoveryHashes []string `json:"recovery_hashes,omitempty"`
}

func (o Owner) Kind() Kind    { return KindOwner }
func (o Owner) Key() string   { return o.ID }
func (o Owner) Terms() []Term { return find(ByStatus(o.Status)) }

// Agent is a program that asks before it acts: PENDING until its owner accepts it, ACTIVE, or
// REVOKED. Only one agent that is not PENDING may hold an agent_id, so that nobody blocks a name
// by asking for it.
type Agent struct {
	PrincipalID  string    `json:"agent_principal_id"` // agt_…
	AgentID      string    `json:"agent_id"`
	OwnerID      string    `json:"owner_id"`
	PublicKeyB64 string    `json:"agent_pubkey_b64"` // DER SPKI
	Status       Status    `json:"status"`
	Groups       []string  `json:"groups,omitempty"`
	Webhook      *Webhook  `json:"webhook,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

// Webhook is where an agent hears of approvals and drafts. Its secrets never leave the store.
type Webhook struct {
	URL       string `json:"url"`
	Secret    string `json:"secret,omitempty"`
	AuthToken string `json:"auth_token,omitempty"`
}

func (a Agent) Kind() Kind  { return KindAgent }
func (a Agent) Key() string { return a.PrincipalID }
func (a Agent) Terms() []Term {
	return append(find(ByOwner(a.OwnerID), ByStatus(a.Status)),
		Term{Text: ByAgentID(a.AgentID), Unique: a.Status != Pending})
}

// InvitePurpose says what an invite lets its holder do.
type InvitePurpose string

// The purposes of invites.
const (
	InviteAgent InvitePurpose = "agent" // become an agent of the owner
	InviteSetup InvitePurpose = "setup" // set the owner's passphrase
)

// Invite is a single-use credential that an owner or admin hands out: PENDING, REDEEMED or
// REVOKED. It is worthless after ExpiresAt.
type Invite struct {
	ID        string        `json:"invite_id"` // inv_…
	Purpose   InvitePurpose `json:"purpose"`
	OwnerID   string        `json:"owner_id"`
	TokenHash string        `json:"token_hash"` // hex SHA-256
	Groups    []string      `json:"groups,omitempty"`
	// ReplaceAgentID lets the invite replace the key of this agent of the same owner.
	ReplaceAgentID string     `json:"replace_agent_id,omitempty"`
	Status         Status     `json:"status"`
	RedeemedBy     string     `json:"redeemed_by,omitempty"` // agt_… or usr_…
	CreatedAt      time.Time  `json:"created_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
	ResolvedAt     *time.Time `json:"resolved_at,omitempty"`
}

func (i Invite) Kind() Kind    { return KindInvite }
func (i Invite) Key() string   { return i.ID }
func (i Invite) Terms() []Term { return find(ByOwner(i.OwnerID), ByStatus(i.Status)) }

// Approval is an agent's request that its owner approve one stored decision: PENDING, then
// APPROVED, DENIED or EXPIRED; an APPROVED one becomes CONSUMED by the Record that redeems it.
// Only one approval that is not EXPIRED exists for a decision.
type Approval struct {
	ID               string          `json:"approval_request_id"` // apr_…
	OwnerID          string          `json:"owner_id"`
	AgentPrincipalID string          `json:"agent_principal_id"`
	AgentID          string          `json:"agent_id"`
	DecisionID       string          `json:"decision_id"`
	Required         Result          `json:"required"` // the REQUIRE_… result that asked for it
	ActionType       string          `json:"action_type"`
	ActionHash       string          `json:"action_hash"`
	Action           json.RawMessage `json:"action"` // as the log has it: in canonical form, without what is redacted
	// Redacted are the paths of the values that are not in Action, such as $.payload.email.
	Redacted      []string        `json:"redacted,omitempty"`
	PolicyID      string          `json:"matched_policy_id,omitempty"`
	RuleID        string          `json:"matched_rule_id,omitempty"`
	Reason        string          `json:"reason,omitempty"`
	Obligations   []Obligation    `json:"obligations,omitempty"`
	Justification string          `json:"justification,omitempty"`
	Context       json.RawMessage `json:"context,omitempty"`
	// Overages are the budgets that the action would exceed, as they were shown to the owner.
	Overages         []BudgetState `json:"overages,omitempty"`
	Status           Status        `json:"status"`
	CreatedAt        time.Time     `json:"created_at"`
	ExpiresAt        time.Time     `json:"expires_at"`
	ResolvedAt       *time.Time    `json:"resolved_at,omitempty"`
	ResolvedBy       string        `json:"resolved_by,omitempty"`
	DenyReason       string        `json:"deny_reason,omitempty"`
	AssuranceLevel   string        `json:"assurance_level,omitempty"` // SUBSTANTIAL after TOTP
	DepositReference string        `json:"deposit_reference,omitempty"`
	TokenExpiresAt   *time.Time    `json:"approval_token_expires_at,omitempty"`
}

func (a Approval) Kind() Kind  { return KindApproval }
func (a Approval) Key() string { return a.ID }
func (a Approval) Terms() []Term {
	terms := find(ByOwner(a.OwnerID), ByPrincipal(a.AgentPrincipalID), ByStatus(a.Status))
	if a.Status == Expired {
		return terms // a fresh request may take its place
	}
	return append(terms, Term{Text: ByDecision(a.DecisionID), Unique: true})
}

// Draft is a policy that an agent proposes: PENDING, APPROVED or DENIED.
type Draft struct {
	ID               string `json:"policy_draft_id"` // drf_…
	OwnerID          string `json:"owner_id"`
	AgentPrincipalID string `json:"agent_principal_id"`
	AgentID          string `json:"agent_id"`
	PolicyYAML       string `json:"policy_yaml"`
	// AppliesTo is the agent that the draft asks to apply to; empty for all agents of the owner.
	AppliesTo     string     `json:"applies_to_agent_principal_id,omitempty"`
	Name          string     `json:"name,omitempty"`
	Description   string     `json:"description,omitempty"`
	Justification string     `json:"justification,omitempty"`
	Status        Status     `json:"status"`
	PolicyID      string     `json:"policy_id,omitempty"` // set when approved
	DenyReason    string     `json:"deny_reason,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	ResolvedAt    *time.Time `json:"resolved_at,omitempty"`
	ResolvedBy    string     `json:"resolved_by,omitempty"`
}

func (d Draft) Kind() Kind  { return KindDraft }
func (d Draft) Key() string { return d.ID }
func (d Draft) Terms() []Term {
	return find(ByOwner(d.OwnerID), ByPrincipal(d.AgentPrincipalID), ByStatus(d.Status))
}

// Key is an Ed25519 key pair of the server. Each purpose has its own keys.
type Key struct {
	KID           string     `json:"kid"`
	Purpose       string     `json:"purpose"`         // proof, approval, session or log
	PrivateKeyB64 string     `json:"private_key_b64"` // DER PKCS#8
	PublicKeyB64  string     `json:"public_key_b64"`  // DER SPKI
	CreatedAt     time.Time  `json:"created_at"`
	RevokedAt     *time.Time `json:"revoked_at,omitempty"`
}

func (k Key) Kind() Kind    { return KindKey }
func (k Key) Key() string   { return k.KID }
func (k Key) Terms() []Term { return nil }

// Session is one log-in of an owner. Deleting it ends it.
type Session struct {
	ID        string    `json:"session_id"` // ses_…
	OwnerID   string    `json:"owner_id"`
	UserAgent string    `json:"user_agent,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s Session) Kind() Kind    { return KindSession }
func (s Session) Key() string   { return s.ID }
func (s Session) Terms() []Term { return find(ByOwner(s.OwnerID)) }

// Challenge is what an agent must sign to show that it holds its private key.
type Challenge struct {
	ID           string    `json:"challenge_id"` // chl_…
	AgentID      string    `json:"agent_id"`
	PublicKeyB64 string    `json:"agent_pubkey_b64"`
	ChallengeB64 string    `json:"challenge_b64"`
	OwnerID      string    `json:"owner_id,omitempty"`
	From         string    `json:"from,omitempty"` // the network that asked
	CreatedAt    time.Time `json:"created_at"`
	ExpiresAt    time.Time `json:"expires_at"`
}

func (c Challenge) Kind() Kind    { return KindChallenge }
func (c Challenge) Key() string   { return c.ID }
func (c Challenge) Terms() []Term { return nil }

// Delivery is one webhook call that is owed to an agent: PENDING until delivered (then it is
// deleted), DEAD after the last attempt.
type Delivery struct {
	ID               string          `json:"delivery_id"` // whd_…
	AgentPrincipalID string          `json:"agent_principal_id"`
	OwnerID          string          `json:"owner_id"`
	EventType        string          `json:"event_type"`
	Body             json.RawMessage `json:"body"`
	Status           Status          `json:"status"`
	Attempts         int             `json:"attempts"`
	NextAttempt      time.Time       `json:"next_attempt"`
	LastError        string          `json:"last_error,omitempty"`
	CreatedAt        time.Time       `json:"created_at"`
}

func (d Delivery) Kind() Kind    { return KindDelivery }
func (d Delivery) Key() string   { return d.ID }
func (d Delivery) Terms() []Term { return find(ByOwner(d.OwnerID), ByStatus(d.Status)) }

// State is the one record of what belongs to the whole installation.
type State struct {
	SchemaVersion int `json:"schema_version"`
	// ActiveKeys maps a key purpose to the kid that signs for it.
	ActiveKeys map[string]string `json:"active_keys"`
	CreatedAt  time.Time         `json:"created_at"`
}

// StateKey is the key of the State record.
const StateKey = "state"

func (s State) Kind() Kind    { return KindState }
func (s State) Key() string   { return StateKey }
func (s State) Terms() []Term { return nil }
