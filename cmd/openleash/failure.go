package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/openleash/openleash-go/internal/inert"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/sdk"
)

// exitCode ends the program with a code, after the command itself said why.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// ended is an error with an exit code of its own, and with a code for programs where the error itself has none.
type ended struct {
	error
	exit int
	code string
}

func (e ended) Unwrap() error { return e.error }

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// advised is an error with what to do about it.
type advised struct {
	error
	advice string
}

func (e advised) Unwrap() error { return e.error }

func advise(err error, format string, args ...any) error {
	return advised{err, fmt.Sprintf(format, args...)}
}

// complain tells of an error: what happened, and what to do.
func (a *app) complain(err error, advice string) {
	var hint advised
	if errors.As(err, &hint) {
		advice = hint.advice
	}
	message := strings.TrimPrefix(err.Error(), "openleash: ") // the SDK names itself; so does the program
	var told *leash.Error
	if errors.As(err, &told) {
		// What was refused reads better with its code behind it.
		message = strings.Replace(message, told.Error(), fmt.Sprintf("%s (%s)", told.Message, told.Code), 1)
	}
	if a.asJSON {
		body := map[string]any{"message": message}
		if told != nil {
			body["code"] = told.Code
		} else if code := sdk.Code(err); code != "" {
			body["code"] = code
		} else if end := (ended{}); errors.As(err, &end) && end.code != "" {
			body["code"] = end.code
		}
		if advice != "" {
			body["advice"] = advice
		}
		if told != nil && told.Details != nil {
			body["details"] = told.Details
		}
		text, _ := json.Marshal(map[string]any{"error": body}) // strings and what was JSON before
		fmt.Fprintln(a.err, inert.JSON(string(text)))
		return
	}
	a.note("openleash: %s", indent(printableText(message), "  "))
	if advice != "" {
		a.note("  %s", indent(advice, "  "))
	}
}

// indent puts prefix before every line but the first.
func indent(text, prefix string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+prefix)
}
