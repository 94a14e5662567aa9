package gui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/leash/policybook"
)

// sessionCookie holds the session token. The HTTP API takes the same cookie.
const sessionCookie = "openleash_session"

// A visit is one request of a page.
type visit struct {
	*portal
	w      http.ResponseWriter
	r      *http.Request
	now    time.Time
	caller leash.Caller
	owner  leash.OwnerProfile // zero without a session
	token  string             // of the session
	seq    uint64             // of the owner's latest log entry when the visit began
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// form is a field as the owner sent it, without the blanks around it.
func (v *visit) form(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// query is a parameter of the address.
func (v *visit) query(name string) string { return strings.TrimSpace(v.r.URL.Query().Get(name)) }

// fragment says whether htmx asks for a part of the page.
func (v *visit) fragment() bool { return v.r.Header.Get("HX-Request") == "true" }

// identify finds the owner of the session.
func (v *visit) identify() error {
	cookie, err := v.r.Cookie(sessionCookie)
	if err != nil {
		return &leash.Error{Code: leash.Unauthenticated, Message: "log in first"}
	}
	if v.caller, err = v.svc.Session(v.ctx(), cookie.Value); err != nil {
		return err
	}
	v.caller.Via = policybook.Portal
	v.token = cookie.Value
	// Taken before anything else is read: the page's stream begins with the first change that it may not show.
	v.seq = v.svc.LastSeq()
	v.owner, err = v.svc.Profile(v.ctx(), v.caller)
	return err
}

// setSession puts a session token into the browser; an empty one takes it out.
func (v *visit) setSession(token string, expires time.Time) {
	c := v.cookie(sessionCookie, token) //nolint:gosec // G124: cookie sets all three attributes
	c.Path = "/"
	if token == "" {
		c.MaxAge = -1
	} else {
		c.Expires = expires
	}
	http.SetCookie(v.w, c)
	v.token = token
}

func (v *visit) cookie(name, value string) *http.Cookie {
	//nolint:gosec // G124: Secure wherever there is TLS
	return &http.Cookie{Name: name, Value: value, Path: "/gui", HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: v.secure || v.r.TLS != nil}
}

// redirect ends a change: the browser reads a page anew, where the message stands once.
func (v *visit) redirect(to string, message flash) error {
	if message != "" {
		c := v.cookie(flashCookie, string(message)) //nolint:gosec // G124: cookie sets all three attributes
		c.MaxAge = 60
		http.SetCookie(v.w, c)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// secrets are fields that are never shown again.
var secrets = []string{"passphrase", "passphrase_again", "current_passphrase", "totp_code", "code", "invite_token", "admin_token", "form_token"}

// field is one value of a form that is to be sent again.
type field struct{ Name, Value string }

// carriedLabels are the fields that an owner would miss, by what they are called on their pages. The
// others are carried along unseen.
var carriedLabels = map[string]string{"text": "Text of the policy", "reason": "Reason", "amount": "Amount", "groups": "Groups",
	"display_name": "Display name", "deposit_reference": "Reference of the deposit", "name": "Name"}

// Label is what an owner knows the field as; empty for one that is not shown.
func (f field) Label() string { return carriedLabels[f.Name] }

// carried are the fields of a form, less the secret ones.
func carried(form url.Values) []field {
	var out []field
	for name, values := range form {
		if slices.Contains(secrets, name) {
			continue
		}
		for _, value := range values {
			out = append(out, field{name, value})
		}
	}
	slices.SortStableFunc(out, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// ownPath keeps a redirect within the portal.
func ownPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/gui/") ||
		strings.Contains(path, `\`) || strings.HasPrefix(u.Path, "/gui/log"+"in") {
		return "/gui/"
	}
	return u.RequestURI()
}

// againView asks the owner to send a form once more.
type againView struct {
	Message string
	Action  string
	Fields  []field
}

// askAgain shows what was about to be sent, to be sent again from this session.
func (v *visit) askAgain(message string) error {
	return v.render(http.StatusOK, "again", "Go on where you were", againView{message, ownPath(v.r.URL.RequestURI()), carried(v.r.PostForm)})
}
