package gui

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

const adminToken = "an-admin-token-of-more-than-32-bytes"

var adminPages = []string{"/gui/admin/", "/gui/admin/owners/new", "/gui/admin/agents", "/gui/admin/policies", "/gui/admin/log",
	"/gui/admin/keys", "/gui/admin/settings"}

// adminSite is a portal whose admin has logged in.
type adminSite struct {
	*site
	now     time.Time // of the portal, not of the service
	session string
}

func newAdminSite(t testing.TB, publicURL string) *adminSite {
	t.Helper()
	s := &adminSite{site: newSite(t, publicURL), now: time.Now()}
	s.h = New(Config{Service: s.Service, Log: slog.New(slog.DiscardHandler), PublicURL: publicURL, AdminToken: adminToken,
		Clock: func() time.Time { return s.now }, Settings: func() []Setting {
			return []Setting{{"addr", "127.0.0.1:8787", "default"}, {"admin_token", "(set)", "config.yaml:3"}}
		}})
	s.session = s.logIn(adminToken).Value
	return s
}

// logIn returns the cookie that a token opens; nil if it opens none.
func (s *adminSite) logIn(token string) *http.Cookie {
	s.t.Helper()
	r := s.admin(http.MethodPost, "/gui/admin/login", url.Values{"admin_token": {token}})
	r.Header.Del("Cookie")
	for _, c := range s.do(r).Cookies() {
		if c.Name == adminCookie {
			return c
		}
	}
	return nil
}

// admin is a request with the session and the form token of the admin.
func (s *adminSite) admin(method, path string, form url.Values) *http.Request {
	if form == nil {
		form = url.Values{}
	}
	if !form.Has("form_token") {
		form.Set("form_token", formToken(s.session))
	}
	r := s.request(method, path, form)
	r.Header.Del("Cookie")
	r.AddCookie(&http.Cookie{Name: adminCookie, Value: s.session})
	return r
}

func (s *adminSite) get(path string) (int, string) {
	s.t.Helper()
	r := s.do(s.admin(http.MethodGet, path, nil))
	return r.StatusCode, body(s.t, r)
}

func (s *adminSite) ownersNow() int {
	s.t.Helper()
	all, err := s.Owners(s.t.Context())
	must(s.t, err)
	return len(all)
}

func TestNoAdminWithoutToken(t *testing.T) {
	s := &adminSite{site: newSite(t, "http://127.0.0.1:8787")}
	for _, path := range append(adminPages, "/gui/admin", "/gui/admin/login") {
		if status, _ := s.get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, path := range []string{"/gui/admin/login", "/gui/admin/owners", "/gui/admin/keys/rotate"} {
		if r := s.do(s.admin(http.MethodPost, path, url.Values{"admin_token": {""}, "display_name": {"Eve"}})); r.StatusCode != http.StatusNotFound || len(r.Cookies()) > 0 {
			t.Errorf("POST %s: %d", path, r.StatusCode)
		}
	}
}

func TestAdminPages(t *testing.T) {
	s := newAdminSite(t, "http://127.0.0.1:8787")
	a := s.join(t, "shopper")
	answer, err := s.Authorize(t.Context(), a, []byte(`{"action_type":"read.page"}`))
	must(t, err)
	all := append(adminPages, "/gui/admin/owners/"+s.owner.OwnerID, "/gui/admin/agents/"+a.PrincipalID,
		"/gui/admin/policies/pol_balanced?owner="+s.owner.OwnerID, "/gui/admin/log/"+answer.DecisionID)
	for _, path := range all {
		status, text := s.get(path)
		if status != http.StatusOK {
			t.Errorf("%s: %d for the admin", path, status)
		}
		if strings.Contains(text, `href="/gui/agents`) || strings.Contains(text, `href="/gui/log`) || strings.Contains(text, `href="/gui/policies`) {
			t.Errorf("%s leads to the pages of an owner", path)
		}
		// Neither a stranger nor an owner is the admin.
		for name, r := range map[string]*http.Request{"a stranger": httptest.NewRequest(http.MethodGet, path, nil), "an owner": s.request(http.MethodGet, path, nil)} {
			if got := s.do(r); got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/gui/admin/login?return=") {
				t.Errorf("%s: %d for %s", path, got.StatusCode, name)
			}
		}
	}
	if r := s.do(s.admin(http.MethodGet, "/gui/agents", nil)); r.StatusCode != http.StatusSeeOther {
		t.Errorf("the admin's session opens an owner's page: %d", r.StatusCode)
	}
}

func TestAdminLogin(t *testing.T) {
	for _, public := range []string{"http://127.0.0.1:8787", "https://leash.example"} {
		c := newAdminSite(t, public).logIn(adminToken)
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/gui/admin" || c.Secure != strings.HasPrefix(public, "https") || len(c.Value) < 43 {
			t.Errorf("%s: %v", public, c)
		}
	}
	s := newAdminSite(t, "http://127.0.0.1:8787")
	for range 20 {
		if s.logIn(adminToken+"x") != nil || s.logIn("") != nil {
			t.Fatal("a wrong token opens the pages of the admin")
		}
	}
	r := s.do(s.admin(http.MethodPost, "/gui/admin/login", url.Values{"admin_token": {"wrong secret words"}}))
	if text := body(t, r); r.StatusCode != http.StatusUnauthorized || strings.Contains(text, "wrong secret words") {
		t.Errorf("a wrong token: %d", r.StatusCode)
	}
	if s.logIn(adminToken) == nil {
		t.Error("strangers keep the admin out")
	}
}

func TestAdminSessionEnds(t *testing.T) {
	s := newAdminSite(t, "http://127.0.0.1:8787")
	open := func() bool {
		status, _ := s.get("/gui/admin/")
		return status == http.StatusOK
	}
	s.now = s.now.Add(time.Hour - time.Second)
	if !open() {
		t.Error("the session ends early")
	}
	s.now = s.now.Add(time.Second)
	if open() {
		t.Error("the session lasts longer than an hour")
	}
	if r := s.do(s.admin(http.MethodPost, "/gui/admin/owners", url.Values{"display_name": {"Eve"}})); r.StatusCode != http.StatusUnauthorized || s.ownersNow() != 1 {
		t.Errorf("a form after the end: %d", r.StatusCode)
	}
	first := s.logIn(adminToken).Value
	s.session = first
	s.do(s.admin(http.MethodPost, "/gui/admin/logout", nil))
	if open() {
		t.Error("the session lasts longer than its log-out")
	}
	s.session = s.logIn(adminToken).Value
	for range maxAdminsOpen - 1 {
		s.logIn(adminToken)
	}
	if !open() {
		t.Error("the sessions are fewer than they may be")
	}
	s.logIn(adminToken)
	if open() {
		t.Error("the oldest session outlives its place")
	}
}

// Promise 5: a page of another origin can do nothing with the admin's cookie.
func TestPromise05AdminOrigins(t *testing.T) {
	s := newAdminSite(t, "http://127.0.0.1:8787")
	add := func() *http.Request {
		return s.admin(http.MethodPost, "/gui/admin/owners", url.Values{"display_name": {"Eve"}})
	}
	for _, site := range []string{"cross-site", "same-site"} {
		r := add()
		r.Header.Set("Sec-Fetch-Site", site)
		if got := s.do(r); got.StatusCode != http.StatusForbidden || s.ownersNow() != 1 {
			t.Errorf("%s: %d", site, got.StatusCode)
		}
	}
	for name, token := range map[string]string{"no token": "", "that of the owner's session": formToken(s.token)} {
		r := s.admin(http.MethodPost, "/gui/admin/owners", url.Values{"display_name": {"Eve"}, "form_token": {token}})
		if got := s.do(r); s.ownersNow() != 1 || !strings.Contains(body(t, got), "Go on where you were") {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if got := s.do(add()); got.StatusCode != http.StatusOK || s.ownersNow() != 2 {
		t.Errorf("the admin's own form: %d", got.StatusCode)
	}
	for _, to := range []string{"https://evil.example/gui/admin/", "/gui/settings", "/gui/admin/login", "/v1/admin/keys"} {
		if got := adminPath(to); got != "/gui/admin/" {
			t.Errorf("return=%s leads to %s", to, got)
		}
	}
}

// A name is text, wherever the admin reads it.
func TestAdminReadsNamesAsText(t *testing.T) {
	s := newAdminSite(t, "http://127.0.0.1:8787")
	const name = "<img src=x> \u202etluafeD"
	text := body(t, s.do(s.admin(http.MethodPost, "/gui/admin/owners", url.Values{"display_name": {name}, "owner_type": {"ORG"}})))
	all, err := s.Owners(t.Context())
	must(t, err)
	eve := all[1]
	if eve.DisplayName != name || eve.Type != "ORG" {
		t.Fatalf("the owner is %q, %s", eve.DisplayName, eve.Type)
	}
	texts := map[string]string{"the link": text}
	for _, path := range append(adminPages, "/gui/admin/owners/"+eve.ID) {
		_, texts[path] = s.get(path)
	}
	for where, text := range texts {
		if strings.Contains(text, "<img src=x>") || strings.Contains(text, "\u202e") {
			t.Errorf("%s: a name is more than text", where)
		}
	}
	if !strings.Contains(texts["/gui/admin/"], "⟨U&#43;202E⟩") {
		t.Error("the list does not spell the control out")
	}
}

func TestAdminOwners(t *testing.T) {
	s := newAdminSite(t, "http://127.0.0.1:8787")
	bob, err := s.CreateOwner(t.Context(), "Bob", "")
	must(t, err)
	at := "/gui/admin/owners/" + bob.ID
	if text := body(t, s.do(s.admin(http.MethodPost, at+"/setup", nil))); !strings.Contains(text, "/gui/setup?invite_id=") || !strings.Contains(text, "data:image/png") {
		t.Error("there is no set-up link")
	}
	if r := s.do(s.admin(http.MethodPost, at+"/revoke", nil)); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("revoking without being sure: %d", r.StatusCode)
	}
	status := func() store.Status {
		o, err := s.Profile(t.Context(), leash.Caller{OwnerID: bob.ID})
		must(t, err)
		return o.Status
	}
	if status() != store.Active {
		t.Fatal("the owner is revoked by a slip")
	}
	s.do(s.admin(http.MethodPost, at+"/revoke", url.Values{"sure": {"yes"}}))
	if status() != store.Revoked {
		t.Error("the owner is not revoked")
	}
	if r := s.do(s.admin(http.MethodPost, at+"/setup", nil)); r.StatusCode != http.StatusConflict {
		t.Errorf("a set-up link for a revoked owner: %d", r.StatusCode)
	}
	if status, _ := s.get("/gui/admin/owners/usr_nobody"); status != http.StatusNotFound {
		t.Errorf("an owner who is not there: %d", status)
	}
}

// The lists of the admin hold what all owners have, or what the named one has.
func TestAdminFilters(t *testing.T) {
	s := newAdminSite(t, "http://127.0.0.1:8787")
	bob, err := s.CreateOwner(t.Context(), "Bob", "")
	must(t, err)
	s.join(t, "ada-shopper")
	ada := s.owner
	s.owner = leash.Caller{OwnerID: bob.ID}
	s.join(t, "bob-shopper")
	for _, path := range []string{"/gui/admin/agents", "/gui/admin/log"} {
		for query, want := range map[string][2]bool{"": {true, true}, "?owner=" + ada.OwnerID: {true, false}, "?owner=" + bob.ID: {false, true}, "?owner=nobody": {}} {
			_, text := s.get(path + query)
			if got := [2]bool{strings.Contains(text, "ada-shopper"), strings.Contains(text, "bob-shopper")}; got != want {
				t.Errorf("%s%s: %v, want %v", path, query, got, want)
			}
		}
	}
	if _, text := s.get("/gui/admin/log/export?owner=" + bob.ID); strings.Contains(text, "ada-shopper") || !strings.Contains(text, "bob-shopper") {
		t.Error("the export has another filter than the page")
	}
	if _, text := s.get("/gui/admin/policies?owner=" + bob.ID); strings.Contains(text, "pol_balanced") {
		t.Error("the policies of another owner are listed")
	}
}

func TestAdminKeys(t *testing.T) {
	s := newAdminSite(t, "http://127.0.0.1:8787")
	proofKeys := func() []leash.KeyView {
		all, err := s.Keys(t.Context())
		must(t, err)
		return of(proof.PurposeProof, all)
	}
	old := proofKeys()[0].KID
	s.do(s.admin(http.MethodPost, "/gui/admin/keys/rotate", url.Values{"purpose": {"proof"}}))
	keys := proofKeys()
	if len(keys) != 2 || keys[0].KID == old || !keys[0].Active || keys[1].Active {
		t.Fatalf("after rotation: %+v", keys)
	}
	// An owner reads there which of them signs.
	text := body(t, s.do(s.request(http.MethodGet, "/gui/keys", nil)))
	if _, rest, _ := strings.Cut(text, keys[0].KID); strings.Index(rest, "Signs now") > strings.Index(rest, old) || strings.Count(text, "Signs now") != 1 {
		t.Error("the owner's page names another key")
	}
	s.do(s.admin(http.MethodPost, "/gui/admin/keys/"+old+"/revoke", nil))
	if proofKeys()[1].RevokedAt == nil {
		t.Error("the key is not revoked")
	}
	if _, text := s.get("/gui/admin/keys"); !strings.Contains(text, "Revoked") {
		t.Error("the page does not say so")
	}
	if _, text := s.get("/gui/admin/settings"); !strings.Contains(text, "config.yaml:3") || strings.Contains(text, adminToken) {
		t.Error("the settings are not what they may be")
	}
}
