package leash_test

import (
	"encoding/json"
	"net/netip"
	"strings"
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

// After a request has expired, asking again opens a fresh one, and the log and the agent are told.
func TestExpiredRequestIsReplaced(t *testing.T) {
	w := newWorld(t, func(c *leash.Config) { c.ApprovalTTL = time.Minute })
	w.policy(spending)
	b := w.agent("shopper")
	act := action("a", `{"amount":250,"currency":"USD"}`)
	d := b.ask(act)
	request := func() leash.AgentApproval {
		t.Helper()
		a, err := w.RequestApproval(t.Context(), b.signedIn(), leash.ApprovalInput{DecisionID: d.DecisionID, Action: []byte(act)})
		must(t, err)
		return a
	}
	first := request()
	if again := request(); again.ID != first.ID {
		t.Fatalf("asked again while it is open: %s and %s", first.ID, again.ID)
	}
	w.clock.Step(2 * time.Minute)
	second := request()
	if second.ID == first.ID || second.Status != store.Pending || !second.ExpiresAt.After(w.Now()) {
		t.Fatalf("asked again after it expired: %+v", second)
	}
	if old, err := w.AgentApproval(t.Context(), b.signedIn(), first.ID, 0); err != nil || old.Status != store.Expired {
		t.Errorf("the first request: %+v, %v", old, err)
	}
	w.clock.Step(2 * time.Minute)
	for _, want := range []int{1, 0} {
		if n, err := w.ExpireApprovals(t.Context()); err != nil || n != want {
			t.Errorf("%d requests expired, %v, want %d", n, err, want)
		}
	}
	page, err := w.Audit(t.Context(), w.owner, store.AuditQuery{Types: []store.EventType{store.ApprovalExpired}})
	if err != nil || len(page.Items) != 2 {
		t.Errorf("the log has %d expired requests, %v", len(page.Items), err)
	}
}

func TestOpenRequestsAreBounded(t *testing.T) {
	w := newWorld(t, func(c *leash.Config) { c.MaxOpenEach, c.MaxOpen = 2, 3 })
	w.policy(spending)
	open := func(b *bot, id string) error {
		act := action(id, `{"amount":250,"currency":"USD"}`)
		d := b.ask(act)
		_, err := w.RequestApproval(t.Context(), b.signedIn(), leash.ApprovalInput{DecisionID: d.DecisionID, Action: []byte(act)})
		return err
	}
	one, other := w.agent("one"), w.agent("other")
	must(t, open(one, "a"))
	must(t, open(one, "b"))
	wantCode(t, open(one, "c"), leash.TooManyOpenRequests)
	must(t, open(one, "a")) // the same request
	must(t, open(other, "d"))
	wantCode(t, open(other, "e"), leash.TooManyOpenRequests) // of the owner's agents
}

// An agent that was revoked while its request was approved does not receive the token.
func TestRevokedAgentReceivesNoToken(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	act := action("a", `{"amount":250,"currency":"USD"}`)
	d := b.ask(act)
	signed := b.signedIn()
	a, err := w.RequestApproval(t.Context(), signed, leash.ApprovalInput{DecisionID: d.DecisionID, Action: []byte(act)})
	must(t, err)
	_, err = w.Approve(t.Context(), w.owner, a.ID, leash.ApproveInput{})
	must(t, err)
	_, err = w.SetAgentStatus(t.Context(), w.owner, "shopper", store.Revoked)
	must(t, err)
	got, err := w.AgentApproval(t.Context(), signed, a.ID, 0)
	wantCode(t, err, leash.AgentInactive)
	if got.Token != "" {
		t.Error("the token was handed out")
	}
}

func TestGroupBudgetNeedsAGroup(t *testing.T) {
	w := newWorld(t)
	w.policy(strings.Replace(budgeted(1000, "deny"), "window: day", "window: day, per: group", 1))
	if a := w.agent("loner").ask(usd("a", 1)); a.Result != store.Deny || !strings.Contains(a.Reason, "budget_uncountable") {
		t.Errorf("in no group: %s %s", a.Result, a.Reason)
	}
	if a := w.agent("member", "buyers").ask(usd("b", 1)); a.Result != store.Allow {
		t.Errorf("in a group: %s %s", a.Result, a.Reason)
	}
}

func TestWebhookAddresses(t *testing.T) {
	w := newWorld(t)
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1:248:1893:25c8:1946": true,
		"127.0.0.1": false, "10.0.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"192.88.99.1": false, "::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:0:127.0.0.1": false,
		"64:ff9b::7f00:1": false, "2001::1": false, "2002:7f00:1::": false, "fec0::1": false, "fe80::1": false, "fc00::1": false,
		"100::1": false, "5f00::1": false, "255.255.255.255": false, "224.0.0.1": false, "ff02::1": false,
	} {
		if got := w.WebhookAddressAllowed(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
