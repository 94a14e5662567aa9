package gui

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/openleash/openleash-go/leash"
)

// view is what the frame of a page shows; Data is the page's own.
type view struct {
	Title   string
	Section string // of the navigation
	Base    string // where the visitor's pages begin: /gui, or /gui/admin
	Admin   bool   // it is the admin who visits
	Owner   leash.OwnerProfile
	You     string // what the page calls the owner
	Of      string // id of the one owner whom the page is about
	Token   string // for forms
	Seq     uint64 // after which the page's stream begins
	Said    *flashView
	Counts  counts
	Now     time.Time
	Version string
	Data    any
}

// counts are the things that wait for the owner.
type counts struct {
	Approvals int `json:"approvals"`
	Drafts    int `json:"drafts"`
	Agents    int `json:"agents"`
}

func (c counts) Sum() int { return c.Approvals + c.Drafts + c.Agents }

// sections says to which entry of the navigation a page belongs.
var sections = map[string]string{"home": "home", "budgets": "home", "approval": "approvals", "approvals": "approvals",
	"agent": "agents", "agents": "agents", "invite": "agents", "invited": "agents",
	"policies": "policies", "policy": "policies", "form": "policies", "edit": "policies", "build": "policies", "history": "policies", "starters": "policies",
	"drafts": "drafts", "draft": "drafts", "log": "log", "entry": "log", "playground": "playground",
	"owners": "owners", "owner": "owners", "newowner": "owners", "allpolicies": "policies", "allkeys": "keys", "inforce": "settings",
	"settings": "settings", "totp": "settings", "recovery": "settings", "keys": "keys"}

// parsePages reads the templates: each page with the frame and the parts that pages share.
func parsePages(a *assets) map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions(a)).ParseFS(templateFiles, "templates/frame/*.html"))
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		page := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, name))
		pages[strings.TrimSuffix(path.Base(name), ".html")] = page
	}
	return pages
}

// render shows a page, whole or not at all.
func (v *visit) render(status int, name, title string, data any) error {
	return v.execute(status, name, "frame", title, data)
}

// part shows one named part of a page, for htmx to put into it.
func (v *visit) part(name, part string, data any) error {
	return v.execute(http.StatusOK, name, part, "", data)
}

func (v *visit) execute(status int, name, part, title string, data any) error {
	page, ok := v.pages[name]
	if !ok {
		return fmt.Errorf("there is no template %q", name)
	}
	out := view{Seq: v.seq, Title: title, Section: sections[name], Base: v.base(), Admin: v.caller.Admin,
		Owner: v.owner, You: v.you(), Of: v.caller.OwnerID, Now: v.now, Version: v.cfg.Version, Data: data}
	if v.token != "" {
		out.Token = formToken(v.token)
	}
	if part == "frame" {
		out.Said = v.said()
		if v.owner.ID != "" {
			out.Counts = v.waiting()
		}
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, part, out); err != nil {
		return fmt.Errorf("rendering %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Vary", "Accept-Encoding")
	if b.Len() < minCompressed || !strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") {
		v.w.WriteHeader(status)
		_, _ = b.WriteTo(v.w) // the client may be gone
		return nil
	}
	v.w.Header().Set("Content-Encoding", "gzip")
	v.w.WriteHeader(status)
	z, err := gzip.NewWriterLevel(v.w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	_, _ = b.WriteTo(z) // the client may be gone
	_ = z.Close()
	return nil
}

// minCompressed is from what size on a page is compressed, in bytes.
const minCompressed = 1400

// waiting counts what waits for the owner. A page is shown also if it cannot be counted.
func (v *visit) waiting() counts {
	w, err := v.svc.Waiting(v.ctx(), v.caller)
	if err != nil {
		v.cfg.Log.WarnContext(v.ctx(), "counting what waits", "err", err)
	}
	return counts{w.Approvals, w.Drafts, w.Agents}
}

// explain turns an error into a status and what the owner may read of it.
func explain(err error) (int, string) {
	var known *leash.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, "What you sent is too large."
	case !errors.As(err, &known):
		return http.StatusInternalServerError, "The server met a fault. It is in the server's log; please try again."
	}
	status, ok := statuses[known.Code]
	if !ok {
		status = http.StatusBadRequest
	}
	return status, sentence(known.Message)
}

var statuses = map[leash.Code]int{
	leash.NotFound: http.StatusNotFound, leash.ApprovalRequestNotFound: http.StatusNotFound,
	leash.Unauthenticated: http.StatusUnauthorized, leash.InvalidCredentials: http.StatusUnauthorized,
	leash.TOTPRequired: http.StatusUnauthorized, leash.InvalidTOTP: http.StatusUnauthorized,
	leash.Forbidden: http.StatusForbidden, leash.Conflict: http.StatusConflict, leash.InvalidStatus: http.StatusConflict,
	leash.RequestExpired: http.StatusConflict, leash.AgentIDTaken: http.StatusConflict,
	leash.RateLimited: http.StatusTooManyRequests, leash.Unavailable: http.StatusServiceUnavailable,
	leash.InvalidPolicy: http.StatusUnprocessableEntity,
}

// sentence begins a message with a capital and ends it with a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(inert(s))
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}
