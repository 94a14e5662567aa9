package gui

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openleash/openleash-go/leash"
)

const (
	adminBase     = "/gui/admin"
	adminCookie   = "openleash_admin"
	adminFor      = time.Hour
	maxAdminsOpen = 16
)

// Setting is one setting of the server as it is in force. The value of a secret one says only that it is set.
type Setting struct{ Name, Value, Source string }

// adminRoutes lists the pages of the admin, who sees all owners. They are there only where a token is
// configured that opens them.
func (p *portal) adminRoutes(mux *http.ServeMux) {
	if p.cfg.AdminToken == "" {
		return
	}
	admin := func(pattern string, h page) { mux.Handle(pattern, p.admin(h)) }

	mux.Handle("GET /gui/admin", http.RedirectHandler(adminBase+"/", http.StatusSeeOther))
	mux.Handle("GET /gui/admin/login", p.open(adminLoginPage))
	mux.Handle("POST /gui/admin/login", p.open(adminLogin))
	admin("POST /gui/admin/logout", adminLogout)

	admin("GET /gui/admin/{$}", ownerList)
	admin("GET /gui/admin/owners/new", newOwnerPage)
	admin("POST /gui/admin/owners", addOwner)
	admin("GET /gui/admin/owners/{id}", ownerPage)
	admin("POST /gui/admin/owners/{id}/setup", setupLink)
	admin("POST /gui/admin/owners/{id}/revoke", revokeOwner)

	admin("GET /gui/admin/agents", agentList)
	admin("GET /gui/admin/agents/{id}", agentPage)
	admin("GET /gui/admin/policies", allPolicies)
	admin("GET /gui/admin/policies/{id}", policyPage)
	admin("GET /gui/admin/log", logList)
	admin("GET /gui/admin/log/export", exportLog)
	admin("GET /gui/admin/log/{id}", logEntry)

	admin("GET /gui/admin/keys", allKeys)
	admin("POST /gui/admin/keys/rotate", rotateKey)
	admin("POST /gui/admin/keys/{kid}/revoke", revokeKey)
	admin("GET /gui/admin/settings", settingsInForce)
}

// admin serves a page to the admin with a session. Others are shown the admin's log-in.
func (p *portal) admin(h page) http.Handler {
	return p.known(h, (*visit).identifyAdmin, (*visit).askAdminLogin)
}

// identifyAdmin finds the session of the admin, who may name one owner to look at.
func (v *visit) identifyAdmin() error {
	cookie, err := v.r.Cookie(adminCookie)
	if err != nil || !v.admins.holds(cookie.Value, v.now) {
		return &leash.Error{Code: leash.Unauthenticated, Message: "log in with the admin token first"}
	}
	v.token = cookie.Value
	v.caller = leash.Caller{OwnerID: v.query("owner"), Admin: true}
	return nil
}

// base is where the pages of whoever visits begin.
func (v *visit) base() string {
	if v.caller.Admin {
		return adminBase
	}
	return "/gui"
}

// you is what a page calls the owner whose agents it shows.
func (v *visit) you() string {
	if v.caller.Admin {
		return "the owner"
	}
	return "you"
}

// adminLoginView is the log-in of the admin.
type adminLoginView struct {
	Problem string
	Return  string
}

func adminLoginPage(v *visit) error {
	to := adminPath(v.query("return"))
	if v.identifyAdmin() == nil {
		return v.redirect(to, "")
	}
	return v.showAdminLogin(http.StatusOK, adminLoginView{Return: to})
}

func (v *visit) showAdminLogin(status int, l adminLoginView) error {
	return v.render(status, "adminlogin", "Log in as admin", l)
}

// askAdminLogin interrupts a visit without a session of the admin.
func (v *visit) askAdminLogin() error {
	if v.fragment() {
		v.w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if v.r.Method == http.MethodPost {
		return v.showAdminLogin(http.StatusUnauthorized, adminLoginView{Return: adminBase + "/",
			Problem: "Your session ended, and nothing was changed. Log in, then do it once more."})
	}
	return v.redirect(adminBase+"/login?return="+url.QueryEscape(adminPath(v.r.URL.RequestURI())), "")
}

// adminPath keeps a redirect within the pages of the admin.
func adminPath(path string) string {
	own := ownPath(path)
	if !strings.HasPrefix(own, adminBase+"/") || strings.HasPrefix(own, adminBase+"/login") {
		return adminBase + "/"
	}
	return own
}

// adminLogin compares hashes, so that neither the content nor the length of the token shows in the time.
// Wrong tries do not slow right ones down: a token is too long to guess, and a stranger could keep the
// admin out. How often an address may try is the server's to bound.
func adminLogin(v *visit) error {
	got, want := sha256.Sum256([]byte(v.form("admin_token"))), sha256.Sum256([]byte(v.cfg.AdminToken))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		v.cfg.Log.WarnContext(v.ctx(), "refusing an admin's log-in", "remote", v.r.RemoteAddr)
		status, message := explain(&leash.Error{Code: leash.InvalidCredentials, Message: "that is not the admin token"})
		return v.showAdminLogin(status, adminLoginView{Problem: message, Return: adminPath(v.form("return"))})
	}
	v.cfg.Log.InfoContext(v.ctx(), "the admin logged in to the portal", "remote", v.r.RemoteAddr)
	if c, err := v.r.Cookie(adminCookie); err == nil {
		v.admins.end(c.Value)
	}
	v.setAdmin(v.admins.begin(v.now))
	return v.redirect(adminPath(v.form("return")), "")
}

func adminLogout(v *visit) error {
	v.admins.end(v.token)
	v.setAdmin("")
	return v.redirect(adminBase+"/login", saidLoggedOut)
}

// setAdmin puts the id of an admin's session into the browser; an empty one takes it out.
func (v *visit) setAdmin(id string) {
	c := v.cookie(adminCookie, id) //nolint:gosec // G124: cookie sets all three attributes
	c.Path = adminBase
	c.MaxAge = int(adminFor.Seconds())
	if id == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// admins are the open sessions of the admin, oldest first. They live in memory alone: each ends after
// an hour, at log-out, when newer ones take its place, and with the server.
type admins struct {
	mu   sync.Mutex
	open []adminSession
}

type adminSession struct {
	id   [sha256.Size]byte // hash, so that a look-up tells nothing by its time
	ends time.Time
}

// begin opens a session and returns its id.
func (a *admins) begin(now time.Time) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	id := base64.RawURLEncoding.EncodeToString(secret)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = slices.DeleteFunc(a.open, func(s adminSession) bool { return !s.ends.After(now) })
	if len(a.open) == maxAdminsOpen {
		a.open = slices.Delete(a.open, 0, 1)
	}
	a.open = append(a.open, adminSession{sha256.Sum256([]byte(id)), now.Add(adminFor)})
	return id
}

// holds says whether a session is open.
func (a *admins) holds(id string, now time.Time) bool {
	hash := sha256.Sum256([]byte(id))
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.open, func(s adminSession) bool { return s.id == hash && s.ends.After(now) })
}

func (a *admins) end(id string) {
	hash := sha256.Sum256([]byte(id))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = slices.DeleteFunc(a.open, func(s adminSession) bool { return s.id == hash })
}

// settingsInForceView is how the server was started.
type settingsInForceView struct {
	Settings []Setting
	Version  string
}

func settingsInForce(v *visit) error {
	return v.render(http.StatusOK, "inforce", "Settings", settingsInForceView{v.cfg.Settings(), v.cfg.Version})
}
