package gui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/policies"
)

// Config says how the portal is served.
type Config struct {
	Service *leash.Service   // required
	Log     *slog.Logger     // slog.Default() if nil
	Clock   func() time.Time // the service's clock if nil

	// PublicURL is where owners reach the server; with https, cookies are sent over TLS alone.
	PublicURL string
	// Version of the program, for the foot of the page.
	Version string

	// AdminToken opens the pages of the admin; without one they are not there.
	AdminToken string
	// Settings in force, for the admin to read.
	Settings func() []Setting

	// LogStatus says up to where the log's chain is verified; nil, or an error, if nobody knows yet.
	LogStatus func(context.Context) (LogStatus, error)
}

// LogStatus is how far the chain of the log is known to hold.
type LogStatus struct {
	Seq    uint64    // of the last entry that a signed checkpoint covers
	Time   time.Time // of that checkpoint
	Intact bool      // false: an entry was changed, dropped or added
}

// portal is the handler of everything below /gui.
type portal struct {
	cfg     Config
	svc     *leash.Service
	assets  *assets
	pages   map[string]*template.Template
	tallies tallies
	admins  admins
	secure  bool // cookies over TLS alone
	origin  *http.CrossOriginProtection
	// scenarios are what the playground offers to try.
	scenarios []policies.Scenario
}

// New returns the portal. Its routes begin with /gui; the paths that it sees are whole.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = cfg.Service.Now
	}
	cfg.Version = cmp.Or(cfg.Version, "dev")
	p := &portal{cfg: cfg, svc: cfg.Service, assets: newAssets(), origin: http.NewCrossOriginProtection(),
		secure: strings.HasPrefix(cfg.PublicURL, "https://")}
	p.pages = parsePages(p.assets)
	var err error
	if p.scenarios, err = policies.Scenarios(); err != nil {
		panic("reading the embedded scenarios: " + err.Error()) // part of the program
	}
	p.origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.plainError(w, r, http.StatusForbidden, "This request did not come from a page of this portal, so it was not carried out.")
	}))
	return p.guard(p.origin.Handler(p.routes()))
}

// routes lists every page. Those of open are for everybody, those of owner for an owner with a session;
// adminRoutes has those of the admin.
func (p *portal) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h page) { mux.Handle(pattern, p.open(h)) }
	owner := func(pattern string, h page) { mux.Handle(pattern, p.owner(h)) }

	mux.Handle("GET /gui/assets/{version}/{name}", p.assets)
	mux.Handle("GET /gui", http.RedirectHandler("/gui/", http.StatusSeeOther))
	open("/gui/", notThere)

	open("GET /gui/login", loginPage)
	open("POST /gui/login", login)
	open("GET /gui/welcome", welcomePage)
	open("POST /gui/welcome", welcome)
	open("GET /gui/setup", setupPage)
	open("POST /gui/setup", setup)
	owner("POST /gui/logout", logout)

	owner("GET /gui/{$}", home)
	owner("GET /gui/events", events)
	owner("GET /gui/budgets", fullestBudgets)

	owner("GET /gui/approvals", approvalList)
	owner("GET /gui/approvals/{id}", approvalPage)
	owner("POST /gui/approvals/{id}/approve", approve)
	owner("POST /gui/approvals/{id}/deny", denyApproval)

	owner("GET /gui/agents", agentList)
	owner("GET /gui/agents/invite", invitePage)
	owner("POST /gui/agents/invite", invite)
	owner("POST /gui/invites/{id}/revoke", revokeInvite)
	owner("GET /gui/agents/{id}", agentPage)
	owner("POST /gui/agents/{id}/status", setAgentStatus)
	owner("POST /gui/agents/{id}/groups", setAgentGroups)

	owner("GET /gui/policies", policyList)
	owner("POST /gui/policies/move", movePolicy)
	owner("GET /gui/policies/{id}", policyPage)
	owner("GET /gui/policies/{id}/history", historyPage)
	owner("POST /gui/policies/{id}/delete", deletePolicy)
	owner("GET /gui/new-policy", newPolicyPage)
	owner("GET /gui/edit", editPage)
	owner("POST /gui/edit", edit)
	owner("POST /gui/edit/check", checkPart)
	owner("POST /gui/edit/try", tryPart)
	owner("POST /gui/edit/compare", comparePart)
	owner("GET /gui/policy-schema.json", schema)
	owner("GET /gui/form", formPage)
	owner("POST /gui/form", editForm)
	owner("POST /gui/form/check", formCheck)

	owner("GET /gui/drafts", draftList)
	owner("GET /gui/drafts/{id}", draftPage)
	owner("POST /gui/drafts/{id}/compare", draftCompare)
	owner("POST /gui/drafts/{id}/approve", approveDraft)
	owner("POST /gui/drafts/{id}/deny", denyDraft)

	owner("GET /gui/log", logList)
	owner("GET /gui/log/export", exportLog)
	owner("GET /gui/log/{id}", logEntry)
	owner("POST /gui/log/{id}/settle", settle)

	owner("GET /gui/playground", playgroundPage)
	owner("POST /gui/playground", playground)

	owner("GET /gui/settings", settingsPage)
	owner("POST /gui/settings/name", changeName)
	owner("POST /gui/settings/passphrase", changePassphrase)
	owner("POST /gui/settings/sessions/{id}/end", endSession)
	owner("GET /gui/settings/totp", totpPage)
	owner("POST /gui/settings/totp/begin", totpBegin)
	owner("POST /gui/settings/totp/confirm", totpConfirm)
	owner("POST /gui/settings/totp/disable", totpDisable)
	owner("GET /gui/keys", keysPage)
	p.adminRoutes(mux)
	return mux
}

// page answers one visit; what it returns as an error is shown on a page.
type page func(v *visit) error

// open serves a page to everybody.
func (p *portal) open(h page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{portal: p, w: w, r: r, now: p.cfg.Clock()}
		if err := r.ParseForm(); err != nil {
			p.finish(v, badForm(err))
			return
		}
		p.finish(v, h(v))
	})
}

// badForm is the error of a form that cannot be read: it is too large, or no form.
func badForm(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return &leash.Error{Code: leash.InvalidRequest, Message: "the form that was sent cannot be read", Err: err}
}

// owner serves a page to an owner with a session. Others are shown the log-in, with what they were
// about to do kept.
func (p *portal) owner(h page) http.Handler { return p.known(h, (*visit).identify, (*visit).askLogin) }

// known serves a page to those whom identify knows, and asks the others to log in.
func (p *portal) known(h, identify, askLogin page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{portal: p, w: w, r: r, now: p.cfg.Clock()}
		if err := r.ParseForm(); err != nil {
			p.finish(v, badForm(err))
			return
		}
		if err := identify(v); err != nil {
			if leash.CodeOf(err) == leash.Unauthenticated {
				err = askLogin(v)
			}
			p.finish(v, err)
			return
		}
		if r.Method == http.MethodPost && !v.tokenFits() {
			p.finish(v, v.askAgain("This page was opened under an earlier log-in. Nothing was changed yet; please look it over and go on."))
			return
		}
		p.finish(v, h(v))
	})
}

// finish shows the error of a page, if it has one.
func (p *portal) finish(v *visit, err error) {
	if err == nil {
		return
	}
	status, message := explain(err)
	if status >= http.StatusInternalServerError {
		p.cfg.Log.ErrorContext(v.r.Context(), "showing a page of the portal", "path", v.r.URL.Path, "err", err)
	}
	if err := v.render(status, "error", "Something went wrong", errorView{Status: status, Message: message}); err != nil {
		p.plainError(v.w, v.r, http.StatusInternalServerError, message)
	}
}

type errorView struct {
	Status  int
	Message string
}

// plainError answers without a template.
func (p *portal) plainError(w http.ResponseWriter, _ *http.Request, status int, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, message)
}

func notThere(v *visit) error {
	return &leash.Error{Code: leash.NotFound, Message: "there is no such page"}
}
