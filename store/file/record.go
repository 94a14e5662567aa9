package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openleash/openleash-go/store"
)

// Record writes a decision to the log and takes its charges from their budgets, in one durable step.
//
// The same agent, action_id and action hash again yield the earlier decision, Replayed; with another
// hash, store.ErrActionIDReused. A decision under an approval supersedes an earlier one that did not
// allow, so that the answer to an approved action is not the request for approval that came before; so does one
// after a store.NoPolicy.
// A full budget is *store.ExceededError, a redeemed approval store.ErrConsumed, a decision of another generation
// store.ErrChanged, a log that cannot be written store.ErrUnavailable; in all four nothing was written, charged or
// consumed.
func (s *Store) Record(ctx context.Context, d store.Decision, charges []store.Charge) (store.Recorded, error) {
	if d.ID == "" || d.ActionID == "" || d.AgentPrincipalID == "" {
		return store.Recorded{}, errors.New("recording a decision: it lacks its id, its action's or its agent's")
	}
	if d.Time.IsZero() {
		d.Time = s.opts.Clock()
	}
	e := store.DecisionEntry(&d, charges)
	d.Time = e.Time
	e.ID = "evt_" + bare(d.ID)
	it, err := s.log.prepare(&e)
	if err != nil {
		return store.Recorded{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Recorded{}, err
	}
	earlier, batch, recorded, err := s.log.record(it)
	if err != nil {
		return store.Recorded{}, err
	}
	if earlier != nil {
		return s.replay(earlier, d.Time), nil
	}
	if err := batch.wait(); err != nil {
		return store.Recorded{}, err
	}
	return recorded, nil
}

// replay answers with an earlier decision, and with how its budgets stand now.
func (s *Store) replay(e *store.Entry, now time.Time) store.Recorded {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return store.Recorded{Decision: *e.Decision, Replayed: true, Budgets: s.log.states(e.Charges, now)}
}

// record queues a decision, or finds the earlier one that answers it.
func (l *auditLog) record(it item) (earlier *store.Entry, b *batch, r store.Recorded, err error) {
	d := it.entry.Decision
	var seen []uint64 // entries that turned out not to answer it
	for {
		l.mu.Lock()
		if err := l.generation.check(d.Generation); err != nil {
			l.mu.Unlock()
			return nil, nil, r, err
		}
		if l.ledger.Consumed(d.ApprovalID) { // asked again each time: await gives the mutex up
			l.mu.Unlock()
			return nil, nil, r, fmt.Errorf("%s: %w", d.ApprovalID, store.ErrConsumed)
		}
		seq := l.unseen(it.record.action, seen)
		if seq == 0 {
			break
		}
		e, err := l.await(seq)
		if err != nil {
			return nil, nil, r, err
		}
		switch p := e.Decision; {
		case p == nil || p.AgentPrincipalID != d.AgentPrincipalID || p.ActionID != d.ActionID:
			// Another's: the hashes collide.
		case p.ActionHash != d.ActionHash:
			return nil, nil, r, fmt.Errorf("%s: %w", d.ActionID, store.ErrActionIDReused)
		case p.Reason == store.NoPolicy && d.Reason != store.NoPolicy:
			// There are policies now.
		case d.ApprovalID == "" || p.Result == store.Allow:
			return &e, nil, r, nil
		}
		seen = append(seen, seq)
	}
	defer l.mu.Unlock()
	charges := it.entry.Charges
	if err := l.ledger.Check(charges, it.entry.Time); err != nil {
		return nil, nil, r, err
	}
	if b, err = l.push(it); err != nil {
		return nil, nil, r, err
	}
	r = store.Recorded{Decision: *d, Alerts: l.alert(it.entry, charges, it.entry.Time)}
	r.Budgets = l.states(charges, it.entry.Time)
	return nil, b, r, nil
}

// unseen returns the latest entry that may be under a hash. The caller holds mu.
func (l *auditLog) unseen(hash uint64, seen []uint64) uint64 {
	var buf [8]uint64
	for _, seq := range l.table.find(hash, buf[:0]) {
		if !slices.Contains(seen, seq) {
			return seq
		}
	}
	return 0
}

// await returns an entry once it is durable. It is called with mu held and gives it up.
func (l *auditLog) await(seq uint64) (store.Entry, error) {
	e, b := l.pending(seq)
	l.mu.Unlock()
	if b == nil {
		return l.entry(seq)
	}
	if err := b.wait(); err != nil {
		return store.Entry{}, err
	}
	return *e, nil
}

// alert queues the alerts that charges have set off, behind the entry that made them. An alert that
// cannot be queued is raised by the next charge. The caller holds mu.
func (l *auditLog) alert(cause *store.Entry, charges []store.Charge, at time.Time) []store.Alert {
	alerts := l.ledger.Alerts(charges, at)
	for i := range alerts {
		data, err := json.Marshal(&alerts[i])
		if err != nil {
			return alerts[:i]
		}
		e := store.Entry{
			ID: fmt.Sprintf("%s_%d", cause.ID, i+1), Time: cause.Time, Type: store.BudgetAlert,
			OwnerID: cause.OwnerID, AgentID: cause.AgentID, AgentPrincipalID: cause.AgentPrincipalID, Data: data,
		}
		it, err := l.prepare(&e)
		if err != nil {
			return alerts[:i]
		}
		if _, err := l.push(it); err != nil {
			return alerts[:i]
		}
	}
	return alerts
}

func (l *auditLog) states(charges []store.Charge, at time.Time) []store.BudgetState {
	if len(charges) == 0 {
		return nil
	}
	out := make([]store.BudgetState, len(charges))
	for i := range charges {
		out[i] = l.ledger.State(charges[i].Budget, at)
	}
	return out
}

// Budgets says how budgets stand at now, what waits for its fsync included.
func (s *Store) Budgets(ctx context.Context, budgets []store.Budget, now time.Time) ([]store.BudgetState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]store.BudgetState, 0, len(budgets))
	for some := range slices.Chunk(budgets, budgetsAtOnce) {
		s.log.mu.Lock()
		for _, b := range some {
			out = append(out, s.log.ledger.State(b, now))
		}
		s.log.mu.Unlock()
	}
	return out, nil
}

// budgetsAtOnce is how many budgets are looked at before decisions have their turn again.
const budgetsAtOnce = 256

// Accounts returns the budgets of an owner to which something was ever charged, in no order.
func (s *Store) Accounts(ctx context.Context, ownerID string) ([]store.BudgetKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.ledger.KeysOf(ownerID), nil
}

// Unclaimed returns the accounts of an owner that have no name among the declared ones, in no order. The declared keys
// have no subject.
func (s *Store) Unclaimed(ctx context.Context, ownerID string, declared map[store.BudgetKey]bool) ([]store.BudgetKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.ledger.Unclaimed(ownerID, declared), nil
}

// Consumed says whether an approval was redeemed.
func (s *Store) Consumed(ctx context.Context, approvalID string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.ledger.Consumed(approvalID), nil
}

// Append writes one entry to the log, durably. It fills the id and the time if they are empty.
func (s *Store) Append(ctx context.Context, e store.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.complete(&e)
	return s.log.append([]store.Entry{e})
}

// complete fills what a caller may leave empty.
func (s *Store) complete(e *store.Entry) {
	if e.ID == "" {
		e.ID = store.NewID("evt", s.opts.Clock(), s.opts.Random)
	}
	if e.Time.IsZero() {
		e.Time = s.opts.Clock()
	}
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
}
