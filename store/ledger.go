package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// MaxAmount bounds what one action may charge: the largest integer that JSON holds exactly.
const MaxAmount = 1<<53 - 1

// Ledger is what the log says about money: a fold over its entries. It holds what every budget
// account has spent, which budgets were renamed, which approvals are consumed and which alerts were raised. It is not safe for
// concurrent use; whoever owns it makes check, charge and append one step.
type Ledger struct {
	accounts map[BudgetKey]*account
	consumed map[string]struct{}
	names    names
	zones    zones
}

// NewLedger returns the ledger of an empty log.
func NewLedger() *Ledger {
	return &Ledger{
		accounts: make(map[BudgetKey]*account),
		consumed: make(map[string]struct{}),
		names:    make(names),
		zones:    make(zones),
	}
}

// Alert says that a budget reached one of its thresholds. It is the data of a BUDGET_ALERT.
type Alert struct {
	Budget  Budget      `json:"budget"`
	Percent int         `json:"percent"`
	At      time.Time   `json:"at"`    // in whose window it was reached
	State   BudgetState `json:"state"` // after the charge
}

// Settled is the data of a CHARGE_SETTLED entry, whose charges are what the settlement adds to each
// budget: negative when it takes off.
type Settled struct {
	DecisionID string    `json:"decision_id"`
	Kind       string    `json:"kind"`
	Amount     int64     `json:"amount_minor"` // as asked for
	Left       int64     `json:"left"`         // of what was committed, after refunds
	ChargedAt  time.Time `json:"charged_at"`   // when the decision was charged: in that window it counts
	Receipt    string    `json:"receipt,omitempty"`
	Net        []int64   `json:"net"` // what the decision's charges, in order, now come to
}

// Adopted is the data of a LOG_ADOPTED entry: what a snapshot knew of entries that are missing in the log.
type Adopted struct {
	LastKnown uint64   `json:"last_known_entry"`
	Why       string   `json:"why"`
	Accounts  string   `json:"accounts"` // JSON of []SavedAccount: its numbers are beyond what canonical JSON holds
	Consumed  []string `json:"consumed_approvals,omitempty"`
	// Names are the classes of budgets that were renamed.
	Names [][]BudgetKey `json:"names,omitempty"`
}

// foldAdopted takes over accounts as they were known, and approvals that were redeemed. Undoing it keeps them:
// whoever adopts a log tries again.
func (l *Ledger) foldAdopted(e *Entry, sign int64) error {
	var a Adopted
	if err := json.Unmarshal(e.Data, &a); err != nil {
		return fmt.Errorf("entry %d: data of an adoption: %w", e.Seq, err)
	}
	if sign < 0 {
		return nil
	}
	var accounts []SavedAccount
	if err := json.Unmarshal([]byte(a.Accounts), &accounts); err != nil {
		return fmt.Errorf("entry %d: accounts of an adoption: %w", e.Seq, err)
	}
	for _, saved := range accounts {
		if have := l.accounts[saved.Key]; have != nil && have.seq >= e.Seq {
			continue
		}
		saved.Seq = e.Seq
		if err := l.Load(saved); err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
	}
	for _, id := range a.Consumed {
		l.LoadConsumed(id)
	}
	for _, class := range a.Names {
		if err := l.LoadNames(class); err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
	}
	return nil
}

// Consumed says whether the log holds a decision that redeemed the approval.
func (l *Ledger) Consumed(approvalID string) bool {
	_, ok := l.consumed[approvalID]
	return ok
}

// State says how a budget stands at t. A budget that cannot be told, because its window is broken
// or t lies before what is remembered, stands as full.
func (l *Ledger) State(b Budget, t time.Time) BudgetState {
	st := BudgetState{
		PolicyID: b.Key.PolicyID, ID: b.Key.BudgetID, Subject: b.Key.Subject, Per: b.Per,
		Measure: b.Key.Measure, Currency: b.Key.Currency, Limit: b.Limit, Spent: max(0, b.Limit),
	}
	ms := t.UnixMilli()
	v, spent, err := l.look(b, ms)
	if err != nil {
		return st
	}
	st.Spent = spent
	if spent < b.Limit {
		st.Remaining = b.Limit - spent
	}
	st.ResetsAt = v.resets(ms)
	for _, key := range l.names.others(b.Key) {
		other, _, err := l.lookAt(key, b.Window, ms)
		if err != nil {
			continue // look would have told
		}
		if at := other.resets(ms); at != nil && (st.ResetsAt == nil || at.Before(*st.ResetsAt)) {
			st.ResetsAt = at
		}
	}
	return st
}

// look finds the view of a budget, without keeping a new one, and what is spent in the window of t under all
// names of the budget.
func (l *Ledger) look(b Budget, t int64) (*view, int64, error) {
	v, spent, err := l.lookAt(b.Key, b.Window, t)
	for _, key := range l.names.others(b.Key) {
		_, more, e := l.lookAt(key, b.Window, t)
		spent, err = addSat(spent, more), errors.Join(err, e)
	}
	return v, spent, err
}

// lookAt finds the view of one account through a window, and what is spent in the window of t.
func (l *Ledger) lookAt(key BudgetKey, w Window, t int64) (*view, int64, error) {
	a := l.accounts[key]
	if a == nil {
		a = &account{}
	}
	v, _, err := a.view(w, t, l.zones)
	if err != nil {
		return nil, 0, err
	}
	spent, known, err := v.spent(t)
	if err == nil && !known {
		err = fmt.Errorf("budget %s: %s is before what the ledger remembers", key.BudgetID, time.UnixMilli(t).UTC().Format(time.RFC3339))
	}
	return v, spent, err
}

// Check says whether all the charges fit at t: *ExceededError if one does not, another error if one
// is no charge at all. It changes nothing.
func (l *Ledger) Check(charges []Charge, t time.Time) error {
	ms := t.UnixMilli()
	var full []BudgetState
	for i, c := range charges {
		if c.Amount < 0 || c.Amount > MaxAmount {
			return fmt.Errorf("charge of %d: out of range", c.Amount)
		}
		if c.Amount == 0 {
			continue
		}
		_, spent, err := l.look(c.Budget, ms)
		for _, earlier := range charges[:i] { // of the same action, to the same account
			if l.names.same(earlier.Budget.Key, c.Budget.Key) {
				spent = addSat(spent, earlier.Amount)
			}
		}
		limit := c.Budget.Limit
		if c.Overage {
			limit = math.MaxInt64 // over what its owner set, not over what can be added up
		}
		if err != nil || spent > limit || c.Amount > limit-spent {
			full = append(full, l.State(c.Budget, t))
		}
	}
	if len(full) > 0 {
		return &ExceededError{Budgets: full}
	}
	return nil
}

// Apply folds one entry into the ledger.
func (l *Ledger) Apply(e *Entry) error { return l.fold(e, 1, func(*account) bool { return true }) }

// Revert undoes Apply, for an entry that did not become durable. Entries are reverted last first.
func (l *Ledger) Revert(e *Entry) error { return l.fold(e, -1, func(*account) bool { return true }) }

// Replay folds an entry into a ledger whose accounts may be ahead of each other, as those of a
// snapshot taken while decisions went on.
func (l *Ledger) Replay(e *Entry) error {
	behind := make(map[*account]bool, len(e.Charges))
	return l.fold(e, 1, func(a *account) bool {
		if _, seen := behind[a]; !seen {
			behind[a] = a.seq < e.Seq
		}
		return behind[a]
	})
}

func (l *Ledger) fold(e *Entry, sign int64, wants func(*account) bool) error {
	at := e.Time
	switch e.Type {
	case DecisionCreated:
		if e.Decision == nil {
			return fmt.Errorf("entry %d: a decision without its decision", e.Seq)
		}
		switch id := e.Decision.Consumes(); {
		case id == "":
		case sign > 0:
			l.consumed[id] = struct{}{}
		default:
			delete(l.consumed, id)
		}
	case ChargeSettled, ProofRedeemed:
		var s Settled
		if err := json.Unmarshal(e.Data, &s); err != nil {
			return fmt.Errorf("entry %d: data of a settlement: %w", e.Seq, err)
		}
		at = s.ChargedAt
	case BudgetAlert:
		return l.foldAlert(e, sign, wants)
	case BudgetRenamed:
		return l.foldRenamed(e)
	case LogAdopted:
		return l.foldAdopted(e, sign)
	default:
		return nil
	}
	for _, c := range e.Charges {
		a, _, err := l.open(c.Budget, at.UnixMilli())
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		if !wants(a) {
			continue
		}
		if err := a.add(at.UnixMilli(), sign*c.Amount); err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		a.seq = e.Seq
	}
	return nil
}

func (l *Ledger) foldAlert(e *Entry, sign int64, wants func(*account) bool) error {
	var alert Alert
	if err := json.Unmarshal(e.Data, &alert); err != nil {
		return fmt.Errorf("entry %d: data of an alert: %w", e.Seq, err)
	}
	at := alert.At.UnixMilli()
	a, v, err := l.open(alert.Budget, at)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if !wants(a) {
		return nil
	}
	if sign > 0 {
		v.mark(at, alert.Percent)
	} else {
		v.unmark(at, alert.Percent)
	}
	a.seq = e.Seq
	return nil
}

// open returns the account and view of a budget, and keeps them if they are new.
func (l *Ledger) open(b Budget, t int64) (*account, *view, error) {
	a := l.accounts[b.Key]
	if a == nil {
		a = &account{}
	}
	v, isNew, err := a.view(b.Window, t, l.zones)
	if err != nil {
		return nil, nil, err
	}
	if isNew {
		a.adopt(v)
	}
	l.accounts[b.Key] = a
	return a, v, nil
}

// Alerts returns the thresholds that the charged budgets have reached at t and for which no alert
// was raised in the same window.
func (l *Ledger) Alerts(charges []Charge, t time.Time) []Alert {
	var out []Alert
	ms := t.UnixMilli()
	for _, c := range charges {
		if len(c.Budget.AlertAt) == 0 || c.Amount <= 0 {
			continue
		}
		_, spent, err := l.look(c.Budget, ms)
		if err != nil {
			continue
		}
		for _, percent := range c.Budget.AlertAt {
			if reached(spent, c.Budget.Limit, percent) && !l.alerted(c.Budget, ms, percent) {
				out = append(out, Alert{c.Budget, percent, t, l.State(c.Budget, t)})
			}
		}
	}
	return out
}

// alerted says whether an alert was raised in the window of t, under any name of the budget.
func (l *Ledger) alerted(b Budget, t int64, percent int) bool {
	for _, key := range append(l.names.others(b.Key), b.Key) {
		if v, _, err := l.lookAt(key, b.Window, t); err != nil || v.alerted(t, percent) {
			return true
		}
	}
	return false
}

// reached says whether spent is at least percent of limit, without overflow.
func reached(spent, limit int64, percent int) bool {
	if percent < 0 || percent > 1000 || limit < 0 || limit > MaxAmount {
		return false
	}
	p := int64(percent)
	return spent >= limit/100*p+(limit%100*p+99)/100
}

// SavedAccount is one account as a snapshot keeps it.
type SavedAccount struct {
	Key   BudgetKey   `json:"key"`
	Seq   uint64      `json:"seq"` // of the last entry in it
	Views []SavedView `json:"views"`
}

// SavedView is one window of an account, times in Unix milliseconds.
type SavedView struct {
	Window Window     `json:"window"`
	Floor  int64      `json:"floor"`
	Cells  [][2]int64 `json:"cells"`            // time, amount
	Alerts [][2]int64 `json:"alerts,omitempty"` // time, percent
}

// Keys returns the accounts, in no order.
func (l *Ledger) Keys() []BudgetKey { return slices.Collect(maps.Keys(l.accounts)) }

// ConsumedApprovals returns the consumed approvals, in no order.
func (l *Ledger) ConsumedApprovals() []string { return slices.Collect(maps.Keys(l.consumed)) }

// Save copies one account.
func (l *Ledger) Save(key BudgetKey) SavedAccount {
	saved := SavedAccount{Key: key}
	a := l.accounts[key]
	if a == nil {
		return saved
	}
	saved.Seq = a.seq
	for _, v := range a.views {
		s := SavedView{Window: v.window, Floor: v.floor, Cells: make([][2]int64, len(v.cells))}
		for i, c := range v.cells {
			s.Cells[i] = [2]int64{c.time, c.amount}
		}
		for _, m := range v.alerts {
			s.Alerts = append(s.Alerts, [2]int64{m.time, int64(m.percent)})
		}
		saved.Views = append(saved.Views, s)
	}
	return saved
}

// Load puts a saved account back.
func (l *Ledger) Load(saved SavedAccount) error {
	a := &account{seq: saved.Seq}
	for _, s := range saved.Views {
		v, err := newView(s.Window, l.zones)
		if err != nil {
			return err
		}
		v.floor = s.Floor
		for _, c := range s.Cells {
			v.cells = append(v.cells, cell{c[0], c[1]})
		}
		for _, m := range s.Alerts {
			v.alerts = append(v.alerts, mark{int(m[1]), m[0]})
		}
		a.views = append(a.views, v)
	}
	l.accounts[saved.Key] = a
	return nil
}

// LoadConsumed puts a consumed approval back.
func (l *Ledger) LoadConsumed(approvalID string) { l.consumed[approvalID] = struct{}{} }
