package sdk

import (
	"context"
	"encoding/json"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// ProofRedemption is what a counterparty knows about the proof that it uses up. Audience is required: a proof is redeemed by
// whom it is for.
type ProofRedemption struct {
	Audience   string `json:"audience"` // the counterparty's own domain
	ActionHash string `json:"action_hash,omitempty"`
	// AmountMinor is what the counterparty really takes, in minor units; at most, and by default, the amount of the proof.
	AmountMinor *int64 `json:"amount_minor,omitempty"`
	Receipt     string `json:"receipt,omitempty"` // the counterparty's reference, for the owner's log; at most 256 bytes
}

// RedeemedProof is a proof that was used up now.
type RedeemedProof struct {
	Claims     proof.Claims
	RedeemedAt time.Time
}

// RedeemProof uses up a proof at the server. Nobody can redeem it after that: any later redemption is a *proof.VerifyError with
// the reason proof.AlreadyRedeemed, whose text says when the first one was. It is sent once: if the answer is lost, the proof may
// have been redeemed.
func (v *Verifier) RedeemProof(ctx context.Context, token string, r ProofRedemption) (*RedeemedProof, error) {
	if v.fixed {
		return nil, noServer()
	}
	body, err := json.Marshal(struct {
		Token string `json:"token"`
		ProofRedemption
	}{token, r})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Valid      bool          `json:"valid"`
		Reason     proof.Reason  `json:"reason"`
		Claims     *proof.Claims `json:"claims"`
		RedeemedAt time.Time     `json:"redeemed_at"`
	}
	if err := v.do(ctx, call{method: "POST", path: "/v1/redeem-proof", body: body}, &answer); err != nil {
		return nil, err
	}
	c := answer.Claims
	switch {
	case !answer.Valid:
		message := "the server says " + string(answer.Reason)
		if !answer.RedeemedAt.IsZero() {
			message += "; it was redeemed at " + proof.FormatTime(answer.RedeemedAt)
		}
		return nil, &proof.VerifyError{Reason: answer.Reason, Message: message}
	case c == nil || c.Purpose != proof.PurposeProof || c.Decision != Allow || c.Audience != r.Audience || answer.RedeemedAt.IsZero():
		return nil, &Error{Kind: ErrResponse, Message: "the server's answer says nothing about a proof"}
	}
	return &RedeemedProof{Claims: *c, RedeemedAt: answer.RedeemedAt}, nil
}
