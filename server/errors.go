package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/openleash/openleash-go/leash"
)

// Codes of what goes wrong before a use case is reached.
const (
	bodyTooLarge     leash.Code = "BODY_TOO_LARGE"
	methodNotAllowed leash.Code = "METHOD_NOT_ALLOWED"
	wrongHost        leash.Code = "WRONG_HOST"
	crossOrigin      leash.Code = "CROSS_ORIGIN"
	internal         leash.Code = "INTERNAL"
)

// ErrorBody is the answer to every request that failed.
type ErrorBody struct {
	Error ErrorInfo `json:"error"`
}

// ErrorInfo says what went wrong. Code is stable; Message is for people.
type ErrorInfo struct {
	Code    leash.Code `json:"code"`
	Message string     `json:"message"`
	Details any        `json:"details,omitempty"`
}

func fail(code leash.Code, message string) error {
	return &leash.Error{Code: code, Message: message}
}

// statusOf is the one place that maps codes to HTTP statuses. redeems says that the request is an
// action request, in which an approval is part of the body and not the resource that was asked for.
func statusOf(code leash.Code, redeems bool) int {
	switch code {
	case leash.InvalidRequest, leash.AmbiguousOwner, leash.InvalidAction, leash.InvalidPolicy, leash.InvalidChallenge, leash.InvalidKey,
		leash.InvalidWebhook, leash.InvalidApprovalStatus, leash.ApprovalTokenConsumed, leash.ApprovalAgentMismatch,
		leash.ActionHashMismatch, leash.DepositRequired, leash.WeakPassphrase:
		return http.StatusBadRequest
	case leash.MissingHeaders, leash.TimestampSkew, leash.NonceReplay, leash.BodyHashMismatch, leash.AgentNotFound,
		leash.AgentInactive, leash.InvalidSignature, leash.InvalidApprovalToken, leash.InvalidInvite,
		leash.Unauthenticated, leash.InvalidCredentials, leash.TOTPRequired, leash.InvalidTOTP:
		return http.StatusUnauthorized
	case leash.AgentMismatch, leash.SubjectMismatch, leash.NoPolicy, leash.Forbidden, leash.SetupRequired, crossOrigin:
		return http.StatusForbidden
	case leash.NotFound:
		return http.StatusNotFound
	case leash.ApprovalRequestNotFound:
		if redeems {
			return http.StatusBadRequest
		}
		return http.StatusNotFound
	case leash.ActionIDReused, leash.AgentIDTaken, leash.CannotSettle, leash.SettlementNotAllowed, leash.DecisionNotApprovable, leash.RequestExpired,
		leash.InvalidStatus, leash.Conflict, leash.PolicyReadOnly:
		return http.StatusConflict
	case leash.RateLimited, leash.TooManyOpenRequests:
		return http.StatusTooManyRequests
	case leash.Unavailable:
		return http.StatusServiceUnavailable
	case bodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case methodNotAllowed:
		return http.StatusMethodNotAllowed
	case wrongHost:
		return http.StatusMisdirectedRequest
	}
	return http.StatusInternalServerError
}

// explain turns any error into what the caller may be told and the status that fits.
func explain(err error, redeems bool) (int, ErrorBody) {
	var known *leash.Error
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &known):
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		known = &leash.Error{Code: leash.NotFound, Message: "there is nothing at this path; see /reference"}
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		known = &leash.Error{Code: methodNotAllowed, Message: "this path has other methods; see /reference"}
	default:
		known = &leash.Error{Code: internal, Message: "the server made a mistake; its log says more under this request's id"}
	}
	status := statusOf(known.Code, redeems)
	info := ErrorInfo{Code: known.Code, Message: known.Message, Details: known.Details}
	if known.Code == leash.ApprovalAgentMismatch {
		info.Code = leash.AgentMismatch
	}
	return status, ErrorBody{info}
}

// refuse writes the answer to a request that failed.
func refuse(c echo.Context, err error, redeems bool) error {
	status, body := explain(err, redeems)
	h := c.Response().Header()
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(retryAfter(body.Error.Details)))
	case http.StatusRequestEntityTooLarge, http.StatusMisdirectedRequest:
		h.Set(echo.HeaderConnection, "close") // nothing of use can follow
	}
	return send(c, status, body)
}

// retryAfter is in seconds.
func retryAfter(details any) int {
	if d, ok := details.(map[string]int); ok && d["retry_after_seconds"] > 0 {
		return d["retry_after_seconds"]
	}
	return 1
}
