package compiler

import (
	"encoding/json"
	"time"
)

// Header is what a policy says of itself.
type Header struct {
	ID          string
	Name        string
	Description string
	Enabled     bool
	Owner       string   // usr_…; empty for the only owner
	Agents      []string // agent_ids that it applies to
	Groups      []string // groups that it applies to; with Agents empty too, all agents of the owner
	Guardrail   bool
	Rank        int
	// RenamedFrom is the id that the policy had before; what was spent under it still counts.
	RenamedFrom string
}

// DefaultRank is that of a policy that names none.
const DefaultRank = 100

// Policy is one checked file.
type Policy struct {
	Header
	File       string
	Default    Default
	HasDefault bool // the file names a default
	Rules      []Rule
	Budgets    []Budget
}

// Default is what a policy says when no rule of any layer matches.
type Default string

// The defaults; the zero value denies.
const (
	DefaultDeny            Default = "deny"
	DefaultAllow           Default = "allow"
	DefaultRequireApproval Default = "require_approval"
	DefaultPassthrough     Default = "passthrough"
)

// defaults are the words for them.
var defaults = []string{string(DefaultAllow), string(DefaultDeny), string(DefaultRequireApproval), string(DefaultPassthrough)}

// Effect is what a rule says. The zero value denies.
type Effect int

// The effects. A rule that requires something allows, with an obligation.
const (
	Deny Effect = iota
	Allow
)

func (e Effect) String() string {
	if e == Allow {
		return "allow"
	}
	return "deny"
}

// The types of obligations.
const (
	HumanApproval           = "HUMAN_APPROVAL"
	StepUpAuth              = "STEP_UP_AUTH"
	Deposit                 = "DEPOSIT"
	CounterpartyAttestation = "COUNTERPARTY_ATTESTATION"
)

// Obligation is what must hold for an allow to stand.
type Obligation struct {
	Type   string          `json:"type"`
	Params json.RawMessage `json:"params,omitempty"` // a JSON object
}

// ProofSpec says whether an allow carries a proof, and how long it lives.
type ProofSpec struct {
	Required   bool `json:"required"`
	TTLSeconds int  `json:"ttl_seconds,omitempty"` // 0: the server's default
	// Redeem: the proof is valid only when it is redeemed online, once.
	Redeem bool `json:"-"`
}

// Rule is one rule of a policy.
type Rule struct {
	ID           string
	Effect       Effect
	Description  string
	Actions      []string // patterns: exact, prefix.* or *
	When         Expr     // when and conditions; nil always holds
	Constraints  Expr     // nil always holds
	MinAssurance string   // LOW, SUBSTANTIAL, HIGH; empty for none
	Obligations  []Obligation
	Proof        ProofSpec
	// Fields are those that the rule looks at, with the types it needs.
	Fields []FieldRef
	Pos    Position
}

// FieldRef is a field that a rule looks at.
type FieldRef struct {
	Path Path
	Type string // number, nonnegative, amount (whole and nonnegative), string, boolean, null, any or domain
}

// Budget is a cap on cumulative spending or actions.
type Budget struct {
	ID        string        `json:"id"`
	Limit     int64         `json:"limit"` // minor units, or actions
	Currency  string        `json:"currency,omitempty"`
	Measure   string        `json:"measure"` // amount or count
	Amount    Path          `json:"-"`       // where the amount stands
	Calendar  string        `json:"calendar,omitempty"`
	Sliding   time.Duration `json:"-"`
	Zone      string        `json:"timezone,omitempty"`
	WeekStart time.Weekday  `json:"-"`
	Per       string        `json:"per"` // agent, owner or group
	Actions   []string      `json:"actions"`
	OnExceed  string        `json:"on_exceed"` // deny or require_approval
	AlertAt   []int         `json:"alert_at,omitempty"`
	// SettleBy is who may lower a charge: owner, gateway, counterparty, agent; nil for the default. See MayLower.
	SettleBy []string `json:"settle_by,omitempty"`
	// RenamedFrom is the id that the budget had before; what was spent under it still counts.
	RenamedFrom string   `json:"renamed_from,omitempty"`
	Pos         Position `json:"-"`
}

// Limits on what one file may hold. Together they bound how long it takes to read and to compile.
const (
	MaxFile       = 512 << 10 // bytes
	MaxRules      = 5000
	MaxParts      = 10_000 // of all rules together, weighed as below
	MaxConditions = 100    // conditions and constraints of one rule: OPA takes n² for the expressions of a body
	MaxBudgets    = 100
	MaxDepth      = 32
	MaxList       = 10_000 // elements of one list
	MaxActions    = 100    // action patterns of one rule or budget
	MaxProofTTL   = 3600   // seconds
)

// What the parts of a policy count towards MaxParts: about what each takes to compile, compared with the
// others.
const (
	patternParts   = 1 // an action pattern of a rule
	valueParts     = 1 // an element of a list to compare with, or of params
	conditionParts = 2
	domainsParts   = 5 // a list of domains, besides its elements
	scheduleParts  = 8
	regexByteParts = 1 // a byte of a regex: (?i)\pL alone takes 50 µs to read
)
