package proof

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Action is one action request as it stands on the wire. Empty fields are left out.
type Action struct {
	ActionID     string          `json:"action_id,omitempty"` // [A-Za-z0-9._:-]{1,128}; the idempotency key
	ActionType   string          `json:"action_type"`         // words of [A-Za-z0-9_-] joined by dots, ≤ 128 bytes
	RequestedAt  string          `json:"requested_at,omitempty"`
	Principal    *Principal      `json:"principal,omitempty"`
	Subject      *Subject        `json:"subject,omitempty"`
	Resource     *Resource       `json:"resource,omitempty"`
	RelyingParty *RelyingParty   `json:"relying_party,omitempty"`
	Payload      json.RawMessage `json:"payload,omitempty"` // an object; "context" is another name for it
}

// Principal is the agent that asks.
type Principal struct {
	AgentID string `json:"agent_id"`
}

// Subject is the owner on whose behalf it asks.
type Subject struct {
	PrincipalID string `json:"principal_id"`
}

// Resource is what the action is done to.
type Resource struct {
	ResourceID   string `json:"resource_id,omitempty"`
	ResourceType string `json:"resource_type,omitempty"`
}

// RelyingParty is the counterparty that will be shown the proof.
type RelyingParty struct {
	RPID         string `json:"rp_id,omitempty"`
	Domain       string `json:"domain,omitempty"`
	TrustProfile string `json:"trust_profile,omitempty"` // LOW, MEDIUM, HIGH or REGULATED
}

// ParsedAction is an action request that ParseAction accepted.
type ParsedAction struct {
	Action
	// Canonical is the request as received, less approval_token, in canonical form.
	Canonical []byte
	// Hash is the action hash: hex SHA-256 of Canonical.
	Hash string
	// Input is Canonical with context renamed to payload: what policies see.
	Input []byte
	// ApprovalToken stood beside the action; empty if none did.
	ApprovalToken string
	// AmountMinor is payload.amount_minor if it is an integer and not negative, else nil.
	AmountMinor *int64
	// Currency is payload.currency if it is a string, else empty.
	Currency string
}

// ErrorCode says what is wrong with an action request. The codes are stable.
type ErrorCode string

// What can be wrong with an action request.
const (
	InvalidJSON   ErrorCode = "INVALID_JSON"
	InvalidUTF8   ErrorCode = "INVALID_UTF8"
	TrailingData  ErrorCode = "TRAILING_DATA"
	TooLarge      ErrorCode = "TOO_LARGE"
	TooDeep       ErrorCode = "TOO_DEEP"
	DuplicateKey  ErrorCode = "DUPLICATE_KEY"
	UnknownKey    ErrorCode = "UNKNOWN_KEY"
	InexactNumber ErrorCode = "INEXACT_NUMBER"
	MissingKey    ErrorCode = "MISSING_KEY"
	WrongType     ErrorCode = "WRONG_TYPE"
	InvalidValue  ErrorCode = "INVALID_VALUE"
	Ambiguous     ErrorCode = "AMBIGUOUS" // payload and context both
)

// ActionError says what is wrong with an action request, and where.
type ActionError struct {
	Code    ErrorCode
	Path    string // as policies write it: $.payload.items[0].sku
	Message string // for people
}

func (e *ActionError) Error() string { return e.Path + ": " + e.Message }

// ParseAction reads the body of an authorize request. It refuses whatever the protocol does not
// name; the error is an *ActionError. Whether the agent may speak for the principal and subject that
// the action names is for the caller to check.
func ParseAction(body []byte) (*ParsedAction, error) {
	canonical, err := Canonical(body)
	if err != nil {
		return nil, err
	}
	if canonical[0] != '{' {
		return nil, wrongType("$", "an object")
	}
	p := &ParsedAction{Canonical: canonical}
	r := reader{}
	if err := r.action(p); err != nil {
		return nil, err
	}
	switch {
	case p.ActionType == "":
		return nil, &ActionError{Code: MissingKey, Path: "$.action_type", Message: "action_type is required"}
	case r.hasContext && r.hasPayload:
		return nil, &ActionError{Code: Ambiguous, Path: "$.context", Message: "context is another name for payload; give one of them"}
	}
	if r.hasToken {
		p.Canonical = rewrite(canonical, "approval_token", "")
	}
	p.Hash = hashOf(p.Canonical)
	p.Input = p.Canonical
	if r.hasContext {
		p.Input = rewrite(p.Canonical, "context", "payload")
	}
	return p, nil
}

// reader checks a canonical action field by field.
type reader struct{ hasContext, hasPayload, hasToken bool }

func (r *reader) action(p *ParsedAction) (err error) {
	for key, value := range membersOf(p.Canonical) {
		switch key {
		case "action_id":
			p.ActionID, err = text("$.action_id", value, isActionID)
		case "action_type":
			p.ActionType, err = text("$.action_type", value, isActionType)
		case "requested_at":
			p.RequestedAt, err = text("$.requested_at", value, isTime)
		case "principal":
			p.Principal = new(Principal)
			err = object("$.principal", value, required, field{"agent_id", &p.Principal.AgentID, isShort})
		case "subject":
			p.Subject = new(Subject)
			err = object("$.subject", value, required, field{"principal_id", &p.Subject.PrincipalID, isShort})
		case "resource":
			p.Resource = new(Resource)
			err = object("$.resource", value, optional,
				field{"resource_id", &p.Resource.ResourceID, isLong},
				field{"resource_type", &p.Resource.ResourceType, isShort})
		case "relying_party":
			p.RelyingParty = new(RelyingParty)
			err = object("$.relying_party", value, optional,
				field{"rp_id", &p.RelyingParty.RPID, isShort},
				field{"domain", &p.RelyingParty.Domain, isShort},
				field{"trust_profile", &p.RelyingParty.TrustProfile, isTrustProfile})
		case "payload", "context":
			r.hasPayload = r.hasPayload || key == "payload"
			r.hasContext = r.hasContext || key == "context"
			err = p.payload("$."+key, value)
		case "approval_token":
			r.hasToken = true
			p.ApprovalToken, err = text("$.approval_token", value, isToken)
		default:
			err = unknownKey("$", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// payload takes the payload and what proofs repeat of it. Other types than expected are for the
// policy to judge: to it they are unknown, and unknown is never a yes.
func (p *ParsedAction) payload(path string, value []byte) error {
	if value[0] != '{' {
		return wrongType(path, "an object")
	}
	p.Payload = value
	for key, value := range membersOf(value) {
		switch key {
		case "amount_minor":
			if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && n >= 0 {
				p.AmountMinor = &n
			}
		case "currency":
			p.Currency, _ = text("", value, isShort)
		}
	}
	return nil
}

// field is one string of an object of the action.
type field struct {
	key   string
	value *string
	valid rule
}

const (
	required = true
	optional = false
)

// object reads an object that has only the given fields.
func object(path string, value []byte, required bool, fields ...field) error {
	if value[0] != '{' {
		return wrongType(path, "an object")
	}
next:
	for key, value := range membersOf(value) {
		for _, f := range fields {
			if f.key == key {
				var err error
				if *f.value, err = text(path+"."+key, value, f.valid); err != nil {
					return err
				}
				continue next
			}
		}
		return unknownKey(path, key)
	}
	for _, f := range fields {
		if required && *f.value == "" {
			return &ActionError{Code: MissingKey, Path: path + "." + f.key, Message: f.key + " is required"}
		}
	}
	return nil
}

// text reads a string that keeps a rule.
func text(path string, value []byte, valid rule) (string, error) {
	if value[0] != '"' {
		return "", wrongType(path, "a string")
	}
	s := string(value[1 : len(value)-1])
	if strings.IndexByte(s, '\\') >= 0 {
		unquoted, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return "", &ActionError{Code: InvalidJSON, Path: path, Message: err.Error()}
		}
		s = string(unquoted)
	}
	if want := valid(s); want != "" {
		return "", &ActionError{Code: InvalidValue, Path: path, Message: "must be " + want}
	}
	return s, nil
}

// rule returns what a string must be, or "" if it is.
type rule func(s string) string

func isActionID(s string) string {
	if len(s) < 1 || len(s) > 128 || strings.Trim(s, nameBytes+".:") != "" {
		return "a UUID or 1 to 128 of A-Z a-z 0-9 . _ : -"
	}
	return ""
}

func isActionType(s string) string {
	const want = "words of A-Z a-z 0-9 _ - joined by single dots, at most 128 bytes"
	if len(s) > 128 {
		return want
	}
	for word := range strings.SplitSeq(s, ".") {
		if !isWord(word) {
			return want
		}
	}
	return ""
}

func isTime(s string) string {
	if _, err := ParseTime(s); err != nil {
		return "an RFC 3339 time, such as 2026-01-31T12:00:00.000Z"
	}
	return ""
}

func isTrustProfile(s string) string {
	switch s {
	case "LOW", "MEDIUM", "HIGH", "REGULATED":
		return ""
	}
	return "LOW, MEDIUM, HIGH or REGULATED"
}

func isShort(s string) string { return isPlain(s, 256) }
func isLong(s string) string  { return isPlain(s, 2048) }
func isToken(s string) string { return isPlain(s, MaxToken) }

// isPlain allows what can stand in a file or a log line without breaking it.
func isPlain(s string, limit int) string {
	if len(s) < 1 || len(s) > limit || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "1 to " + strconv.Itoa(limit) + " bytes without control characters"
	}
	return ""
}

func wrongType(path, want string) error {
	return &ActionError{Code: WrongType, Path: path, Message: "must be " + want}
}

func unknownKey(path, key string) error {
	if isWord(key) {
		path += "." + key
	} else {
		path += `["` + shorten([]byte(key)) + `"]`
	}
	return &ActionError{Code: UnknownKey, Path: path, Message: "the key is not part of an action request"}
}
