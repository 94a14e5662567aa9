package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The kinds of errors, for errors.Is.
var (
	ErrUnreachable = errors.New("unreachable")      // no connection to the server
	ErrTimeout     = errors.New("timeout")          // the server did not answer in time
	ErrServer      = errors.New("server fault")     // HTTP 5xx
	ErrResponse    = errors.New("invalid response") // not JSON, not the protocol, or not what was asked
	ErrClockSkew   = errors.New("clock skew")       // this machine's clock is wrong, or the server's
	ErrKey         = errors.New("invalid key")      // a key of the wrong kind, or one that the server does not take
	ErrRequest     = errors.New("refused request")  // any other HTTP 4xx; Code says why
	ErrNotAllowed  = errors.New("not allowed")      // a decision other than ALLOW
	ErrApproval    = errors.New("not approved")     // denied, expired, or not decided in time
)

// Error is what went wrong between this program and the server.
type Error struct {
	Kind    error  // one of the above
	Code    string // the server's, such as NO_POLICY; empty if it gave none
	Status  int    // HTTP status; 0 without an answer
	Message string // what happened and what to do
	Err     error  // the cause, if any

	retryAfter time.Duration
}

func (e *Error) Error() string {
	text := "openleash: " + e.Message
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether target is the kind of the error.
func (e *Error) Is(target error) bool { return target == e.Kind }

func (e *Error) Unwrap() error { return e.Err }

// Code returns the server's code of an error, or "".
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// NotAllowedError is a decision other than ALLOW where an ALLOW was needed.
type NotAllowedError struct{ Decision *Decision }

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("openleash: %s is not allowed: %s: %s", e.Decision.ActionType(), e.Decision.Result, e.Decision.Reason)
}

// Is makes it an ErrNotAllowed.
func (e *NotAllowedError) Is(target error) bool { return target == ErrNotAllowed }

// ApprovalError is an approval request that did not lead to a yes.
type ApprovalError struct{ Request *ApprovalRequest }

func (e *ApprovalError) Error() string {
	switch e.Request.Status {
	case "DENIED":
		return "openleash: the owner denied the request " + e.Request.ID + ": " + e.Request.DenyReason
	case "PENDING":
		return "openleash: the owner has not decided the request " + e.Request.ID + " yet; wait for it again later"
	}
	return "openleash: the request " + e.Request.ID + " is " + e.Request.Status + "; ask again with a new action"
}

// Is makes it an ErrApproval.
func (e *ApprovalError) Is(target error) bool { return target == ErrApproval }

// refused makes an error of an answer that is not 2xx. The answer's text is shortened: it may be a
// page of some proxy.
func refused(res *http.Response, code, message string, now time.Time) *Error {
	e := &Error{Kind: ErrRequest, Code: code, Status: res.StatusCode, Message: message}
	if message == "" {
		e.Message = "the server answers with HTTP status " + res.Status
	}
	switch {
	case res.StatusCode >= 500:
		e.Kind = ErrServer
		e.Message += "; look at the server's log and at GET /v1/health"
	case res.StatusCode == http.StatusTooManyRequests:
		if wait, err := time.ParseDuration(res.Header.Get("Retry-After") + "s"); err == nil {
			e.retryAfter = wait
		}
	case code == "TIMESTAMP_SKEW":
		e.Kind = ErrClockSkew
		e.Message = "the clocks differ too much; set this machine's clock"
		if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
			e.Message = fmt.Sprintf("this machine's clock is %s; set it", offBy(now.Sub(date)))
		}
	case code == "INVALID_SIGNATURE", code == "INVALID_KEY":
		e.Kind = ErrKey
		e.Message += "; check that the private key belongs to the agent id"
	case res.StatusCode >= 300 && res.StatusCode < 400:
		e.Kind = ErrResponse
		e.Message = "the server redirects to " + res.Header.Get("Location") + "; set the URL to where the API is"
	}
	return e
}

func offBy(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " behind the server's"
	}
	return d.Round(time.Second).String() + " ahead of the server's"
}
