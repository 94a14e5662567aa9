package leash_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

func TestLogin(t *testing.T) {
	w := newWorld(t)
	grant := login(w)
	caller, err := w.Session(t.Context(), grant.Token)
	must(t, err)
	if caller.OwnerID != w.owner.OwnerID {
		t.Fatalf("the session is of %s", caller.OwnerID)
	}
	for name, in := range map[string]leash.LoginInput{
		"wrong passphrase": {OwnerID: w.owner.OwnerID, Passphrase: "wrong horse battery"},
		"unknown owner":    {OwnerID: "usr_01h455vb4pex5vsknk084sn02q", Passphrase: passphrase},
	} {
		_, err := w.Login(t.Context(), in)
		if got := leash.CodeOf(err); got != leash.InvalidCredentials {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.clock.Step(13 * time.Hour)
	_, err = w.Session(t.Context(), grant.Token)
	wantCode(t, err, leash.Unauthenticated)
}

func TestGuessesAreSlowed(t *testing.T) {
	w := newWorld(t)
	guess := func() error {
		_, err := w.Login(t.Context(), leash.LoginInput{OwnerID: w.owner.OwnerID, Passphrase: "guess after guess"})
		return err
	}
	for range 5 {
		wantCode(t, guess(), leash.InvalidCredentials)
	}
	wantCode(t, guess(), leash.RateLimited)
	_, err := w.Login(t.Context(), leash.LoginInput{OwnerID: w.owner.OwnerID, Passphrase: passphrase})
	wantCode(t, err, leash.RateLimited)
	w.clock.Step(time.Minute)
	login(w)
}

func TestSessionsEndOnTheServer(t *testing.T) {
	for name, end := range map[string]func(w *world, c leash.Caller) error{
		"log-out": func(w *world, c leash.Caller) error { return w.Logout(t.Context(), c) },
		"refresh": func(w *world, c leash.Caller) error {
			_, err := w.Refresh(t.Context(), c)
			return err
		},
		"a new passphrase elsewhere": func(w *world, _ leash.Caller) error {
			_, err := w.UpdateProfile(t.Context(), w.owner, leash.ProfileUpdate{Passphrase: "another passphrase", CurrentPassphrase: passphrase})
			return err
		},
		"set-up again": func(w *world, _ leash.Caller) error {
			inv, err := w.SetupInvite(t.Context(), w.owner.OwnerID)
			must(t, err)
			_, err = w.Setup(t.Context(), inv.InviteID, inv.InviteToken, "another passphrase")
			return err
		},
		"a revoked owner": func(w *world, _ leash.Caller) error { return w.RevokeOwner(t.Context(), w.owner.OwnerID) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			grant := login(w)
			caller, err := w.Session(t.Context(), grant.Token)
			must(t, err)
			must(t, end(w, caller))
			_, err = w.Session(t.Context(), grant.Token)
			wantCode(t, err, leash.Unauthenticated)
			w.restart()
			_, err = w.Session(t.Context(), grant.Token)
			wantCode(t, err, leash.Unauthenticated)
		})
	}
}

func TestWeakPassphrase(t *testing.T) {
	w := newWorld(t)
	_, err := w.UpdateProfile(t.Context(), w.owner, leash.ProfileUpdate{Passphrase: "seven77", CurrentPassphrase: passphrase})
	wantCode(t, err, leash.WeakPassphrase)
	_, err = w.UpdateProfile(t.Context(), w.owner, leash.ProfileUpdate{Passphrase: "long enough", CurrentPassphrase: "not it at all"})
	wantCode(t, err, leash.InvalidCredentials)
}

// enrol switches TOTP on and returns the secret and the recovery codes.
func enrol(w *world) (secret string, recovery []string) {
	w.t.Helper()
	e, err := w.TOTPSetup(w.t.Context(), w.owner, "")
	must(w.t, err)
	u, err := url.Parse(e.URL)
	must(w.t, err)
	if u.Scheme != "otpauth" || u.Query().Get("secret") != e.Secret {
		w.t.Fatalf("the URL is %s", e.URL)
	}
	recovery, err = w.TOTPConfirm(w.t.Context(), w.owner, w.code(e.Secret))
	must(w.t, err)
	w.clock.Step(time.Minute)
	return e.Secret, recovery
}

func (w *world) code(secret string) string {
	w.t.Helper()
	code, err := totp.GenerateCode(secret, w.clock.Now())
	must(w.t, err)
	return code
}

func TestTOTP(t *testing.T) {
	w := newWorld(t)
	secret, recovery := enrol(w)
	in := leash.LoginInput{OwnerID: w.owner.OwnerID, Passphrase: passphrase}
	try := func(code string) error {
		in.TOTPCode = code
		_, err := w.Login(t.Context(), in)
		return err
	}
	wantCode(t, try(""), leash.TOTPRequired)
	wantCode(t, try("000000"), leash.InvalidTOTP)
	code := w.code(secret)
	must(t, try(code))
	wantCode(t, try(code), leash.InvalidTOTP) // once
	must(t, try(strings.ToLower(recovery[0])))
	wantCode(t, try(recovery[0]), leash.InvalidTOTP) // once

	_, err := w.TOTPSetup(t.Context(), w.owner, "")
	wantCode(t, err, leash.InvalidTOTP)
	wantCode(t, w.TOTPDisable(t.Context(), w.owner, "123456"), leash.InvalidTOTP)
	w.clock.Step(time.Minute)
	must(t, w.TOTPDisable(t.Context(), w.owner, w.code(secret)))
	must(t, try(""))
}

func TestStepUpNeedsTheOwnersCode(t *testing.T) {
	w := newWorld(t)
	w.policy("id: pol\nrules: [{action: '*', effect: require_step_up}]")
	b := w.agent("shopper")
	// What the agent says of itself satisfies nothing.
	act := action("a1", `{"assurance_level":"HIGH","step_up":true,"totp_code":"000000"}`)
	req := b.requested(act)
	_, err := w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{})
	wantCode(t, err, leash.TOTPRequired)
	secret, _ := enrol(w)
	_, err = w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{TOTPCode: "000000"})
	wantCode(t, err, leash.InvalidTOTP)
	grant, err := w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{TOTPCode: w.code(secret)})
	must(t, err)
	if a := b.ask(withToken(act, grant.Token)); a.Result != store.Allow {
		t.Fatalf("stepped up: %s", a.Result)
	}
}

func TestDepositNeedsAReference(t *testing.T) {
	w := newWorld(t)
	w.policy("id: pol\nrules: [{action: '*', effect: require_deposit}]")
	b := w.agent("shopper")
	act := action("a1", `{"deposit_reference":"mine"}`)
	req := b.requested(act)
	_, err := w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{})
	wantCode(t, err, leash.DepositRequired)
	grant, err := w.Approve(t.Context(), w.owner, req.ID, leash.ApproveInput{DepositReference: "bank 42"})
	must(t, err)
	if a := b.ask(withToken(act, grant.Token)); a.Result != store.Allow {
		t.Fatalf("with a deposit: %s", a.Result)
	}
}

func TestFirstSetUpNeedsTheCode(t *testing.T) {
	w := emptyWorld(t)
	code, err := w.SetupCode(t.Context())
	must(t, err)
	first := leash.FirstOwner{DisplayName: "Ada", Passphrase: passphrase, Profile: "balanced"}
	_, err = w.SetUpFirst(t.Context(), "guess", first)
	wantCode(t, err, leash.InvalidCredentials)
	owner, err := w.SetUpFirst(t.Context(), code, first)
	must(t, err)
	_, err = w.SetUpFirst(t.Context(), code, first)
	wantCode(t, err, leash.InvalidStatus)
	policies, err := w.Policies(t.Context(), leash.Caller{OwnerID: owner.ID})
	must(t, err)
	if len(policies) != 1 {
		t.Fatalf("the first owner has %d policies", len(policies))
	}
}

func TestSecondOwnerTakesNothing(t *testing.T) {
	w := newWorld(t)
	w.policy(spending)
	b := w.agent("shopper")
	_, err := w.CreateOwner(t.Context(), "Eve", "")
	must(t, err)
	if a := b.ask(action("a1", `{"amount":5}`)); a.Result != store.Allow {
		t.Fatalf("with a second owner: %s", a.Result)
	}
	p, err := w.Policy(t.Context(), w.owner, "pol_spending_limit")
	must(t, err)
	if !strings.Contains(p.Text, w.owner.OwnerID) {
		t.Fatalf("the policy names no owner:\n%s", p.Text)
	}
}

// A link that was sent before an owner was revoked opens nothing, and there are no new ones.
func TestRevokedOwnersAreNotSetUp(t *testing.T) {
	w := newWorld(t)
	bob, err := w.CreateOwner(t.Context(), "Bob", "HUMAN")
	must(t, err)
	early, err := w.SetupInvite(t.Context(), bob.ID)
	must(t, err)
	must(t, w.RevokeOwner(t.Context(), bob.ID))
	_, err = w.Setup(t.Context(), early.InviteID, early.InviteToken, passphrase)
	wantCode(t, err, leash.InvalidStatus)
	_, err = w.SetupInvite(t.Context(), bob.ID)
	wantCode(t, err, leash.InvalidStatus)
}
