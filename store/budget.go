package store

import "time"

// Measure says what a budget counts.
type Measure string

// The measures.
const (
	MeasureAmount Measure = "amount" // minor units of one currency
	MeasureCount  Measure = "count"  // actions
)

// Per says whose spending a budget adds up.
type Per string

// The subjects of budgets.
const (
	PerAgent Per = "agent"
	PerOwner Per = "owner"
	PerGroup Per = "group"
)

// BudgetKey names one account of the ledger. It holds nothing that an owner may edit without
// meaning another budget, so that changing a limit forgives nothing.
type BudgetKey struct {
	OwnerID  string `json:"owner_id"`
	PolicyID string `json:"policy_id"`
	BudgetID string `json:"budget_id"`
	// Subject is the agent principal, the owner or the group whose spending is added up.
	Subject  string  `json:"subject"`
	Measure  Measure `json:"measure"`
	Currency string  `json:"currency,omitempty"` // ISO 4217; empty when counting
}

// Budget is one account with the limit that is now in force.
type Budget struct {
	Key     BudgetKey `json:"key"`
	Per     Per       `json:"per"`
	Limit   int64     `json:"limit"` // minor units or actions
	Window  Window    `json:"window"`
	AlertAt []int     `json:"alert_at,omitempty"` // percent, ascending
}

// Charge is what one ALLOW takes from one budget.
type Charge struct {
	Budget Budget `json:"budget"`
	Amount int64  `json:"amount"` // > 0 minor units, or 1 action; 0 is allowed and charges nothing
	// Overage: the owner approved exceeding the limit by this action.
	Overage bool `json:"overage,omitempty"`
}

// BudgetState is how one budget stands. Spent may exceed Limit after an approved overage or a
// lowered limit; Remaining is then 0.
type BudgetState struct {
	PolicyID  string     `json:"policy_id"`
	ID        string     `json:"id"`
	Subject   string     `json:"subject,omitempty"`
	Per       Per        `json:"per,omitempty"`
	Measure   Measure    `json:"measure,omitempty"`
	Currency  string     `json:"currency,omitempty"`
	Limit     int64      `json:"limit"`
	Spent     int64      `json:"spent"`
	Remaining int64      `json:"remaining"`
	ResetsAt  *time.Time `json:"resets_at,omitempty"` // when a calendar window ends; when the oldest charge of a sliding one ages out
}
