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
// settlement again changes nothing and is Replayed; a redemption happens once, and the second is
// store.ErrRedeemed with the time of the first. store.ErrNotFound: no such decision of that agent or owner; other
// errors: see store.SettleCharges.
func (s *Store) Settle(ctx context.Context, settlement store.Settlement) (store.Recorded, error) {
	defer s.settling.lock(settlement.DecisionID).Unlock()
	if err := ctx.Err(); err != nil {
		return store.Recorded{}, err
	}
	h, err := s.log.history(settlement.DecisionID)
	if err != nil {
		return store.Recorded{}, err
	}
	decided, d := h.decided, h.decided.Decision
	if settlement.AgentPrincipalID != "" && d.AgentPrincipalID != settlement.AgentPrincipalID ||
		settlement.OwnerID != "" && d.OwnerID != settlement.OwnerID {
		return store.Recorded{}, fmt.Errorf("decision %s: %w", settlement.DecisionID, store.ErrNotFound)
	}
	if settlement.Kind == store.Redeem && !h.redeemedAt.IsZero() {
		return store.Recorded{Decision: *d, RedeemedAt: h.redeemedAt}, store.ErrRedeemed
	}
	changes, now, done, err := store.SettleCharges(d, decided.Charges, h.last, settlement)
	if err != nil {
		return store.Recorded{}, err
	}
	e := settlement.Entry
	s.complete(&e)
	if done {
		r := s.replay(decided, e.Time)
		return r, nil
	}
	if h.settlements >= maxSettlements && settlement.Kind != store.Redeem { // a redemption happens once
		return store.Recorded{}, fmt.Errorf("%w: it was settled %d times, which is the most", store.ErrSettlement, h.settlements)
	}
	typ := store.ChargeSettled
	if settlement.Kind == store.Redeem {
		typ = store.ProofRedeemed
	}
	e.Type, e.OwnerID, e.AgentID, e.AgentPrincipalID = typ, d.OwnerID, d.AgentID, d.AgentPrincipalID
	e.Charges, e.Decision, e.Action = changes, nil, nil
	if e.Data, err = json.Marshal(now); err != nil {
		return store.Recorded{}, fmt.Errorf("encoding a settlement: %w", err)
	}
	it, err := s.log.prepare(&e)
	if err != nil {
		return store.Recorded{}, err
	}
	r, b, err := s.log.settle(it, settlement.Generation, decided, now.ChargedAt)
	if err != nil {
		return store.Recorded{}, err
	}
	if settlement.Kind == store.Redeem {
		r.RedeemedAt = e.Time
	}
	return r, b.wait()
}

func (l *auditLog) settle(it item, decidedIn store.Generation, decided *store.Entry, chargedAt time.Time) (store.Recorded, *batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.generation.check(decidedIn); err != nil {
		return store.Recorded{}, nil, err
	}
	b, err := l.push(it)
	if err != nil {
		return store.Recorded{}, nil, err
	}
	r := store.Recorded{Decision: *decided.Decision, Alerts: l.alert(it.entry, it.entry.Charges, chargedAt)}
	r.Budgets = l.states(decided.Charges, it.entry.Time)
	return r, b, nil
}

// maxSettlements bounds the settlements of one decision: each reads all that came before.
const maxSettlements = 100

// settledDecision is a decision and what happened to its charge since.
type settledDecision struct {
	decided     *store.Entry
	last        *store.Settled // the latest settlement; nil if there is none
	redeemedAt  time.Time      // zero if its proof was not redeemed
	settlements int
}

// history finds a decision and its settlements.
func (l *auditLog) history(decisionID string) (settledDecision, error) {
	var seen []uint64
	var h settledDecision
	for {
		l.mu.Lock()
		seq := l.unseen(l.hasher.id(decisionID), seen)
		if seq == 0 {
			l.mu.Unlock()
			return h, fmt.Errorf("decision %s: %w", decisionID, store.ErrNotFound)
		}
		e, err := l.await(seq)
		if err != nil {
			return h, err
		}
		if e.Decision != nil && e.Decision.ID == decisionID {
			h.decided = &e
			return h, nil
		}
		if settled := settledOf(&e); settled.DecisionID == decisionID {
			h.settlements++
			if h.last == nil {
				h.last = settled
			}
			if settled.Kind == store.Redeem {
				h.redeemedAt = e.Time
			}
		}
		seen = append(seen, seq)
	}
}

// settledOf reads what a settlement's entry says; the zero Settled of any other entry.
func settledOf(e *store.Entry) *store.Settled {
	s := new(store.Settled)
	if isSettlement(e) && json.Unmarshal(e.Data, s) != nil {
		return new(store.Settled)
	}
	return s
}

// isSettlement reports whether an entry changes what a decision charged.
func isSettlement(e *store.Entry) bool {
	return e.Type == store.ChargeSettled || e.Type == store.ProofRedeemed
}

// Fate says what became of a decision. store.ErrNotFound: there is no such decision.
func (s *Store) Fate(ctx context.Context, decisionID string) (store.Fate, error) {
	if err := ctx.Err(); err != nil {
		return store.Fate{}, err
	}
	h, err := s.log.history(decisionID)
	return store.Fate{Released: h.last != nil && h.last.Kind == store.Release, RedeemedAt: h.redeemedAt, Last: h.last}, err
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
	h, err := s.log.history(id)
	if err != nil {
		return store.Entry{}, err
	}
	return *h.decided, nil
}
