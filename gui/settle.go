package gui

import (
	"net/http"
	"slices"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// settleView is what a decision is charged, and how its owner can settle it.
type settleView struct {
	Charged  string   // in words; empty if it charged nothing
	Now      string   // what its charge of money comes to now
	Currency string   // of that charge
	Kinds    []string // that are possible
	Last     *store.Settled
	Kind     string // that was chosen
	Typed    string // the amount, as it was typed
	Confirm  string // what is asked before it is done
	Problem  string
}

// Value is what the field of a kind holds: what was typed, or for a commit what is charged.
func (s settleView) Value(kind string) string {
	switch {
	case kind == s.Kind:
		return s.Typed
	case kind == store.Commit:
		return s.Now
	}
	return ""
}

// settlement reads what a decision is charged.
func (v *visit) settlement(e store.Entry) (settleView, error) {
	can, err := v.svc.Settleable(v.ctx(), v.caller, e)
	if err != nil || can.Net == nil {
		return settleView{}, err
	}
	out := settleView{Kinds: can.Kinds, Charged: "Charged to its budgets as allowed."}
	for i, c := range e.Charges {
		if c.Budget.Key.Measure == store.MeasureCount {
			continue
		}
		out.Currency, out.Now = c.Budget.Key.Currency, amount(can.Net[i], c.Budget.Key.Currency)
		out.Charged = out.Now + " is charged, as allowed."
	}
	if out.Last = can.Last; can.Last == nil {
		return out, nil
	}
	switch can.Last.Kind {
	case store.Release:
		out.Charged = "Released: nothing is charged."
	case store.Refund:
		out.Charged = out.Now + " is charged, after refunds."
	default:
		out.Charged = out.Now + " is charged, as settled."
	}
	if out.Now == "" && can.Last.Kind != store.Release {
		out.Charged = "Counted as one action, as settled."
	}
	return out, nil
}

// settle asks for a confirmation, on a page that needs no script, and then settles.
func settle(v *visit) error {
	id := v.r.PathValue("id")
	e, err := v.svc.Entry(v.ctx(), v.caller, id)
	if err != nil {
		return err
	}
	if e.Decision == nil {
		return notThere(v)
	}
	now, err := v.settlement(e)
	if err != nil {
		return err
	}
	typed := settleView{Kind: v.form("kind"), Typed: v.form("amount")}
	if !slices.Contains(now.Kinds, typed.Kind) {
		typed.Problem = "This is not possible any more. The charge was settled in the meantime, or its budget does not let you."
		return v.showEntry(http.StatusConflict, typed)
	}
	var in leash.SettleInput
	wanted := ""
	if typed.Kind != store.Release {
		minor, currency, err := typedAmount(typed.Typed, []string{now.Currency})
		if err != nil {
			typed.Problem = sentence(err.Error())
			return v.showEntry(http.StatusUnprocessableEntity, typed)
		}
		if last := now.Last; last != nil && last.Kind == store.Refund && typed.Kind == store.Refund && last.Amount == minor {
			typed.Problem = "The last refund has the same amount, so this counts as a repetition and changes nothing. If it is another one, record it in two parts."
			return v.showEntry(http.StatusConflict, typed)
		}
		in.AmountMinor, wanted = &minor, amount(minor, currency)
	}
	if v.form("confirmed") == "" {
		switch typed.Kind {
		case store.Commit:
			typed.Confirm = "Set the final amount to " + wanted + "? " + now.Now + " is charged now."
		case store.Refund:
			typed.Confirm = "Take a refund of " + wanted + " off the charge of " + now.Now + "?"
		default:
			typed.Confirm = "Release the charge? The budgets get it back, and the proof is no longer valid online."
		}
		return v.showEntry(http.StatusOK, typed)
	}
	_, err = v.svc.SettleAsOwner(v.ctx(), v.caller, e.Decision.ID, typed.Kind, in)
	switch leash.CodeOf(err) {
	case leash.CannotSettle:
		typed.Problem = "This amount is not possible: a refund is at most what is charged."
	case leash.SettlementNotAllowed:
		typed.Problem = "This would lower the charge, and the policy does not let its owner do so: see settle_by of the budget."
	default:
		if err != nil {
			return err
		}
		return v.redirect("/gui/log/"+id, saidSettled)
	}
	return v.showEntry(http.StatusConflict, typed)
}
