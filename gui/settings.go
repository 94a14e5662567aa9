package gui

import (
	"html/template"
	"net/http"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// settingsView is the owner's account.
type settingsView struct {
	Profile  leash.OwnerProfile
	Sessions []sessionItem
	Name     string
	Problem  map[string]string // by form: name, passphrase
}

type sessionItem struct {
	store.Session
	Current bool
	Browser string
}

func settingsPage(v *visit) error {
	return v.showSettings(http.StatusOK, settingsView{Name: v.owner.DisplayName})
}

func (v *visit) showSettings(status int, s settingsView) error {
	s.Profile = v.owner
	sessions, err := v.svc.Sessions(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	for _, one := range sessions {
		s.Sessions = append(s.Sessions, sessionItem{one, one.ID == v.caller.SessionID, browserName(one.UserAgent)})
	}
	return v.render(status, "settings", "Settings", s)
}

// refused shows the settings with what is wrong beside one form.
func (v *visit) refused(form string, err error, s settingsView) error {
	status, message := explain(err)
	switch leash.CodeOf(err) {
	case "", leash.Unavailable:
		return err
	case leash.InvalidCredentials:
		message = "The current passphrase is not right."
	}
	s.Problem = map[string]string{form: message}
	return v.showSettings(status, s)
}

func changeName(v *visit) error {
	name := v.form("display_name")
	if name == "" {
		return v.refused("name", leash.CheckName(name), settingsView{Name: name})
	}
	if _, err := v.svc.UpdateProfile(v.ctx(), v.caller, leash.ProfileUpdate{DisplayName: name}); err != nil {
		return v.refused("name", err, settingsView{Name: name})
	}
	return v.redirect("/gui/settings", saidNameChanged)
}

func changePassphrase(v *visit) error {
	s := settingsView{Name: v.owner.DisplayName}
	next := v.r.PostFormValue("passphrase")
	if next != v.r.PostFormValue("passphrase_again") {
		return v.refused("passphrase", &leash.Error{Code: leash.WeakPassphrase, Message: "the two new passphrases differ"}, s)
	}
	if next == "" {
		return v.refused("passphrase", &leash.Error{Code: leash.WeakPassphrase, Message: "type a new passphrase"}, s)
	}
	_, err := v.svc.UpdateProfile(v.ctx(), v.caller, leash.ProfileUpdate{Passphrase: next, CurrentPassphrase: v.r.PostFormValue("current_passphrase")})
	if err != nil {
		return v.refused("passphrase", err, s)
	}
	return v.redirect("/gui/settings", saidPassphrase)
}

func endSession(v *visit) error {
	if err := v.svc.EndSession(v.ctx(), v.caller, v.r.PathValue("id")); err != nil {
		return err
	}
	return v.redirect("/gui/settings", saidSessionEnded)
}

// totpView is the authenticator: off, being set up, or on.
type totpView struct {
	Profile leash.OwnerProfile
	Secret  string // while it is being set up
	URL     string
	QR      template.URL
	Codes   []string // recovery codes, shown once
	Problem string
}

func totpPage(v *visit) error {
	return v.render(http.StatusOK, "totp", "Authenticator", totpView{Profile: v.owner})
}

// totpBegin makes a new secret; while one is in force, it needs a code.
func totpBegin(v *visit) error {
	enrolment, err := v.svc.TOTPSetup(v.ctx(), v.caller, v.form("totp_code"))
	if err != nil {
		return v.totpRefused(totpView{Profile: v.owner}, err)
	}
	return v.showEnrolment(http.StatusOK, totpView{Secret: enrolment.Secret, URL: enrolment.URL})
}

func (v *visit) showEnrolment(status int, t totpView) error {
	t.Profile = v.owner
	var err error
	if t.QR, err = qrCode(t.URL); err != nil {
		return err
	}
	return v.render(status, "totp", "Authenticator", t)
}

// totpConfirm puts the secret in force. The page carries the secret along, so that a wrong code
// does not lose it; the service knows it by itself and does not listen to the page.
func totpConfirm(v *visit) error {
	t := totpView{Secret: v.form("secret"), URL: v.form("otpauth_url"), Profile: v.owner}
	codes, err := v.svc.TOTPConfirm(v.ctx(), v.caller, v.form("totp_code"))
	switch code := leash.CodeOf(err); {
	case code == leash.InvalidTOTP && t.URL != "" && len(t.URL) < 1000:
		_, t.Problem = explain(err)
		return v.showEnrolment(http.StatusUnprocessableEntity, t)
	case err != nil:
		return v.totpRefused(totpView{Profile: v.owner}, err)
	}
	t = totpView{Profile: v.owner, Codes: codes}
	return v.render(http.StatusOK, "totp", "Recovery codes", t)
}

func totpDisable(v *visit) error {
	if err := v.svc.TOTPDisable(v.ctx(), v.caller, v.form("totp_code")); err != nil {
		return v.totpRefused(totpView{Profile: v.owner}, err)
	}
	return v.redirect("/gui/settings", saidTOTPOff)
}

func (v *visit) totpRefused(t totpView, err error) error {
	switch leash.CodeOf(err) {
	case "", leash.Unavailable:
		return err
	}
	status, message := explain(err)
	t.Problem = message
	return v.render(status, "totp", "Authenticator", t)
}
