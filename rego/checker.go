package rego

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// Checker finds out, in another process, whether this one may compile a policy in Rego and ask it: whether both end
// and take no more memory than there is. Its error is ErrTooHeavy, or says why it could not find out.
type Checker interface {
	Check(f File) error
}

// ErrTooHeavy says that a policy takes more time or memory than a policy may.
var ErrTooHeavy = errors.New("compiling or asking this policy takes too much time or memory")

// checker is that of the whole process, so that no way in can leave it out.
var checker Checker

// SetChecker lets every policy in Rego pass a checker before it is compiled, as package sandbox has one. A program
// calls it once, before anything else of this package. Without a checker, the other bounds and the time-outs remain.
func SetChecker(c Checker) { checker = c }

// checked refuses a policy that the checker refuses.
func checked(f File) compiler.Diagnostics {
	if checker == nil {
		return nil
	}
	switch err := checker.Check(f); {
	case err == nil:
		return nil
	case errors.Is(err, ErrTooHeavy):
		return compiler.Diagnostics{atTop(f.Path, "too_heavy", err.Error())}
	default:
		return compiler.Diagnostics{atTop(f.Path, "not_checked", "this policy could not be checked: "+err.Error())}
	}
}

// running are the compilations and evaluations that a time-out may leave behind.
var running sync.WaitGroup

// Rehearse compiles a policy in Rego and asks it for one decision, as a server will, and returns when both have
// ended, however long that takes. It is for the process that a Checker starts, whose limits it may hit.
func Rehearse(f File) {
	if p, _ := compileRego(f); p != nil {
		doc, err := document(rehearsing.members(), Input{Action: rehearsal, ActionType: "purchase.order", Now: time.Unix(0, 0)})
		if err == nil {
			_, _ = p.evaluate(p.query, newEvaluation(context.Background(), DefaultDeadline), ast.NewTerm(withBudgets(doc, nil, p.ID)))
		}
	}
	running.Wait()
}

// What a rehearsal asks.
var (
	rehearsing = Subject{AgentID: "agent", PrincipalID: "agt_00000000000000000000000000", Groups: []string{"group"},
		OwnerID: "usr_00000000000000000000000000", OwnerType: "HUMAN"}
	rehearsal = json.RawMessage(`{"action_id":"rehearsal","action_type":"purchase.order","requested_at":"1970-01-01T00:00:00.000Z",` +
		`"principal":{"agent_id":"agent"},"subject":{"principal_id":"usr_00000000000000000000000000"},"payload":{"amount_minor":1,"currency":"EUR"}}`)
)
