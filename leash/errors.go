package leash

import (
	"errors"
	"fmt"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash/policybook"
)

// Code is a stable name for what went wrong, as clients see it.
type Code string

// The codes.
const (
	// Requests that cannot be understood.
	InvalidRequest Code = "INVALID_REQUEST"
	InvalidAction  Code = "INVALID_ACTION"
	InvalidPolicy  Code = "INVALID_POLICY"
	NotFound       Code = "NOT_FOUND"
	RateLimited    Code = "RATE_LIMITED"
	Unavailable    Code = "UNAVAILABLE"

	// Agents.
	MissingHeaders   Code = "MISSING_HEADERS"
	TimestampSkew    Code = "TIMESTAMP_SKEW"
	NonceReplay      Code = "NONCE_REPLAY"
	BodyHashMismatch Code = "BODY_HASH_MISMATCH"
	AgentNotFound    Code = "AGENT_NOT_FOUND"
	AgentInactive    Code = "AGENT_INACTIVE"
	InvalidSignature Code = "INVALID_SIGNATURE"
	AgentMismatch    Code = "AGENT_MISMATCH"
	SubjectMismatch  Code = "SUBJECT_MISMATCH"
	NoPolicy         Code = "NO_POLICY"
	ActionIDReused   Code = "ACTION_ID_REUSED"
	AgentIDTaken     Code = "AGENT_ID_TAKEN"
	InvalidInvite    Code = "INVALID_INVITE"
	InvalidChallenge Code = "INVALID_CHALLENGE"
	InvalidKey       Code = "INVALID_KEY"
	InvalidWebhook   Code = "INVALID_WEBHOOK"
	CannotSettle     Code = "CANNOT_SETTLE"
	// TooManyOpenRequests: the agent or its owner has as many approval requests open as there may be.
	TooManyOpenRequests Code = "TOO_MANY_OPEN_REQUESTS"
	// SettlementNotAllowed: a charge would be lowered, and settle_by of its budget does not name the caller.
	SettlementNotAllowed Code = "SETTLEMENT_NOT_ALLOWED"

	// Approvals.
	InvalidApprovalToken    Code = "INVALID_APPROVAL_TOKEN"
	ApprovalRequestNotFound Code = "APPROVAL_REQUEST_NOT_FOUND"
	InvalidApprovalStatus   Code = "INVALID_APPROVAL_STATUS"
	ApprovalTokenConsumed   Code = "APPROVAL_TOKEN_CONSUMED"
	ApprovalAgentMismatch   Code = "APPROVAL_AGENT_MISMATCH" // AGENT_MISMATCH on the wire, with status 400
	ActionHashMismatch      Code = "ACTION_HASH_MISMATCH"
	DecisionNotApprovable   Code = "DECISION_NOT_APPROVABLE"
	RequestExpired          Code = "REQUEST_EXPIRED"
	InvalidStatus           Code = "INVALID_STATUS"
	DepositRequired         Code = "DEPOSIT_REFERENCE_REQUIRED"

	// Owners.
	AmbiguousOwner     Code = "AMBIGUOUS_OWNER" // none is named, and there are several
	Unauthenticated    Code = "UNAUTHENTICATED"
	Forbidden          Code = "FORBIDDEN"
	InvalidCredentials Code = "INVALID_CREDENTIALS"
	SetupRequired      Code = "SETUP_REQUIRED"
	TOTPRequired       Code = "TOTP_REQUIRED"
	InvalidTOTP        Code = "INVALID_TOTP"
	WeakPassphrase     Code = "WEAK_PASSPHRASE"
	Conflict           Code = "CONFLICT"
	PolicyReadOnly     Code = "POLICY_READ_ONLY" // its file can be changed only where it comes from
)

// Error is what a caller may be told. Message says what happened and what to do; Err, if any, is the
// cause, for the operator's log alone.
type Error struct {
	Code    Code
	Message string
	Details any // encodes to JSON; nil if there is nothing to add
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// Is lets errors.Is match by code: errors.Is(err, &Error{Code: NotFound}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// CodeOf returns the code of err, or "" if err is nil or not an *Error.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Problem is one diagnostic of a policy, as clients see it.
type Problem = policybook.Problem

// Problems turns diagnostics into their wire form.
func Problems(ds compiler.Diagnostics) []Problem { return policybook.Problems(ds) }

func invalidPolicy(ds compiler.Diagnostics) *Error {
	first := "the policy has errors"
	if errs := ds.Errors(); len(errs) > 0 {
		first = errs[0].String()
	}
	return &Error{Code: InvalidPolicy, Message: first, Details: map[string]any{"errors": Problems(ds)}}
}
