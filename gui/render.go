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
	"github.com/openleash/openleash-go/store"
)

// view is what the frame of a page shows; Data is the page's own.
type view struct {
	Title   string
	Section string // of the navigation
	Owner   leash.OwnerProfile
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
var sections = map[string]string{"home": "home", "approval": "approvals", "approvals": "approvals",
	"agent": "agents", "agents": "agents", "invite": "agents", "invited": "agents",
	"policies": "policies", "policy": "policies", "form": "policies", "edit": "policies", "build": "policies", "history": "policies", "starters": "policies",
	"drafts": "drafts", "draft": "drafts", "log": "log", "entry": "log", "playground": "playground",
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
	out := view{Seq: v.seq, Title: title, Section: sections[name], Owner: v.owner, Now: v.now, Version: v.cfg.Version, Data: data}
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

// functions are what templates can call.
func functions(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset":     a.url,
		"icon":      func(name string) template.HTML { return icon(a, name, "icon") },
		"icon_s":    func(name string) template.HTML { return icon(a, name, "icon icon-small") },
		"inert":     inert,
		"short":     short,
		"money":     money,
		"plural":    plural,
		"json":      indented,
		"join":      strings.Join,
		"sentence":  sentence,
		"highlight": highlight,
		"decides":   decides,
		"deref":     func(s *string) string { return *s },
		"clock":     func(t time.Time) template.HTML { return timeTag(t, t.UTC().Format("15:04:05")) },
		"once":      once,
		"row":       func(i int, r conditionRow, ops []choice) conditionView { return conditionView{i, r, ops} },
		"emptyRow":  func() conditionRow { return conditionRow{} },
		"what":      readAction,
		"when":      when,
		"at":        at,
		"upper":     strings.ToUpper,
		"pill":      func(s any) template.HTML { return pill(fmt.Sprint(s)) },
		"event":     eventName,
		"tone":      tone,
		"initials":  initials,
		"limit":     limitOf,
		"pair":      func(a, b any) [2]any { return [2]any{a, b} },
		"lines":     func(s string) []string { return strings.Split(s, "\n") },
		"add":       func(a, b int) int { return a + b },
		"isset":     func(t *time.Time) bool { return t != nil },
	}
}

// icon draws a symbol of icons.svg. Names come from templates alone.
func icon(a *assets, name, class string) template.HTML {
	return template.HTML(`<svg class="` + class + `" aria-hidden="true"><use href="` + a.url("icons.svg") + "#" + name + `"/></svg>`)
}

// when says a time relative to now; the exact one stands in its title.
func when(now, t time.Time) template.HTML {
	return timeTag(t, ago(now, t))
}

// at says a time exactly, in UTC.
func at(t time.Time) template.HTML { return timeTag(t, t.UTC().Format("2 Jan 2006, 15:04:05 UTC")) }

func timeTag(t time.Time, text string) template.HTML {
	utc := t.UTC()
	return template.HTML(`<time class="nowrap" datetime="` + utc.Format("2006-01-02T15:04:05.000Z") + `" title="` +
		utc.Format("2 Jan 2006, 15:04:05 UTC") + `">` + text + `</time>`)
}

// pills are the words and colours of results and statuses.
var pills = map[string][2]string{ // kind, word
	"ALLOW":            {"good", "Allowed"},
	"DENY":             {"bad", "Denied"},
	"REQUIRE_APPROVAL": {"ask", "Asks you"},
	"REQUIRE_STEP_UP":  {"ask", "Asks for a code"},
	"REQUIRE_DEPOSIT":  {"ask", "Asks for a deposit"},
	"PENDING":          {"ask", "Waiting"},
	"APPROVED":         {"good", "Approved"},
	"DENIED":           {"bad", "Denied"},
	"EXPIRED":          {"", "Expired"},
	"CONSUMED":         {"good", "Approved and used"},
	"ACTIVE":           {"good", "Active"},
	"REVOKED":          {"bad", "Revoked"},
	"REDEEMED":         {"good", "Used"},
}

// pill draws a result or a status.
func pill(s string) template.HTML {
	p, ok := pills[s]
	if !ok {
		return template.HTML(`<span class="pill">` + template.HTMLEscapeString(short(s)) + `</span>`)
	}
	return template.HTML(`<span class="pill ` + p[0] + `">` + p[1] + `</span>`)
}

// tone is the class of a sentence that says what a policy does.
func tone(sentence string) string {
	switch s := strings.ToLower(sentence); {
	case strings.HasPrefix(s, "allow"):
		return "allow"
	case strings.HasPrefix(s, "den"), strings.HasPrefix(s, "refus"), strings.HasPrefix(s, "never"):
		return "deny"
	case strings.HasPrefix(s, "ask"), strings.HasPrefix(s, "require"):
		return "ask"
	}
	return ""
}

func initials(name string) string {
	for _, r := range strings.ToUpper(strings.TrimSpace(inert(name))) {
		return string(r)
	}
	return "?"
}

// limitOf writes an amount of a budget: money, or a number of actions.
func limitOf(b store.BudgetState, n int64) string {
	if b.Measure == store.MeasureCount {
		return plural(int(n), "action")
	}
	return money(n, b.Currency)
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

// decides says whether a rule that matches is the one that decided.
func decides(r leash.TraceRule, a *leash.PlaygroundAnswer) bool {
	return a.MatchedRuleID != nil && *a.MatchedRuleID == r.RuleID
}
