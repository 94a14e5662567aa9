package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe.min.js
var axe string

// pictures is where screenshots go; git ignores it.
const pictures = "../screenshots"

// chromium returns the browser of this machine, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium on this machine: the portal is not tried in a browser")
	return ""
}

// browser starts a browser with a profile of its own.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() { cancel(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return ctx
}

// tab is one page of a browser. What the page complains of fails the test.
type tab struct {
	*testing.T
	ctx   context.Context
	base  string
	mu    sync.Mutex
	wrong []string
	// expected are complaints that the test provokes, such as the status 422 of a refused form.
	expected []string
	bytes    float64 // received since the tab was opened
	hosts    map[string]bool
}

func (w *world) open(in context.Context) *tab {
	w.Helper()
	ctx, cancel := chromedp.NewContext(in)
	w.Cleanup(cancel)
	p := &tab{T: w.T, ctx: ctx, base: w.url, hosts: map[string]bool{}}
	w.must(chromedp.Do(ctx))
	w.must(chromedp.Listen(ctx, p.hear))
	call(p, network.Enable, network.EnableParams{})
	call(p, log.Enable, cdp.Empty{})
	call(p, runtime.Enable, cdp.Empty{})
	w.Cleanup(p.check)
	return p
}

func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning || e.Entry.Source == log.EntrySourceSecurity {
			p.wrong = append(p.wrong, fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.wrong = append(p.wrong, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *runtime.EventExceptionThrown:
		p.wrong = append(p.wrong, "exception: "+e.ExceptionDetails.Text)
	case *network.EventLoadingFinished:
		p.bytes += e.EncodedDataLength
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host != "" {
			p.hosts[u.Host] = true
		}
	}
}

// check fails the test for what the pages complained of.
func (p *tab) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
wrong:
	for _, text := range p.wrong {
		for _, fine := range p.expected {
			if strings.Contains(text, fine) {
				continue wrong
			}
		}
		p.Errorf("the page complains: %s", text)
	}
	for host := range p.hosts {
		if !strings.HasSuffix(p.base, "//"+host) {
			p.Errorf("a page asked another host: %s", host)
		}
	}
}

// expect lets a complaint pass that the test provokes.
func (p *tab) expect(text string) { p.expected = append(p.expected, text) }

const patience = 20 * time.Second

// run carries out steps in the browser.
func (p *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.picture("failed")
		p.Fatalf("in the browser: %v", err)
	}
}

// call sends one command of the protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		p.Fatalf("in the browser: %v", err)
	}
}

// eval is the value of an expression in the page; a promise is waited for.
func eval[T any](p *tab, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.picture("failed")
		p.Fatalf("in the page: %v", err)
	}
	return v
}

// visit opens a page of the portal.
func (p *tab) visit(path string) {
	p.Helper()
	p.run(chromedp.Navigate(p.base+path), chromedp.WaitReady(css("main")))
}

// fill types into a field, in place of what it holds.
func (p *tab) fill(selector, text string) {
	p.Helper()
	p.run(chromedp.WaitVisible(css(selector)))
	eval[bool](p, "((f) => { f.focus(); f.value = ''; return true })(document.querySelector("+quote(selector)+"))")
	p.run(chromedp.SendKeys(css(selector), text))
}

// press clicks what leads to another page, and waits for that page.
func (p *tab) press(selector string) {
	p.Helper()
	p.rest(selector)
	before := eval[float64](p, "performance.timeOrigin")
	p.run(chromedp.Click(css(selector)))
	p.waitUntil("pressing "+selector+" leads nowhere", fmt.Sprintf("document.readyState === 'complete' && performance.timeOrigin !== %f", before))
}

// waitUntil polls the page, which may be between two documents.
func (p *tab) waitUntil(complaint, condition string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](condition, chromedp.EvalAwaitPromise)); err == nil && ok {
			return
		}
	}
	p.picture("failed")
	p.Fatalf("%s:\n%s", complaint, p.text())
}

// click clicks what stays on the page.
func (p *tab) click(selector string) {
	p.Helper()
	p.rest(selector)
	p.run(chromedp.Click(css(selector)))
}

// rest waits until an element can be clicked: it is there, enabled, and no longer moves.
func (p *tab) rest(selector string) {
	p.Helper()
	p.run(chromedp.WaitVisible(css(selector)))
	p.waitUntil(selector+" does not come to rest", fmt.Sprintf(`(async (selector) => {
		const frame = () => new Promise(requestAnimationFrame);
		const place = () => { const r = document.querySelector(selector).getBoundingClientRect(); return r.x + " " + r.y };
		await document.fonts.ready;
		const before = place();
		await frame(); await frame();
		return before === place() && !document.querySelector(selector).disabled;
	})(%s)`, quote(selector)))
}

// sees waits until the page shows a text.
func (p *tab) sees(text string) {
	p.Helper()
	p.waitUntil(fmt.Sprintf("the page does not show %q", text), fmt.Sprintf("document.body?.innerText.includes(%s)", quote(text)))
}

// lacks fails if the page shows a text.
func (p *tab) lacks(text string) {
	p.Helper()
	if strings.Contains(p.text(), text) {
		p.Fatalf("the page shows %q", text)
	}
}

func (p *tab) text() string {
	text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText")) // for a failure's message
	return text
}

func (p *tab) path() string { return eval[string](p, "location.pathname + location.search") }

func css(selector string) chromedp.CSS { return chromedp.CSS(selector) }

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// logIn opens the portal as its owner.
func (p *tab) logIn() {
	p.Helper()
	p.visit("/gui/login")
	p.fill("#passphrase", passphrase)
	p.press("form button.primary")
	p.sees("Hello, Ada")
}

// look holds the page to every screen: no overflow, nothing serious from axe, a picture of each.
func (p *tab) look(name string) {
	p.Helper()
	for _, width := range []int64{360, 1440} {
		for _, scheme := range []string{"light", "dark"} {
			p.screen(width, scheme)
			p.fits(fmt.Sprintf("%s at %d px", name, width))
			p.accessible(fmt.Sprintf("%s at %d px, %s", name, width, scheme))
			p.picture(fmt.Sprintf("%s-%d-%s", name, width, scheme))
		}
	}
	p.screen(1440, "light")
}

func (p *tab) screen(width int64, scheme string) {
	p.Helper()
	height := int64(900)
	if width < 600 {
		height = 780
	}
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	eval[bool](p, "document.fonts.ready.then(() => true)")
}

func (p *tab) fits(what string) {
	p.Helper()
	wide := eval[[]string](p, `document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
		.filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + "." + (e.getAttribute("class") || "") + ": " + e.textContent.trim().slice(0, 60))`)
	if len(wide) > 0 {
		p.Errorf("%s is wider than the screen: %q", what, wide)
	}
}

// accessible runs axe-core over the page.
func (p *tab) accessible(what string) {
	p.Helper()
	eval[bool](p, "typeof axe === 'object' || ((function(){"+axe+"}).call(window), true)")
	found := eval[[]string](p, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations
		.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.id + ": " + v.help + " — " + v.nodes.slice(0, 4).map(n => n.html.slice(0, 160) + " " + n.failureSummary).join(" | ")))`)
	for _, f := range found {
		p.Errorf("%s: axe: %s", what, f)
	}
}

// picture writes a screenshot of the whole page.
func (p *tab) picture(name string) {
	p.Helper()
	_, _ = chromedp.Run(p.ctx, chromedp.Evaluate[bool]("(scrollTo(0, 0), true)")) // what sticks stands at the top
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.Logf("taking a picture: %v", err)
		return
	}
	if err := os.MkdirAll(pictures, 0o755); err == nil {
		err = os.WriteFile(filepath.Join(pictures, name+".png"), png, 0o644)
		if err != nil {
			p.Logf("writing a picture: %v", err)
		}
	}
}

func quoteFloat(f float64) string { return fmt.Sprintf("%f", f) }
