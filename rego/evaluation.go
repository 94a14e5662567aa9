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
	ends   time.Time
	asked  atomic.Uint32
	over   atomic.Bool
	tracer topdown.QueryTracer // nil but for coverage
}

var _ topdown.Cancel = (*evaluation)(nil)

func newEvaluation(ctx context.Context, limit time.Duration) *evaluation {
	return &evaluation{ctx: ctx, limit: limit, ends: machineNow().Add(limit)}
}

// Cancel ends the evaluation.
func (e *evaluation) Cancel() { e.over.Store(true) }

// Cancelled says whether the evaluation is to end: its time is up, or nobody waits for it. It looks
// at the clock every 16th time.
func (e *evaluation) Cancelled() bool {
	if e.asked.Add(1)%16 == 1 && (!machineNow().Before(e.ends) || e.ctx.Err() != nil) {
		e.Cancel()
	}
	return e.over.Load()
}

// machineNow is what bounds on the time of a computation are measured by.
func machineNow() time.Time {
	return time.Now() //nolint:forbidigo // no decision depends on it, but to be refused when it takes too long
}
