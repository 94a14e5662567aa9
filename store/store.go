package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	// ErrExists: a record with this key, or with one of its unique terms, exists.
	ErrExists = errors.New("already exists")
	// ErrReplay: the nonce was used.
	ErrReplay = errors.New("nonce already used")
	// ErrFull: memory for nonces is used up; the caller must slow down.
	ErrFull = errors.New("too many nonces")
	// ErrConsumed: the approval request was redeemed before.
	ErrConsumed = errors.New("approval already consumed")
	// ErrActionIDReused: the agent used the action_id for an action with another hash.
	ErrActionIDReused = errors.New("action_id already used for another action")
	// ErrSettled: the decision was settled in another way, which this settlement cannot follow.
	ErrSettled = errors.New("already settled in another way")
	// ErrNotAllowed: the settlement lowers a charge, and who asks for it may not.
	ErrNotAllowed = errors.New("not allowed to lower the charge")
	// ErrRedeemed: the proof of the decision was redeemed before.
	ErrRedeemed = errors.New("already redeemed")
	// ErrReleased: the decision was released, so its proof is not valid any more.
	ErrReleased = errors.New("the decision was released")
	// ErrSettlement: the amount or the kind of a settlement makes no sense for what was charged.
	ErrSettlement = errors.New("not a possible settlement")
	// ErrReadOnly: a policy file cannot be written where it is. Nothing was changed.
	ErrReadOnly = errors.New("the policy file cannot be written")
	// ErrChanged: what the caller decided with is not what is in force any more. Nothing was recorded; decide again.
	ErrChanged = errors.New("owners, agents, policies or keys were changed")
	// ErrUnavailable: the log cannot be written now (full disk, read-only folder). Nothing was
	// recorded and nothing was charged.
	ErrUnavailable = errors.New("the log cannot be written")
)

// ExceededError says which budgets an action would exceed. Nothing was recorded.
type ExceededError struct {
	Budgets []BudgetState // before the action
}

func (e *ExceededError) Error() string {
	return "budget " + e.Budgets[0].ID + " of policy " + e.Budgets[0].PolicyID + " is exceeded"
}

// Generation numbers the states of all that decisions depend on: owners, agents, policies and keys. It starts at 1;
// the zero value stands for any state.
type Generation uint64

// Reader reads records.
type Reader interface {
	// Get returns one record, or ErrNotFound.
	Get(ctx context.Context, kind Kind, key string) (Record, error)
	// Find yields the records of a kind that hold all the terms, by key; without terms, all.
	Find(ctx context.Context, kind Kind, terms ...string) iter.Seq2[Record, error]
}

// Tx is one transaction: all that it puts, deletes and appends happens, durably, or nothing does.
// It reads its own writes.
type Tx interface {
	Reader
	Put(r Record) error    // insert or replace; ErrExists if a unique term is taken
	Insert(r Record) error // ErrExists if the key or a unique term is taken
	Delete(kind Kind, key string) error
	Append(e Entry) // to the log
	// Then runs fn once the transaction is durable and before anything is recorded in its new [Generation]. It makes
	// active what follows from the transaction, and may read the store.
	Then(fn func())
}

// Get returns one record of type T, or ErrNotFound.
func Get[T Record](ctx context.Context, r Reader, key string) (T, error) {
	var zero T
	rec, err := r.Get(ctx, zero.Kind(), key)
	if err != nil {
		return zero, err
	}
	return rec.(T), nil
}

// Find returns the records of type T that hold all the terms, by key.
func Find[T Record](ctx context.Context, r Reader, terms ...string) ([]T, error) {
	var zero T
	var out []T
	for rec, err := range r.Find(ctx, zero.Kind(), terms...) {
		if err != nil {
			return nil, err
		}
		out = append(out, rec.(T))
	}
	return out, nil
}

// First returns the first record of type T that holds all the terms, or ErrNotFound.
func First[T Record](ctx context.Context, r Reader, terms ...string) (T, error) {
	var zero T
	for rec, err := range r.Find(ctx, zero.Kind(), terms...) {
		if err != nil {
			return zero, err
		}
		return rec.(T), nil
	}
	return zero, ErrNotFound
}

// Recorded is what Record did.
type Recorded struct {
	// Decision is the one in the log: the caller's, or the earlier one if Replayed.
	Decision Decision
	// Replayed: the agent asked the same action before; nothing was charged again.
	Replayed bool
	// Budgets are the charged budgets after the charge, in the order of the charges.
	Budgets []BudgetState
	// RedeemedAt is when the proof of the decision was redeemed; zero if it was not.
	RedeemedAt time.Time
	// Alerts are the thresholds that this charge was the first to reach in their windows.
	Alerts []Alert
}

// Settlement kinds.
const (
	Commit  = "commit"
	Release = "release"
	Refund  = "refund"
	Redeem  = "redeem"
)

// Settlement changes what an ALLOW charged.
type Settlement struct {
	DecisionID       string
	AgentPrincipalID string // must be the decision's, if it is not empty
	OwnerID          string // must be the decision's, if it is not empty
	// Kind is "commit" (the actual amount replaces the charge), "release" (the charge is dropped), "refund" (the
	// amount is taken off what was committed) or "redeem" (the proof is used up, and the charge committed to at most
	// the amount; once for a decision).
	Kind   string
	Amount int64 // minor units; unused by release
	// Receipt is the counterparty's reference of a redemption.
	Receipt string
	// Worth is the amount of the proof, in minor units. A redemption lowers only charges of exactly this amount: what a
	// budget counts from another field of the action is not what the counterparty took.
	Worth int64
	// Generation is the state in which MayLower answers; see Decision.
	Generation Generation
	// MayLower says whether the charge of a budget may be lowered; nil permits none.
	MayLower func(BudgetKey) bool
	Entry    Entry // the log entry to append; the store fills its charges
}

// Fate is what became of an allowed decision.
type Fate struct {
	Released   bool      // its charge was dropped, and its proof is not valid any more
	RedeemedAt time.Time // when its proof was redeemed; zero if it was not
	Last       *Settled  // its latest settlement; nil if there is none
}

// AuditQuery selects log entries, newest first. Zero fields do not restrict.
type AuditQuery struct {
	OwnerID          string
	AgentPrincipalID string
	Types            []EventType
	Result           Result
	PolicyID         string
	Since, Until     time.Time // Since <= time < Until
	Text             string    // a substring of the line, ignoring case
	Limit            int       // 1..500; 0 is 50
	Cursor           string    // from an earlier page
}

// Counts are numbers of decisions, by result.
type Counts map[Result]int

// AuditPage is one page of entries, newest first.
type AuditPage struct {
	Items      []Entry
	NextCursor string // empty on the last page
}
