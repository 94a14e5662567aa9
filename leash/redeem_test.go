package leash_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// forShop is a purchase whose proof is for shop.example.
func forShop(id string, minor int64) string {
	return fmt.Sprintf(`{"action_id":%q,"action_type":"purchase.order","relying_party":{"domain":"shop.example"},"payload":{"amount_minor":%d,"currency":"USD"}}`, id, minor)
}

func redeem(token string) leash.RedeemProofInput {
	return leash.RedeemProofInput{Token: token, Audience: "shop.example"}
}

// A proof is redeemed once, also by many at the same instant and after a restart.
func TestPromise28_AProofPaysOnce(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(1000, "deny"))
	b := w.agent("shopper")
	token := *b.ask(forShop("a", 600)).ProofToken
	var mu sync.Mutex
	var valid int
	reasons := map[string]int{}
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			r, err := w.RedeemProof(t.Context(), redeem(token))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if r.Valid {
				valid++
			}
			reasons[r.Reason]++
		})
	}
	all.Wait()
	if valid != 1 || reasons["ALREADY_REDEEMED"] != 63 {
		t.Fatalf("%d redemptions are valid: %v", valid, reasons)
	}
	w.restart()
	if r, err := w.RedeemProof(t.Context(), redeem(token)); err != nil || r.Valid || r.Reason != "ALREADY_REDEEMED" || r.RedeemedAt == nil {
		t.Errorf("after a restart: %+v, %v", r, err)
	}
}

func TestRedeemProof(t *testing.T) {
	w := newWorld(t)
	w.policy(strings.Replace(budgeted(1000, "deny"), "effect: allow", "effect: allow, proof: {redeem: required}", 1))
	b := w.agent("shopper")
	redeems := func(in leash.RedeemProofInput) leash.Redemption {
		t.Helper()
		r, err := w.RedeemProof(t.Context(), in)
		must(t, err)
		return r
	}
	token := *b.ask(forShop("a", 600)).ProofToken
	offline := proof.PublicKeys(w.PublicKeys()).Source()
	var invalid *proof.VerifyError
	if _, err := proof.Verify(token, offline, proof.Expect{Purpose: proof.PurposeProof, Now: w.clock.Now()}); !errors.As(err, &invalid) || invalid.Reason != proof.OnlineOnly {
		t.Errorf("verified offline: %v", err)
	}
	for reason, in := range map[string]leash.RedeemProofInput{
		"AUDIENCE_MISMATCH": {Token: token, Audience: "evil.example"},
		"ACTION_MISMATCH":   {Token: token, Audience: "shop.example", ActionHash: new("00")},
		"AMOUNT_MISMATCH":   {Token: token, Audience: "shop.example", AmountMinor: new(int64(601))},
	} {
		if r := redeems(in); r.Valid || r.Reason != reason {
			t.Errorf("got %+v, want %s", r, reason)
		}
	}
	_, err := w.RedeemProof(t.Context(), leash.RedeemProofInput{Token: token})
	wantCode(t, err, leash.InvalidRequest)
	// The shop takes less than was allowed: the budget gets the rest back.
	r := redeems(leash.RedeemProofInput{Token: token, Audience: "shop.example", AmountMinor: new(int64(250)), Receipt: "order 7"})
	if !r.Valid || r.RedeemedAt == nil || r.Claims.AgentID != "shopper" {
		t.Fatalf("got %+v", r)
	}
	if a := b.ask(forShop("b", 750)); a.Result != store.Allow {
		t.Errorf("what is left: %s %s", a.Result, a.Reason)
	}
	if v, err := w.VerifyProof(t.Context(), leash.VerifyInput{Token: token}); err != nil || v.Valid || v.Reason != "ALREADY_REDEEMED" {
		t.Errorf("verified online after it was redeemed: %+v, %v", v, err)
	}
}

// A proof that is valid offline too is worth its amount even after somebody redeemed it for less.
func TestRedeemingAnOfflineProofLowersNothing(t *testing.T) {
	w := newWorld(t)
	w.policy(budgeted(1000, "deny"))
	b := w.agent("shopper")
	in := redeem(*b.ask(forShop("a", 600)).ProofToken)
	in.AmountMinor = new(int64(1))
	if r, err := w.RedeemProof(t.Context(), in); err != nil || !r.Valid {
		t.Fatalf("%+v, %v", r, err)
	}
	if a := b.ask(forShop("b", 401)); a.Result != store.Deny {
		t.Errorf("over the limit: %s", a.Result)
	}
}

// What a budget counts from another field of the action is not what the shop takes less of.
func TestARedemptionLowersOnlyItsOwnAmount(t *testing.T) {
	w := newWorld(t)
	w.policy(`
id: p
rules: [{action: "purchase.*", effect: allow, proof: {redeem: required}}]
budgets:
  - {id: paid, limit: 1000, currency: USD, window: day}
  - {id: insured, limit: 1000, currency: USD, window: day, amount: $.payload.insured_minor}
`)
	b := w.agent("shopper")
	asked := strings.Replace(forShop("a", 600), `"currency"`, `"insured_minor":900,"currency"`, 1)
	in := redeem(*b.ask(asked).ProofToken)
	in.AmountMinor = new(int64(100))
	if r, err := w.RedeemProof(t.Context(), in); err != nil || !r.Valid {
		t.Fatalf("%+v, %v", r, err)
	}
	budgets, err := w.Budgets(t.Context(), w.owner, "")
	must(t, err)
	for id, want := range map[string]int64{"paid": 100, "insured": 900} {
		i := slices.IndexFunc(budgets, func(b leash.BudgetView) bool { return b.ID == id })
		if i < 0 || budgets[i].Spent != want {
			t.Errorf("%s: %+v, want %d", id, budgets, want)
		}
	}
}

// A release, a revocation and a policy that denies revoke a proof for online verification and redemption.
func TestStopsRevokeProofs(t *testing.T) {
	for reason, stop := range map[string]func(t *testing.T, w *world, b *bot, decision string){
		"RELEASED": func(t *testing.T, w *world, _ *bot, decision string) {
			_, err := w.SettleAsOwner(t.Context(), w.owner, decision, "release", leash.SettleInput{})
			must(t, err)
		},
		"NO_LONGER_ALLOWED": func(_ *testing.T, w *world, _ *bot, _ string) {
			w.policy("id: stop\nguardrail: true\nrules: [{action: '*', effect: deny}]\n")
		},
		"AGENT_INACTIVE": func(t *testing.T, w *world, b *bot, _ string) {
			_, err := w.SetAgentStatus(t.Context(), w.owner, b.id, store.Revoked)
			must(t, err)
		},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t)
			w.policy(budgeted(1000, "deny"))
			b := w.agent("shopper")
			a := b.ask(forShop("a", 600))
			v, err := w.VerifyProof(t.Context(), leash.VerifyInput{Token: *a.ProofToken})
			if err != nil || !v.Valid {
				t.Fatalf("before: %+v, %v", v, err)
			}
			stop(t, w, b, a.DecisionID)
			if v, err := w.VerifyProof(t.Context(), leash.VerifyInput{Token: *a.ProofToken}); err != nil || v.Valid || v.Reason != reason {
				t.Errorf("verified: %+v, %v", v, err)
			}
			if r, err := w.RedeemProof(t.Context(), redeem(*a.ProofToken)); err != nil || r.Valid || r.Reason != reason {
				t.Errorf("redeemed: %+v, %v", r, err)
			}
			if reason == "AGENT_INACTIVE" {
				return
			}
			if again := b.ask(forShop("a", 600)); again.Result != store.Deny || again.ProofToken != nil {
				t.Errorf("asked again: %s %s", again.Result, again.Reason)
			}
		})
	}
}

// Whatever an agent does by itself, the amounts on its proofs that verify never exceed the limit.
func TestPromise27_AnAgentGivesItselfNothingBack(t *testing.T) {
	const limit = 1000
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		policy := budgeted(limit, "deny")
		if rapid.Bool().Draw(r, "once") {
			policy = strings.Replace(policy, "effect: allow", "effect: allow, proof: {redeem: required}", 1)
		}
		w.policy(policy)
		b := w.agent("shopper")
		type allowed struct {
			id, decision, token string
			amount              int64
		}
		var all []allowed
		for i := range rapid.IntRange(3, 20).Draw(r, "steps") {
			if len(all) == 0 || rapid.Bool().Draw(r, "ask") {
				amount := rapid.Int64Range(1, 600).Draw(r, "amount")
				id := fmt.Sprint("a", i)
				if a := b.ask(forShop(id, amount)); a.Result == store.Allow {
					all = append(all, allowed{id, a.DecisionID, *a.ProofToken, amount})
				}
				continue
			}
			d := rapid.SampledFrom(all).Draw(r, "decision")
			switch what := rapid.SampledFrom([]string{"commit", "release", "refund", "retry", "redeem"}).Draw(r, "what"); what {
			case "retry":
				b.ask(forShop(d.id, d.amount))
			case "redeem": // the agent plays the shop
				in := redeem(d.token)
				in.AmountMinor = new(rapid.Int64Range(0, d.amount).Draw(r, "taken"))
				_, err := w.RedeemProof(t.Context(), in)
				must(t, err)
			default:
				amount := rapid.Int64Range(0, 700).Draw(r, "settled")
				_, err := w.Settle(t.Context(), b.signedIn(), d.decision, what, leash.SettleInput{AmountMinor: &amount})
				if err != nil && leash.CodeOf(err) != leash.SettlementNotAllowed && leash.CodeOf(err) != leash.CannotSettle {
					r.Fatal(err)
				}
			}
		}
		var sum int64
		for _, d := range all {
			v, err := w.VerifyProof(t.Context(), leash.VerifyInput{Token: d.token})
			must(t, err)
			if v.Valid {
				sum += d.amount
			}
		}
		if sum > limit {
			r.Fatalf("valid proofs of %d under a limit of %d", sum, limit)
		}
	})
}

// An agent lowers a charge where its owner wrote so, and only there.
func TestSettleByAgent(t *testing.T) {
	w := newWorld(t)
	w.policy(strings.Replace(budgeted(1000, "deny"), "window: day", "window: day, settle_by: [owner, agent]", 1))
	b := w.agent("shopper")
	d := b.ask(usd("a", 600))
	out, err := w.Settle(t.Context(), b.signedIn(), d.DecisionID, "release", leash.SettleInput{})
	must(t, err)
	if out.Budgets[0].Spent != 0 {
		t.Errorf("released: %+v", out.Budgets)
	}
}
