package gui

import (
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
	"github.com/openleash/openleash-go/store/file"
)

const passphrase = "correct horse battery"

// site is a portal over a real service, asked without a browser.
type site struct {
	*leash.Service
	t     testing.TB
	h     http.Handler
	owner leash.Caller
	token string
	dir   string
}

func newSite(t testing.TB, publicURL string) *site {
	t.Helper()
	quiet, dir := slog.New(slog.DiscardHandler), t.TempDir()
	st, err := file.Open(context.Background(), dir, file.Options{Clock: time.Now, Log: quiet})
	must(t, err)
	t.Cleanup(func() { st.Close() })
	svc, err := leash.New(context.Background(), leash.Config{Clock: time.Now, Log: quiet, PublicURL: publicURL,
		Argon2id: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}}, st)
	must(t, err)
	owner, err := svc.CreateFirst(context.Background(), leash.FirstOwner{DisplayName: "Ada", Passphrase: passphrase, Profile: "balanced"})
	must(t, err)
	s := &site{Service: svc, t: t, h: New(Config{Service: svc, Log: quiet, PublicURL: publicURL}), owner: leash.Caller{OwnerID: owner.ID}, dir: dir}
	grant, err := svc.Login(context.Background(), leash.LoginInput{Passphrase: passphrase})
	must(t, err)
	s.token = grant.Token
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request is one of the portal, with the session and the form token of its owner.
func (s *site) request(method, path string, form url.Values) *http.Request {
	var body io.Reader
	if method == http.MethodPost {
		if form == nil {
			form = url.Values{}
		}
		if !form.Has("form_token") {
			form.Set("form_token", formToken(s.token))
		}
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, path, body)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: s.token})
	return r
}

func (s *site) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	must(t, err)
	return string(b)
}

var ownerPages = []string{"/gui/", "/gui/budgets", "/gui/approvals", "/gui/agents", "/gui/agents/invite", "/gui/policies", "/gui/policies/pol_balanced",
	"/gui/policies/pol_balanced/history", "/gui/new-policy", "/gui/edit?policy=pol_balanced", "/gui/edit?starter=rego", "/gui/form?policy=pol_balanced",
	"/gui/drafts", "/gui/log", "/gui/playground", "/gui/settings", "/gui/settings/totp", "/gui/keys"}

func TestEveryPageIsGuarded(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	for _, path := range append(ownerPages, "/gui/login", "/gui/welcome", "/gui/setup", "/gui/nowhere", "/gui/assets/x/app.css") {
		r := s.do(s.request(http.MethodGet, path, nil))
		if got := r.Header.Get("Content-Security-Policy"); got != contentPolicy {
			t.Errorf("%s: Content-Security-Policy is %q", path, got)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if r.StatusCode >= 500 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	for _, path := range ownerPages {
		if r := s.do(s.request(http.MethodGet, path, nil)); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d for its owner", path, r.StatusCode)
		}
		stranger := httptest.NewRequest(http.MethodGet, path, nil)
		if r := s.do(stranger); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/gui/login?return=") {
			t.Errorf("%s: %d %s for a stranger", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

// Promise 5: a page of another origin can do nothing with an owner's cookie.
func TestPromise05OtherOrigins(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	invites := func() int {
		all, err := s.Invites(t.Context(), s.owner)
		must(t, err)
		return len(all)
	}
	for name, change := range map[string]func(*http.Request){
		"cross-site":                     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another port of this host":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"an old browser, another origin": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://evil.example") },
		"a sandboxed frame":              func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
	} {
		r := s.request(http.MethodPost, "/gui/agents/invite", nil)
		change(r)
		if got := s.do(r); got.StatusCode != http.StatusForbidden || invites() != 0 {
			t.Errorf("%s: %d, %d invites", name, got.StatusCode, invites())
		}
	}
	for name, token := range map[string]string{"no token": "", "a wrong one": formToken("another session")} {
		r := s.do(s.request(http.MethodPost, "/gui/agents/invite", url.Values{"form_token": {token}, "groups": {"night"}}))
		text := body(t, r)
		if invites() != 0 {
			t.Fatalf("%s: the form counted", name)
		}
		if r.StatusCode != http.StatusOK || !strings.Contains(text, "Go on where you were") || !strings.Contains(text, "night") {
			t.Errorf("%s: what was typed is lost: %d", name, r.StatusCode)
		}
	}
	if r := s.do(s.request(http.MethodPost, "/gui/agents/invite", nil)); r.StatusCode != http.StatusOK || invites() != 1 {
		t.Errorf("the owner's own form: %d", r.StatusCode)
	}
}

// Promise 7: log-out ends the session on the server, and the cookie is out of reach of scripts.
func TestPromise07Cookies(t *testing.T) {
	for _, public := range []string{"http://127.0.0.1:8787", "https://leash.example"} {
		s := newSite(t, public)
		login := s.request(http.MethodPost, "/gui/login", url.Values{"passphrase": {passphrase}})
		login.Header.Del("Cookie")
		var session *http.Cookie
		for _, c := range s.do(login).Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != strings.HasPrefix(public, "https") {
				t.Errorf("%s: %v", public, c)
			}
			if c.Name == sessionCookie {
				session = c
			}
		}
		if session == nil {
			t.Fatalf("%s: no session", public)
		}
		s.token = session.Value
		s.do(s.request(http.MethodPost, "/gui/logout", nil))
		if _, err := s.Session(t.Context(), session.Value); leash.CodeOf(err) != leash.Unauthenticated {
			t.Errorf("%s: the session goes on after log-out: %v", public, err)
		}
	}
}

func TestSecretsAreNotShownAgain(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	r := s.request(http.MethodPost, "/gui/settings/passphrase", url.Values{"passphrase": {"new secret words"}, "current_passphrase": {passphrase}, "form_token": {"stale"}})
	if text := body(t, s.do(r)); strings.Contains(text, "new secret words") || strings.Contains(text, passphrase) {
		t.Error("a passphrase stands in a page")
	}
	r = s.request(http.MethodPost, "/gui/login", url.Values{"passphrase": {"wrong secret words"}})
	if text := body(t, s.do(r)); strings.Contains(text, "wrong secret words") {
		t.Error("a wrong passphrase stands in a page")
	}
}

func TestFlashSaysOnlyWhatWeWrote(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	r := s.request(http.MethodGet, "/gui/", nil)
	r.AddCookie(&http.Cookie{Name: flashCookie, Value: "call this number"})
	if strings.Contains(body(t, s.do(r)), "call this number") {
		t.Error("a cookie of another port speaks in the portal")
	}
}

func TestReturnStaysHere(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	for _, to := range []string{"https://evil.example/", "//evil.example/gui/", `/gui/\evil.example`, "/v1/owner/profile"} {
		r := s.do(s.request(http.MethodPost, "/gui/login", url.Values{"passphrase": {passphrase}, "return": {to}}))
		if got := r.Header.Get("Location"); got != "/gui/" {
			t.Errorf("return=%s leads to %s", to, got)
		}
	}
}

func TestAssets(t *testing.T) {
	a := newAssets()
	for name := range a.files {
		r := httptest.NewRequest(http.MethodGet, a.url(name), nil)
		r.SetPathValue("name", name)
		r.SetPathValue("version", a.version)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		got := w.Body.Bytes()
		if w.Header().Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(w.Body)
			must(t, err)
			got, err = io.ReadAll(z)
			must(t, err)
		}
		if string(got) != string(a.files[name].plain) {
			t.Errorf("%s does not come through whole", name)
		}
	}
	for _, licence := range []string{"htmx", "codemirror", "inter", "jetbrains-mono", "lucide"} {
		if _, err := fs.Stat(assetFiles, "assets/licences/"+licence+".txt"); err != nil {
			t.Errorf("the licence of %s is missing", licence)
		}
	}
}

// Promise 19, in the templates themselves: nothing inline, nothing from outside.
func TestTemplatesHaveNothingInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script(?:>| [^>]*[^r]>)[^<]|javascript:|(?:src|href|action)="https?:|hx-on|template\.JS`)
	must(t, fs.WalkDir(templateFiles, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templateFiles.ReadFile(path)
		if found := inline.Find(text); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		return err
	}))
	css, err := assetFiles.ReadFile("assets/app.css")
	must(t, err)
	if regexp.MustCompile(`url\("?https?:|@import`).Match(css) {
		t.Error("the style sheet loads from another host")
	}
}

// BenchmarkPages measures each page with many agents and policies and a long log.
func BenchmarkPages(b *testing.B) {
	s := newSite(b, "http://127.0.0.1:8787")
	s.fill(b, 300, 100, 5000)
	for _, path := range ownerPages {
		b.Run(strings.Trim(strings.ReplaceAll(path, "/", "_"), "_"), func(b *testing.B) {
			for b.Loop() {
				if r := s.do(s.request(http.MethodGet, path, nil)); r.StatusCode != http.StatusOK {
					b.Fatal(r.StatusCode)
				}
			}
		})
	}
}

// fill gives the owner agents, policies and decisions.
func (s *site) fill(t testing.TB, agents, policies, decisions int) {
	t.Helper()
	ctx := context.Background()
	for i := range policies {
		_, err := s.PutPolicy(ctx, s.owner, "", leash.PolicyInput{Text: fmt.Sprintf("id: pol_%d\nrules:\n  - action: read.thing_%d\n    effect: allow\n", i, i)})
		must(t, err)
	}
	var last *leash.Agent
	for i := range agents {
		last = s.join(t, fmt.Sprintf("agent-%d", i))
	}
	for range decisions {
		_, err := s.Authorize(ctx, last, []byte(`{"action_type":"purchase.order","payload":{"amount_minor":100,"currency":"USD"}}`))
		must(t, err)
	}
}

func (s *site) join(t testing.TB, id string) *leash.Agent {
	t.Helper()
	ctx := context.Background()
	grant, err := s.CreateInvite(ctx, s.owner, leash.InviteInput{})
	must(t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	_, err = s.RedeemInvite(ctx, leash.RedeemInput{InviteID: grant.InviteID, InviteToken: grant.InviteToken, AgentID: id,
		PublicKeyB64: proof.EncodePublicKeyB64(public)})
	must(t, err)
	a, err := s.Authenticate(ctx, leash.Request{Method: "POST", Path: "/v1/authorize", Body: []byte("{}"),
		Headers: proof.SignRequest(private, id, "POST", "/v1/authorize", time.Now(), id, []byte("{}"))})
	must(t, err)
	return a
}

func TestOtherOwnersSeeNothing(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	other, err := s.CreateOwner(t.Context(), "Bob", "HUMAN")
	must(t, err)
	grant, err := s.SetupInvite(t.Context(), other.ID)
	must(t, err)
	_, err = s.Setup(t.Context(), grant.InviteID, grant.InviteToken, passphrase)
	must(t, err)
	_, err = s.PutPolicy(t.Context(), s.owner, "", leash.PolicyInput{Text: "id: pol_reading\nrules:\n  - action: read.*\n    effect: allow\n"})
	must(t, err)
	a := s.join(t, "shopper")
	answer, err := s.Authorize(t.Context(), a, []byte(`{"action_type":"read.page"}`))
	must(t, err)
	session, err := s.Login(t.Context(), leash.LoginInput{OwnerID: other.ID, Passphrase: passphrase})
	must(t, err)
	s.token = session.Token
	for _, path := range []string{"/gui/agents/shopper", "/gui/agents/" + a.PrincipalID, "/gui/policies/pol_reading", "/gui/log/" + answer.DecisionID} {
		if r := s.do(s.request(http.MethodGet, path, nil)); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d for another owner", path, r.StatusCode)
		}
	}
	s.do(s.request(http.MethodPost, "/gui/agents/"+a.PrincipalID+"/status", url.Values{"status": {"REVOKED"}}))
	v, err := s.AgentByID(t.Context(), s.owner, "shopper")
	must(t, err)
	if v.Status != store.Active {
		t.Error("another owner revoked the agent")
	}
}

// TestLinkedPolicyHasNoEditor: a policy behind a link is shown with the reason why it cannot be edited, and the addresses
// of its editors lead there.
func TestLinkedPolicyHasNoEditor(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	elsewhere := filepath.Join(t.TempDir(), "linked.yaml")
	must(t, os.WriteFile(elsewhere, []byte("id: linked\nrules: [{action: x, effect: deny}]\n"), 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(s.dir, "policies", "linked.yaml")))
	_, err := s.SyncPolicies(t.Context())
	must(t, err)
	for _, path := range []string{"/gui/edit?policy=linked", "/gui/form?policy=linked"} {
		if r := s.do(s.request(http.MethodGet, path, nil)); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/gui/policies/linked" {
			t.Errorf("%s: %d to %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if page := body(t, s.do(s.request(http.MethodGet, "/gui/policies/linked", nil))); !strings.Contains(page, "file is a link") || strings.Contains(page, "/gui/edit?policy") {
		t.Error("the page does not say why it cannot be edited")
	}
}

func TestTooLargeAForm(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	r := s.do(s.request(http.MethodPost, "/gui/edit", url.Values{"text": {strings.Repeat("x", maxForm)}}))
	if r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", r.StatusCode)
	}
	odd := s.request(http.MethodPost, "/gui/edit", nil)
	odd.URL.RawQuery = "%zz"
	if r := s.do(odd); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a form that is none: %d", r.StatusCode)
	}
}

func TestSeveralOwnersLogInByName(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	_, err := s.CreateOwner(t.Context(), "Bob", "HUMAN")
	must(t, err)
	page := httptest.NewRequest(http.MethodGet, "/gui/login", nil)
	if !strings.Contains(body(t, s.do(page)), `name="owner"`) {
		t.Error("the log-in does not ask who")
	}
	for owner, want := range map[string]int{"ada": http.StatusSeeOther, s.owner.OwnerID: http.StatusSeeOther, "Bob": http.StatusBadRequest, "nobody": http.StatusUnauthorized} {
		r := s.do(s.request(http.MethodPost, "/gui/login", url.Values{"owner": {owner}, "passphrase": {passphrase}}))
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", owner, r.StatusCode, want)
		}
	}
}

// An open portal does not hold up a server that stops.
func TestEventsEndWithTheServer(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	s.Release()
	if r := s.do(s.request(http.MethodGet, "/gui/events?after=0", nil)); r.StatusCode != http.StatusOK {
		t.Errorf("got %d", r.StatusCode)
	}
}
