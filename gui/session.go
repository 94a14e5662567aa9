package gui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// ownerCookie remembers who logged in here last, so that a server with several owners need not ask.
const ownerCookie = "openleash_owner"

// loginView is the log-in, and what it interrupted.
type loginView struct {
	Problem  string
	Owner    string
	AskOwner bool // there are several
	AskCode  bool
	Return   string
	Carry    []field
}

func loginPage(v *visit) error {
	if code, err := v.svc.SetupCode(v.ctx()); err == nil && code != "" {
		return v.redirect("/gui/welcome", "")
	}
	if v.identify() == nil {
		return v.redirect(ownPath(v.query("return")), "")
	}
	return v.showLogin(http.StatusOK, loginView{Return: ownPath(v.query("return"))})
}

func (v *visit) showLogin(status int, l loginView) error {
	owners, err := v.activeOwners()
	if err != nil {
		return err
	}
	l.AskOwner = len(owners) > 1
	if c, err := v.r.Cookie(ownerCookie); l.Owner == "" && err == nil {
		for _, o := range owners {
			if o.ID == c.Value {
				l.Owner = o.DisplayName
			}
		}
	}
	v.owner, v.token = leash.OwnerProfile{}, "" // the frame of somebody who is not logged in
	return v.render(status, "login", "Log in", l)
}

func (v *visit) activeOwners() ([]leash.OwnerProfile, error) {
	all, err := v.svc.Owners(v.ctx())
	if err != nil {
		return nil, err
	}
	var active []leash.OwnerProfile
	for _, o := range all {
		if o.Status == store.Active {
			active = append(active, o)
		}
	}
	return active, nil
}

// askLogin interrupts a visit without a session. What was sent stays in the page.
func (v *visit) askLogin() error {
	if code, err := v.svc.SetupCode(v.ctx()); err == nil && code != "" {
		return v.redirect("/gui/welcome", "")
	}
	if v.fragment() || strings.Contains(v.r.Header.Get("Accept"), "text/event-stream") {
		v.w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	l := loginView{Return: ownPath(v.r.URL.RequestURI())}
	if v.r.Method == http.MethodPost {
		l.Carry = carried(v.r.PostForm)
		l.Problem = "Your session ended before this could be saved. Nothing is lost: log in and go on."
		return v.showLogin(http.StatusUnauthorized, l)
	}
	return v.redirect("/gui/login?return="+url.QueryEscape(l.Return), "")
}

func login(v *visit) error {
	l := loginView{Owner: v.form("owner"), Return: ownPath(v.form("return")), AskCode: v.r.PostForm.Has("totp_code")}
	for name, values := range v.r.PostForm {
		if carried, ok := strings.CutPrefix(name, "carry."); ok {
			for _, value := range values {
				l.Carry = append(l.Carry, field{carried, value})
			}
		}
	}
	ownerID, err := v.ownerNamed(l.Owner)
	if err != nil {
		return err
	}
	grant, err := v.svc.Login(v.ctx(), leash.LoginInput{OwnerID: ownerID, Passphrase: v.r.PostFormValue("passphrase"),
		TOTPCode: v.form("totp_code"), UserAgent: v.r.UserAgent()})
	if err != nil {
		return v.loginRefused(l, err)
	}
	v.setSession(grant.Token, grant.ExpiresAt)
	remember := v.cookie(ownerCookie, grant.OwnerID) //nolint:gosec // G124: cookie sets all three attributes
	remember.MaxAge = 365 * 24 * 3600
	http.SetCookie(v.w, remember)
	if len(l.Carry) > 0 {
		if v.caller, err = v.svc.Session(v.ctx(), grant.Token); err != nil {
			return err
		}
		if v.owner, err = v.svc.Profile(v.ctx(), v.caller); err != nil {
			return err
		}
		return v.render(http.StatusOK, "again", "Go on where you were",
			againView{"You are logged in again. What you were about to do is still here.", l.Return, l.Carry})
	}
	if v.fragment() {
		v.w.Header().Set("HX-Redirect", l.Return)
		return nil
	}
	return v.redirect(l.Return, "")
}

// loginRefused says why, and asks for a code where one is needed. With htmx, what was typed stays.
func (v *visit) loginRefused(l loginView, err error) error {
	status, message := explain(err)
	switch leash.CodeOf(err) {
	case leash.TOTPRequired:
		l.AskCode, l.Problem = true, ""
	case leash.InvalidTOTP:
		l.AskCode, l.Problem = true, message
	case leash.InvalidCredentials:
		l.Problem = "That passphrase is not right."
		if l.Owner != "" {
			l.Problem = "That owner and passphrase do not fit."
		}
	case "", leash.Unavailable:
		return err
	default:
		l.Problem = message
	}
	if v.fragment() {
		return v.part("login", "login-answer", l)
	}
	return v.showLogin(status, l)
}

// ownerNamed finds an owner by id or by display name; an unknown name is passed on, to get the answer
// that every wrong log-in gets.
func (v *visit) ownerNamed(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	owners, err := v.activeOwners()
	if err != nil {
		return "", err
	}
	found := name
	for _, o := range owners {
		if o.ID == name {
			return o.ID, nil
		}
		if strings.EqualFold(o.DisplayName, name) {
			found = o.ID
		}
	}
	return found, nil
}

func logout(v *visit) error {
	if err := v.svc.Logout(v.ctx(), v.caller); err != nil {
		return err
	}
	v.setSession("", v.now)
	return v.redirect("/gui/login", saidLoggedOut)
}

// welcomeView is the set-up of the first owner.
type welcomeView struct {
	Problem  string
	Code     string
	Name     string
	Profile  string
	Profiles []profileChoice
}

type profileChoice struct{ ID, Name, Words string }

var profiles = []profileChoice{
	{"conservative", "Careful", "Looking things up passes; everything that has consequences asks you first."},
	{"balanced", "Balanced", "Small purchases pass, a few a day; larger ones, bookings and messages ask you. A good start."},
	{"autonomous", "Free", "Most actions pass; large purchases and what cannot be taken back ask you."},
	{"none", "Nothing yet", "Everything is denied until you write a policy."},
}

func welcomePage(v *visit) error {
	code, err := v.svc.SetupCode(v.ctx())
	if err != nil {
		return err
	}
	if code == "" {
		return v.redirect("/gui/login", "")
	}
	return v.render(http.StatusOK, "welcome", "Welcome", welcomeView{Code: v.query("code"), Profile: "balanced", Profiles: profiles})
}

func welcome(v *visit) error {
	w := welcomeView{Code: v.form("setup_code"), Name: v.form("display_name"), Profile: v.form("profile"), Profiles: profiles}
	passphrase := v.r.PostFormValue("passphrase")
	refuse := func(message string) error {
		w.Problem = message
		return v.render(http.StatusUnprocessableEntity, "welcome", "Welcome", w)
	}
	if passphrase != v.r.PostFormValue("passphrase_again") {
		return refuse("The two passphrases differ.")
	}
	owner, err := v.svc.SetUpFirst(v.ctx(), w.Code, leash.FirstOwner{DisplayName: w.Name, Passphrase: passphrase, Profile: w.Profile})
	switch code := leash.CodeOf(err); {
	case code == leash.InvalidStatus:
		return v.redirect("/gui/login", "")
	case code != "" && code != leash.Unavailable:
		_, message := explain(err)
		return refuse(message)
	case err != nil:
		return err
	}
	grant, err := v.svc.Login(v.ctx(), leash.LoginInput{OwnerID: owner.ID, Passphrase: passphrase, UserAgent: v.r.UserAgent()})
	if err != nil {
		return err
	}
	v.setSession(grant.Token, grant.ExpiresAt)
	return v.redirect("/gui/", saidWelcome)
}

// setupView is the redemption of a set-up invite.
type setupView struct {
	Problem  string
	InviteID string
	Token    string
}

func setupPage(v *visit) error {
	return v.render(http.StatusOK, "setup", "Set your passphrase", setupView{InviteID: v.query("invite_id")})
}

func setup(v *visit) error {
	s := setupView{InviteID: v.form("invite_id"), Token: v.form("invite_token")}
	refuse := func(message string) error {
		s.Problem = message
		return v.render(http.StatusUnprocessableEntity, "setup", "Set your passphrase", s)
	}
	passphrase := v.r.PostFormValue("passphrase")
	if passphrase != v.r.PostFormValue("passphrase_again") {
		return refuse("The two passphrases differ.")
	}
	_, err := v.svc.Setup(v.ctx(), s.InviteID, s.Token, passphrase)
	if code := leash.CodeOf(err); code != "" && code != leash.Unavailable {
		_, message := explain(err)
		return refuse(message)
	}
	if err != nil {
		return err
	}
	return v.redirect("/gui/login", saidPassphraseSet)
}
