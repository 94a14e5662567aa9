package leash_test

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

var act250 = action("a1", `{"amount":250}`)

func TestApprovalIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	redeem := withToken(act250, b.approved(act250))

	var allowed, consumed atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		a := b.signedIn()
		wg.Go(func() {
			answer, err := w.Authorize(t.Context(), a, []byte(redeem))
			switch {
			case err == nil && answer.Result == store.Allow:
				allowed.Add(1)
			case leash.CodeOf(err) == leash.ApprovalTokenConsumed:
				consumed.Add(1)
			default:
				t.Errorf("got %+v, %v", answer, err)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 1 || consumed.Load() != 15 {
		t.Fatalf("allowed %d times, refused as consumed %d times", allowed.Load(), consumed.Load())
	}
	w.restart()
	if got := b.askErr(redeem); got != leash.ApprovalTokenConsumed {
		t.Fatalf("after a restart: %s", got)
	}
	// An answer that was lost on the way is had again by asking without the token.
	if again := b.ask(act250); again.Result != store.Allow {
		t.Fatalf("asking again: %s", again.Result)
	}
}

func TestApprovalIsBoundToItsAction(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b, other := w.agent("shopper"), w.agent("other")
	token := b.approved(act250)
	for name, tc := range map[string]struct {
		b      *bot
		action string
		want   leash.Code
	}{
		"another amount":       {b, withToken(action("a1", `{"amount":251}`), token), leash.ActionHashMismatch},
		"another agent":        {other, withToken(act250, token), leash.ApprovalAgentMismatch},
		"not a token":          {b, withToken(act250, "v4.public.e30"), leash.InvalidApprovalToken},
		"a proof is no pass":   {b, withToken(act250, *b.ask(action("a2", `{"amount":5}`)).ProofToken), leash.InvalidApprovalToken},
		"a session is no pass": {b, withToken(act250, login(w).Token), leash.InvalidApprovalToken},
	} {
		if got := tc.b.askErr(tc.action); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}

func login(w *world) leash.SessionGrant {
	w.t.Helper()
	grant, err := w.Login(w.t.Context(), leash.LoginInput{OwnerID: w.owner.OwnerID, Passphrase: passphrase})
	must(w.t, err)
	return grant
}

func TestApprovalIsWorthlessIfPolicyNowDenies(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	token := b.approved(act250)
	w.policy("id: pol_spending_limit\nrules: [{action: '*', effect: deny}]")
	if answer := b.ask(withToken(act250, token)); answer.Result != store.Deny || answer.ProofToken != nil {
		t.Fatalf("got %s", answer.Result)
	}
}

func TestOnlyStoredRequireDecisionsCanBeApproved(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b, other := w.agent("shopper"), w.agent("other")
	small, big := action("s", `{"amount":5}`), action("b", `{"amount":501}`)
	waiting := b.ask(act250)
	for name, tc := range map[string]struct {
		b        *bot
		decision string
		action   string
	}{
		"allowed":      {b, b.ask(small).DecisionID, small},
		"denied":       {b, b.ask(big).DecisionID, big},
		"invented":     {b, "dec_01h455vb4pex5vsknk084sn02q", act250},
		"another hash": {b, waiting.DecisionID, small},
		"another's":    {other, waiting.DecisionID, act250},
	} {
		_, err := w.RequestApproval(t.Context(), tc.b.signedIn(), leash.ApprovalInput{DecisionID: tc.decision, Action: json.RawMessage(tc.action)})
		if got := leash.CodeOf(err); got != leash.DecisionNotApprovable {
			t.Errorf("%s: got %v", name, err)
		}
	}
	in := leash.ApprovalInput{DecisionID: waiting.DecisionID, Action: json.RawMessage(act250)}
	one, err := w.RequestApproval(t.Context(), b.signedIn(), in)
	must(t, err)
	two, err := w.RequestApproval(t.Context(), b.signedIn(), in)
	must(t, err)
	if one.ID != two.ID {
		t.Errorf("asked twice: %s and %s", one.ID, two.ID)
	}
}

func TestApprovalExpires(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	req := b.requested(act250)
	w.clock.Step(25 * time.Hour)
	_, err := w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{})
	wantCode(t, err, leash.RequestExpired)

	second := action("a2", `{"amount":250}`)
	token := b.approved(second)
	w.clock.Step(2 * time.Hour)
	if got := b.askErr(withToken(second, token)); got != leash.InvalidApprovalToken {
		t.Fatalf("an expired token: %s", got)
	}
}

func TestDeniedApprovalSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	req := b.requested(act250)
	waited := make(chan leash.AgentApproval, 1)
	a := b.signedIn()
	go func() {
		v, err := w.AgentApproval(t.Context(), a, req.ID, time.Minute)
		if err != nil {
			t.Error(err)
		}
		waited <- v
	}()
	_, err := w.DenyApproval(t.Context(), w.owner, req.ID, "too dear")
	must(t, err)
	if v := <-waited; v.Status != store.Denied || v.DenyReason != "too dear" || v.Token != "" {
		t.Fatalf("got %+v", v)
	}
	_, err = w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{})
	wantCode(t, err, leash.InvalidStatus)
}

func TestAnotherOwnerSeesNothing(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	req := w.agent("shopper").requested(act250)
	stranger, err := w.CreateOwner(t.Context(), "Eve", "")
	must(t, err)
	eve := leash.Caller{OwnerID: stranger.ID}
	_, err = w.Approval(t.Context(), eve, req.ID)
	wantCode(t, err, leash.ApprovalRequestNotFound)
	_, err = w.Approve(t.Context(), eve, req.ID, leash.ApproveInput{})
	wantCode(t, err, leash.ApprovalRequestNotFound)
	_, err = w.AgentByID(t.Context(), eve, "shopper")
	wantCode(t, err, leash.NotFound)
	_, err = w.Policy(t.Context(), eve, "pol_spending_limit")
	wantCode(t, err, leash.NotFound)
}
