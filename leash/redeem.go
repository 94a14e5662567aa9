package leash

import (
	"context"
	"errors"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// RedeemProofInput uses up a proof. Token and Audience are required: a proof is redeemed by whom it is for.
type RedeemProofInput struct {
	Token      string  `json:"token"`
	Audience   string  `json:"audience"`
	ActionHash *string `json:"action_hash"`
	// AmountMinor is what the counterparty really takes, in minor units; at most the amount of the proof.
	AmountMinor *int64 `json:"amount_minor"`
	Receipt     string `json:"receipt"` // the counterparty's reference, kept in the log; at most 256 bytes
}

// Redemption says whether a proof was redeemed now, and why not.
type Redemption struct {
	Valid      bool          `json:"valid"`
	Reason     string        `json:"reason,omitempty"`
	Claims     *proof.Claims `json:"claims,omitempty"`
	RedeemedAt *time.Time    `json:"redeemed_at,omitempty"` // of this redemption, or of the first one
}

// Reasons beside those of proof.Verify, for which a proof is not valid online.
const (
	reasonUnknown   = "UNKNOWN_DECISION"
	reasonStopped   = "NO_LONGER_ALLOWED"
	reasonRedeemed  = "ALREADY_REDEEMED"
	reasonReleased  = "RELEASED"
	reasonNotActive = "AGENT_INACTIVE"
	reasonAmount    = "AMOUNT_MISMATCH"
	maxReceipt      = 256
)

// RedeemProof uses up a proof, once: the second redemption says ALREADY_REDEEMED and when the first one was. The
// charge of a proof that must be redeemed is committed to the amount, where its budgets let a counterparty lower it.
func (s *Service) RedeemProof(ctx context.Context, in RedeemProofInput) (Redemption, error) {
	if in.Audience == "" {
		return Redemption{}, fail(InvalidRequest, "audience is required: your own domain, as the proof names it")
	}
	if len(in.Receipt) > maxReceipt {
		return Redemption{}, fail(InvalidRequest, "receipt is at most %d bytes", maxReceipt)
	}
	var out Redemption
	err := s.unchanged(ctx, func(g store.Generation) (err error) {
		out, err = s.redeem(ctx, in, g)
		return err
	})
	return out, err
}

// redeem redeems a proof in one state of the store.
func (s *Service) redeem(ctx context.Context, in RedeemProofInput, generation store.Generation) (Redemption, error) {
	v, err := s.verifyOnline(ctx, VerifyInput{Token: in.Token, Audience: &in.Audience, ActionHash: in.ActionHash})
	if err != nil || !v.Valid {
		out := Redemption{Reason: v.Reason}
		if !v.redeemedAt.IsZero() {
			out.RedeemedAt = &v.redeemedAt
		}
		return out, err
	}
	worth := int64(store.MaxAmount)
	if v.Claims.AmountMinor != nil {
		worth = *v.Claims.AmountMinor
	}
	amount := worth
	if in.AmountMinor != nil {
		if amount = *in.AmountMinor; amount < 0 || v.Claims.AmountMinor == nil || amount > worth {
			return Redemption{Reason: reasonAmount}, nil
		}
	}
	entry := s.event(store.ProofRedeemed, v.Claims.OwnerID, nil)
	recorded, err := s.store.Settle(ctx, store.Settlement{DecisionID: v.Claims.DecisionID, OwnerID: v.Claims.OwnerID,
		Kind: store.Redeem, Amount: amount, Worth: worth, Receipt: in.Receipt, Generation: generation,
		MayLower: s.mayLowerByRedemption(v.Claims), Entry: entry})
	switch {
	case errors.Is(err, store.ErrChanged):
		return Redemption{}, err
	case errors.Is(err, store.ErrRedeemed):
		return Redemption{Reason: reasonRedeemed, RedeemedAt: &recorded.RedeemedAt}, nil
	case errors.Is(err, store.ErrReleased):
		return Redemption{Reason: reasonReleased}, nil
	case errors.Is(err, store.ErrNotFound):
		return Redemption{Reason: reasonUnknown}, nil
	case err != nil:
		return Redemption{}, unavailable(err)
	}
	return Redemption{Valid: true, Claims: v.Claims, RedeemedAt: &recorded.RedeemedAt}, nil
}

// mayLowerByRedemption is mayLower for the counterparty, if the proof can be used by redeeming it only. Anyone may
// redeem a proof, its agent too, so an amount that a proof is worth offline never comes off the budget.
func (s *Service) mayLowerByRedemption(c *proof.Claims) func(store.BudgetKey) bool {
	if c.Use != proof.UseOnceOnline {
		return nil
	}
	may := s.mayLower(c.OwnerID, compiler.SettlerCounterparty)
	return func(key store.BudgetKey) bool {
		return (key.Currency == "" || key.Currency == c.Currency) && may(key)
	}
}

// verifyOnline checks a proof as anyone can offline, and what only the server knows: whether its decision was
// released, its agent revoked, or the action denied since.
func (s *Service) verifyOnline(ctx context.Context, in VerifyInput) (Verification, error) {
	v := s.verify(in)
	if !v.Valid {
		return v, nil
	}
	fate, err := s.store.Fate(ctx, v.Claims.DecisionID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Verification{Reason: reasonUnknown}, nil
	case err != nil:
		return Verification{}, unavailable(err)
	case fate.Released:
		return Verification{Reason: reasonReleased}, nil
	case v.Claims.Use == proof.UseOnceOnline && !fate.RedeemedAt.IsZero():
		return Verification{Reason: reasonRedeemed, redeemedAt: fate.RedeemedAt}, nil
	}
	agent, err := s.agent(ctx, v.Claims.AgentID)
	switch {
	case CodeOf(err) == AgentInactive, CodeOf(err) == AgentNotFound,
		err == nil && (agent.OwnerID != v.Claims.OwnerID || agent.Owner.Status != store.Active):
		return Verification{Reason: reasonNotActive}, nil
	case err != nil:
		return Verification{}, err
	}
	stopped, err := s.stopped(ctx, agent, v.Claims.DecisionID)
	if stopped {
		return Verification{Reason: reasonStopped}, err
	}
	return v, err
}

// stopped reports whether the policies that are active now deny what an earlier decision allowed, at the time of
// that decision. To policies that read budgets, these are as if nothing had been spent: what was spent since does not
// stop a proof.
func (s *Service) stopped(ctx context.Context, a *Agent, decisionID string) (bool, error) {
	e, err := s.store.Decision(ctx, decisionID)
	if err != nil {
		return true, unavailable(err)
	}
	if len(e.Redacted) > 0 || a.engine.Revision() == e.Decision.PolicyRevision {
		return false, nil
	}
	action, err := proof.ParseAction(e.Action)
	if err != nil {
		return true, unavailable(err)
	}
	in := rego.Input{Action: action.Input, ActionType: action.ActionType, Now: e.Time}
	for _, b := range a.layers.Budgets() {
		in.Budgets = append(in.Budgets, rego.BudgetReading{PolicyID: b.PolicyID, ID: b.Budget.ID, Limit: b.Budget.Limit, Remaining: b.Budget.Limit})
	}
	now := a.layers.Decide(ctx, in)
	return now.Result == rego.Deny, nil
}
