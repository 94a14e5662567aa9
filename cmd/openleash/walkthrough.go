package main

import (
	"bytes"
	"context"
	_ "embed" // the policies of the walk-through
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/policies"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
	"github.com/openleash/openleash-go/store/file"
)

// world is what the steps of the walk-through leave for each other.
type world struct {
	url     string
	secret  string // the owner's passphrase
	asOwner *api   // with the owner's session
	asAgent *sdk.Client
	allowed *sdk.Decision // for 45

	stop    context.CancelFunc
	stopped chan error
}

type walkStep struct {
	title, shows string
	do           func(ctx context.Context, d *demo) error
}

// walkThrough is the whole story, in order.
func walkThrough() []walkStep {
	return []walkStep{
		{"Set up", "All state is files that one can read, put under version control and back up.", stepSetUp},
		{"Start the server", "It listens on this machine only. Being on localhost is no credential: the owner logs in.", stepStart},
		{"Invite an agent", "The agent makes its own key; only the public half leaves it. Without a policy it may do nothing.", stepInvite},
		{"Save a policy", "A file that is saved is active at once, without a restart.", stepPolicy},
		{"Buy for 45", "ALLOW comes with a signed proof for the shop.", stepSmall},
		{"Buy for 250", "The owner approves this one action, once: the token is good for nothing else.", stepMedium},
		{"Buy for 600", "DENY is an answer, with its reason.", stepLarge},
		{"Cheat", "What is missing or of the wrong type is unknown, and unknown is never a yes.", stepCheat},
		{"Verify the proof", "The shop needs nothing but the public key. What was changed, or is for something else, does not hold.", stepVerify},
		{"Keep a budget", "Checked and charged in one step: of twenty requests at the same instant, just five get through.", stepBudget},
		{"Read the log", "One changed byte is found, offline.", stepLog},
	}
}

const demoAgent = "shopping-agent"

func stepSetUp(ctx context.Context, d *demo) error {
	d.did("openleash init --owner-name Ann --agent-id first-agent --policy-profile none")
	s, err := d.setUp(ctx, wishes{name: "Ann", agentID: "first-agent", profile: "none"})
	if err != nil {
		return err
	}
	d.secret = s.Passphrase
	for _, name := range []string{"owners/" + s.Owner.ID + ".json", "agents/" + s.Agent.AgentPrincipalID + ".json", "keys", "policies", "state.yaml", "audit.log.jsonl"} {
		if _, err := os.Stat(filepath.Join(d.settings.data, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("looking at the data folder: %w", err)
		}
		d.note("data/%s", name)
	}
	d.expect("owner", s.Owner.DisplayName, "Ann")
	return nil
}

func stepStart(ctx context.Context, d *demo) error {
	d.did("openleash start")
	var config net.ListenConfig
	public, err := config.Listen(ctx, "tcp", d.settings.addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	d.settings.addr = public.Addr().String()
	d.url = d.settings.url()
	n, err := d.open(ctx, true)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	ctx, d.stop = context.WithCancel(ctx)
	d.stopped = make(chan error, 1)
	go func() { d.stopped <- errors.Join(n.run(ctx, public), n.close()) }()
	d.asOwner = overTCP(d.settings.addr)
	var health struct{ Status string }
	if err := d.asOwner.call(ctx, http.MethodGet, "/v1/health", nil, &health); err != nil {
		return err
	}
	d.expect("GET "+d.url+"/v1/health", health.Status, "ok")
	err = d.asOwner.call(ctx, http.MethodGet, "/v1/owner/agents", nil, nil)
	d.expect("a local process without a credential asks for the agents", string(leash.CodeOf(err)), "UNAUTHENTICATED")
	var session leash.SessionGrant
	if err := d.asOwner.call(ctx, http.MethodPost, "/v1/owner/login", map[string]string{"passphrase": d.secret}, &session); err != nil {
		return err
	}
	d.asOwner.token = session.Token
	return nil
}

func stepInvite(ctx context.Context, d *demo) error {
	d.did("openleash agent invite")
	var invite leash.InviteGrant
	if err := d.asOwner.call(ctx, http.MethodPost, "/v1/owner/agent-invites", leash.InviteInput{}, &invite); err != nil {
		return err
	}
	d.did("openleash agent register --invite '%s…' --agent-id %s", invite.InviteURL[:min(len(invite.InviteURL), 72)], demoAgent)
	key, err := sdk.GenerateKeyPair()
	if err != nil {
		return err
	}
	r, err := sdk.RedeemInvite(ctx, invite.InviteURL, demoAgent, key)
	if err != nil {
		return err
	}
	d.expect(demoAgent, r.Status, "ACTIVE")
	_, err = sdk.RedeemInvite(ctx, invite.InviteURL, "another-agent", key)
	d.expect("the same invite again", sdk.Code(err), "INVALID_INVITE")
	if d.asAgent, err = sdk.New(r.Config()); err != nil {
		return err
	}
	_, err = d.asAgent.Authorize(ctx, purchase(45))
	d.expect("it asks to buy for 45", sdk.Code(err), "NO_POLICY")
	return nil
}

// purchase is the action of the walk-through.
func purchase(amount any) sdk.Action {
	return sdk.Action{Type: "purchase.order", Context: map[string]any{"amount": amount, "currency": "USD"},
		RelyingParty: &proof.RelyingParty{Domain: "shop.example.com"}}
}

func stepPolicy(ctx context.Context, d *demo) error {
	text, err := policies.Files.ReadFile("spending-policy.yaml")
	if err != nil {
		return err
	}
	took, err := d.save(ctx, "spending-policy.yaml", text, "pol_spending_limit")
	if err != nil {
		return err
	}
	var view leash.PolicyView
	if err := d.asOwner.call(ctx, http.MethodGet, policyPath("pol_spending_limit"), nil, &view); err != nil {
		return err
	}
	for _, w := range view.Words {
		d.note("%s", w)
	}
	d.expect("active", view.ID, "pol_spending_limit")
	d.note("%s", d.paint.faint(fmt.Sprintf("after %d ms", took.Milliseconds())))
	return nil
}

// save writes a policy file and waits until it is active in the server.
func (d *demo) save(ctx context.Context, name string, text []byte, id string) (time.Duration, error) {
	d.did("cp %s data/policies/", name)
	if err := os.WriteFile(filepath.Join(d.settings.data, "policies", name), text, 0o600); err != nil {
		return 0, fmt.Errorf("saving a policy: %w", err)
	}
	began := d.clock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := d.asOwner.call(ctx, http.MethodGet, policyPath(id), nil, nil)
		if leash.CodeOf(err) != leash.NotFound {
			return d.clock().Sub(began), err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the policy did not become active: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// buy asks for a purchase, and shows the answer.
func (d *demo) buy(ctx context.Context, amount any) (*sdk.Decision, error) {
	shown, err := json.Marshal(amount)
	if err != nil {
		return nil, err
	}
	d.did(`openleash agent authorize purchase.order --payload '{"amount": %s, "currency": "USD"}'`, shown)
	return d.asAgent.Authorize(ctx, purchase(amount))
}

func stepSmall(ctx context.Context, d *demo) error {
	got, err := d.buy(ctx, 45)
	if err != nil {
		return err
	}
	d.expect("decision", got.Result, "ALLOW")
	d.expect("by", got.MatchedPolicyID+"/"+got.MatchedRuleID, "pol_spending_limit/rule_1")
	d.note("%s", d.paint.faint(got.ProofToken[:min(len(got.ProofToken), 72)]+"…"))
	d.allowed = got
	return nil
}

func stepMedium(ctx context.Context, d *demo) error {
	got, err := d.buy(ctx, 250)
	if err != nil {
		return err
	}
	d.expect("decision", got.Result, "REQUIRE_APPROVAL")
	request, err := d.asAgent.RequestApproval(ctx, got, "the printer is out of toner")
	if err != nil {
		return err
	}
	d.did("openleash approval approve %s", request.ID)
	var grant leash.ApprovalGrant
	if err := d.asOwner.call(ctx, http.MethodPost, approvalPath(request.ID)+"/approve", empty{}, &grant); err != nil {
		return err
	}
	other, err := d.asAgent.Authorize(ctx, purchase(251))
	if err != nil {
		return err
	}
	_, err = d.asAgent.Redeem(ctx, other, grant.Token)
	d.expect("the agent uses the approval for 251", sdk.Code(err), "ACTION_HASH_MISMATCH")
	redeemed, err := d.asAgent.Redeem(ctx, got, grant.Token)
	if err != nil {
		return err
	}
	d.expect("for 250, as approved", redeemed.Result, "ALLOW")
	return nil
}

func stepLarge(ctx context.Context, d *demo) error {
	got, err := d.buy(ctx, 600)
	if err != nil {
		return err
	}
	d.expect("decision", got.Result, "DENY")
	d.note("%s", got.Reason)
	return nil
}

func stepCheat(ctx context.Context, d *demo) error {
	for _, amount := range []any{"45", nil, []int{45}} {
		got, err := d.buy(ctx, amount)
		if err != nil {
			return err
		}
		d.expect("decision", got.Result, "DENY")
	}
	return nil
}

func stepVerify(ctx context.Context, d *demo) error {
	d.did("curl %s/v1/public-keys > keys.json", d.url)
	var text json.RawMessage
	if err := d.asOwner.call(ctx, http.MethodGet, "/v1/public-keys", nil, &text); err != nil {
		return err
	}
	keys, err := proof.ParsePublicKeys(text)
	if err != nil {
		return err
	}
	verify := func(token string, e sdk.Expect) string {
		e.AllowReplay = true
		_, err := sdk.NewOfflineVerifier(keys).Verify(ctx, token, e)
		var invalid *proof.VerifyError
		switch {
		case errors.As(err, &invalid):
			return string(invalid.Reason)
		case err != nil:
			return err.Error()
		}
		return "valid"
	}
	token := d.allowed.ProofToken
	d.did("openleash verify --keys keys.json --action action.json --audience shop.example.com v4.public.…")
	d.expect("for 45, at this shop", verify(token, sdk.Expect{ActionHash: d.allowed.ActionHash, Audience: "shop.example.com"}), "valid")
	d.expect("at another shop", verify(token, sdk.Expect{Audience: "other.example.com"}), "AUDIENCE_MISMATCH")
	d.expect("for another action", verify(token, sdk.Expect{ActionHash: strings.Repeat("0", 64)}), "ACTION_MISMATCH")
	middle := len(token) / 2
	changed := token[:middle] + string(token[middle]^1) + token[middle+1:]
	d.expect("with one bit changed", map[bool]string{true: "valid", false: "not valid"}[verify(changed, sdk.Expect{}) == "valid"], "not valid")
	return nil
}

//go:embed demo-budget.yaml
var demoBudget []byte

func stepBudget(ctx context.Context, d *demo) error {
	if _, err := d.save(ctx, "coffee.yaml", demoBudget, "pol_coffee"); err != nil {
		return err
	}
	d.note("a budget of 20.00 USD a day for purchase.coffee, at 4.00 each")
	const cups = 20
	var allowed atomic.Int64
	errs := make([]error, cups)
	var all sync.WaitGroup
	for i := range cups {
		all.Go(func() {
			got, err := d.asAgent.Authorize(ctx, sdk.Action{Type: "purchase.coffee", Context: map[string]any{"amount_minor": 400, "currency": "USD"}})
			if errs[i] = err; got.Allowed() {
				allowed.Add(1)
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	d.expect(fmt.Sprintf("%d requests at once, allowed", cups), fmt.Sprint(allowed.Load()), "5")
	var budgets page[leash.BudgetView]
	if err := d.asOwner.call(ctx, http.MethodGet, "/v1/owner/budgets", nil, &budgets); err != nil {
		return err
	}
	for _, b := range budgets.Items {
		if b.AgentID == demoAgent {
			d.expect("left of the budget", fmt.Sprintf("%d of %d", b.Remaining, b.Limit), "0 of 2000")
		}
	}
	return nil
}

func stepLog(ctx context.Context, d *demo) error {
	if err := d.end(); err != nil { // the server
		return err
	}
	d.did("openleash audit verify     # the server is stopped")
	report, err := file.Verify(ctx, d.settings.data, file.VerifyOptions{})
	if err != nil {
		return err
	}
	d.expect(fmt.Sprintf("the chain of %d entries", report.Entries), "intact", "intact")
	name := filepath.Join(d.settings.data, "audit.log.jsonl")
	log, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	changed := bytes.Replace(log, []byte(`"amount":600`), []byte(`"amount":500`), 1)
	if bytes.Equal(changed, log) {
		return errors.New("the log does not tell of the 600")
	}
	if err := os.WriteFile(name, changed, 0o600); err != nil {
		return fmt.Errorf("changing the log: %w", err)
	}
	d.did("sed -i 's/\"amount\":600/\"amount\":500/' data/audit.log.jsonl && openleash audit verify")
	_, err = file.Verify(ctx, d.settings.data, file.VerifyOptions{})
	var wrong *file.VerifyError
	outcome := "unnoticed"
	if errors.As(err, &wrong) {
		outcome = "found"
		d.note("%v", wrong)
	}
	d.expect("the change", outcome, "found")
	return os.WriteFile(name, log, 0o600)
}
