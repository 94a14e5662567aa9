package file

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/openleash/openleash-go/store"
)

// stripes serialise what concerns one decision, and let the others go on.
type stripes struct {
	seed  maphash.Seed
	locks [64]sync.Mutex
}

func (s *stripes) lock(key string) *sync.Mutex {
	m := &s.locks[maphash.String(s.seed, key)%uint64(len(s.locks))]
	m.Lock()
	return m
}

// Settle changes what an earlier ALLOW charged, in the window in which it was charged. The same
// settlement again changes nothing and is Replayed. store.ErrNotFound: no such decision of that
// agent; store.ErrSettled, store.ErrSettlement: see store.SettleCharges.
func (s *Store) Settle(ctx context.Context, settlement store.Settlement) (store.Recorded, error) {
	defer s.settling.lock(settlement.DecisionID).Unlock()
	if err := ctx.Err(); err != nil {
		return store.Recorded{}, err
	}
	decided, last, err := s.log.history(settlement.DecisionID)
	if err != nil {
		return store.Recorded{}, err
	}
	d := decided.Decision
	if d.AgentPrincipalID != settlement.AgentPrincipalID {
		return store.Recorded{}, fmt.Errorf("decision %s: %w", settlement.DecisionID, store.ErrNotFound)
	}
	changes, now, done, err := store.SettleCharges(d, decided.Charges, last, settlement)
	if err != nil {
		return store.Recorded{}, err
	}
	e := settlement.Entry
	s.complete(&e)
	if done {
		r := s.replay(decided, e.Time)
		return r, nil
	}
	e.Type, e.OwnerID, e.AgentID, e.AgentPrincipalID = store.ChargeSettled, d.OwnerID, d.AgentID, d.AgentPrincipalID
	e.Charges, e.Decision, e.Action = changes, nil, nil
	if e.Data, err = json.Marshal(now); err != nil {
		return store.Recorded{}, fmt.Errorf("encoding a settlement: %w", err)
	}
	it, err := s.log.prepare(&e)
	if err != nil {
		return store.Recorded{}, err
	}
	r, b, err := s.log.settle(it, decided, now.ChargedAt)
	if err != nil {
		return store.Recorded{}, err
	}
	return r, b.wait()
}

func (l *auditLog) settle(it item, decided *store.Entry, chargedAt time.Time) (store.Recorded, *batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.push(it)
	if err != nil {
		return store.Recorded{}, nil, err
	}
	r := store.Recorded{Decision: *decided.Decision, Alerts: l.alert(it.entry, it.entry.Charges, chargedAt)}
	r.Budgets = l.states(decided.Charges, it.entry.Time)
	return r, b, nil
}

// history returns the entry of a decision and its latest settlement, nil if there is none.
func (l *auditLog) history(decisionID string) (*store.Entry, *store.Settled, error) {
	var seen []uint64
	var last *store.Settled
	for {
		l.mu.Lock()
		seq := l.unseen(l.hasher.id(decisionID), seen)
		if seq == 0 {
			l.mu.Unlock()
			return nil, nil, fmt.Errorf("decision %s: %w", decisionID, store.ErrNotFound)
		}
		e, err := l.await(seq)
		if err != nil {
			return nil, nil, err
		}
		if e.Decision != nil && e.Decision.ID == decisionID {
			return &e, last, nil
		}
		if settled := settledOf(&e); last == nil && settled.DecisionID == decisionID {
			last = settled
		}
		seen = append(seen, seq)
	}
}

// settledOf reads what a settlement's entry says; the zero Settled of any other entry.
func settledOf(e *store.Entry) *store.Settled {
	s := new(store.Settled)
	if e.Type == store.ChargeSettled && json.Unmarshal(e.Data, s) != nil {
		return new(store.Settled)
	}
	return s
}

// Entry returns a log entry by its id or by that of its decision, or store.ErrNotFound.
func (s *Store) Entry(ctx context.Context, id string) (store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return store.Entry{}, err
	}
	return s.log.lookup(id)
}

// Decision returns the log entry of a decision, or store.ErrNotFound.
func (s *Store) Decision(ctx context.Context, id string) (store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return store.Entry{}, err
	}
	e, _, err := s.log.history(id)
	if err != nil {
		return store.Entry{}, err
	}
	return *e, nil
}
