package store

import "fmt"

// SettleCharges works out what a settlement does to a decision: how much it adds to each of the
// decision's charges, and what is to be logged. last is the decision's latest settlement, nil if it
// has none. done is true if that was this very settlement: then nothing is to be done.
//
// A commit replaces the amount of every charge that counts money; it may be more than was charged, because what was
// spent is a fact. A release takes everything back. A refund takes an amount off what was committed, at most all of
// it. A redemption commits to its amount where that is less and may be lowered, and else leaves the charge.
// ErrNotAllowed: a charge would be lowered that s.MayLower does not permit.
func SettleCharges(d *Decision, charges []Charge, last *Settled, s Settlement) (changes []Charge, now Settled, done bool, err error) {
	if s.Amount < 0 || s.Amount > MaxAmount {
		return nil, now, false, fmt.Errorf("%w: amount %d is out of range", ErrSettlement, s.Amount)
	}
	if s.Kind == Release {
		s.Amount = 0
	}
	if d.Result != Allow {
		return nil, now, false, fmt.Errorf("%w: the decision %s allowed nothing", ErrSettlement, d.ID)
	}
	if last != nil && last.Kind == s.Kind && last.Amount == s.Amount {
		return nil, *last, true, nil
	}
	if last != nil && last.Kind == Release && s.Kind == Redeem {
		return nil, now, false, ErrReleased
	}
	if _, err := settledAmount(MeasureCount, MaxAmount, last, s); err != nil {
		return nil, now, false, err // also where nothing was charged
	}
	net := NetCharges(charges, last)
	left := s.Amount // of what was committed
	if s.Kind == Refund {
		if left = last.Left - s.Amount; left < 0 {
			return nil, now, false, fmt.Errorf("%w: a refund of %d from %d", ErrSettlement, s.Amount, last.Left)
		}
	}
	now = Settled{DecisionID: d.ID, Kind: s.Kind, Amount: s.Amount, Left: left, Receipt: s.Receipt, ChargedAt: d.Time, Net: make([]int64, len(net))}
	for i, c := range charges {
		to, err := settledAmount(c.Budget.Key.Measure, net[i], last, s)
		if err != nil {
			return nil, now, false, err
		}
		if to < net[i] && !s.lowers(c) {
			if s.Kind != Redeem {
				return nil, now, false, fmt.Errorf("%w of the budget %s", ErrNotAllowed, c.Budget.Key.BudgetID)
			}
			to = net[i]
		}
		now.Net[i] = to
		if to != net[i] {
			changes = append(changes, Charge{Budget: c.Budget, Amount: to - net[i]})
		}
	}
	return changes, now, false, nil
}

// NetCharges is what each charge of a decision comes to after its latest settlement, nil if it has none.
func NetCharges(charges []Charge, last *Settled) []int64 {
	net := make([]int64, len(charges))
	for i, c := range charges {
		net[i] = c.Amount
	}
	if last != nil {
		copy(net, last.Net)
	}
	return net
}

// lowers says whether the settlement may lower a charge.
func (s *Settlement) lowers(c Charge) bool {
	return s.MayLower != nil && s.MayLower(c.Budget.Key) && (s.Kind != Redeem || c.Amount == s.Worth)
}

// settledAmount is what one charge of net comes to.
func settledAmount(m Measure, net int64, last *Settled, s Settlement) (int64, error) {
	counts := m == MeasureCount
	switch {
	case s.Kind == Redeem && counts:
		return net, nil
	case s.Kind == Redeem:
		return min(net, s.Amount), nil
	case s.Kind == Commit && last == nil && counts, s.Kind == Refund && last != nil && last.Kind != Release && counts:
		return net, nil
	case s.Kind == Commit && last == nil:
		return s.Amount, nil
	case s.Kind == Release && last == nil:
		return 0, nil
	case s.Kind == Refund && last != nil && last.Kind != Release:
		if s.Amount > net {
			return 0, fmt.Errorf("%w: a refund of %d from %d", ErrSettlement, s.Amount, net)
		}
		return net - s.Amount, nil
	case s.Kind == Refund && last == nil:
		return 0, fmt.Errorf("%w: only what was committed can be refunded", ErrSettlement)
	case s.Kind == Commit || s.Kind == Release || s.Kind == Refund:
		return 0, fmt.Errorf("%w: it was settled by %s", ErrSettled, last.Kind)
	default:
		return 0, fmt.Errorf("%w: unknown kind %q", ErrSettlement, s.Kind)
	}
}
