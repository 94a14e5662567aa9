package rego

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// evaluation is the bound on the time of one decision. OPA asks it before each expression whether to
// go on, which is cheaper than a timer for every decision.
type evaluation struct {
	ctx    context.Context
	limit  time.Duration
	tracer topdown.QueryTracer // nil but for coverage
	over   atomic.Bool

	// Of the goroutine that evaluates.
	asked  uint
	looked time.Time
	spent  time.Duration
}

// minGaps is in how many parts, at least, the time of an evaluation must be seen to pass. What lies
// between two looks at the clock takes microseconds; more is a machine that was busy with other things,
// for which an honest agent is not refused.
const minGaps = 5

var _ topdown.Cancel = (*evaluation)(nil)

func newEvaluation(ctx context.Context, limit time.Duration) *evaluation {
	return &evaluation{ctx: ctx, limit: limit, looked: machineNow()}
}

// Cancel ends the evaluation.
func (e *evaluation) Cancel() { e.over.Store(true) }

// Cancelled says whether the evaluation is to end: its time is up, or nobody waits for it. It looks
// at the clock every 16th time.
func (e *evaluation) Cancelled() bool {
	if e.asked++; e.asked%16 == 1 && (e.timeIsUp(machineNow()) || e.ctx.Err() != nil) {
		e.Cancel()
	}
	return e.over.Load()
}

func (e *evaluation) timeIsUp(now time.Time) bool {
	e.spent += min(now.Sub(e.looked), e.limit/minGaps)
	e.looked = now
	return e.spent >= e.limit
}

// machineNow is what bounds on the time of a computation are measured by.
func machineNow() time.Time {
	return time.Now() //nolint:forbidigo // no decision depends on it, but to be refused when it takes too long
}
