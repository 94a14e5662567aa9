package browser

import (
	"testing"

	"github.com/chromedp/cdproto/page"
)

// stage stands in for the browser's own notifications, which headless Chromium does not show. It
// remembers what the page asked for, and answers as the test says; a hidden page is one that says so.
const stage = `
	window.asked = 0;
	window.shown = [];
	window.answer = "denied";
	window.Notification = class extends EventTarget {
		static get permission() { return sessionStorage.getItem("permission") ?? "default"; }
		static async requestPermission() {
			window.asked++;
			sessionStorage.setItem("permission", window.answer);
			return window.answer;
		}
		constructor(title, options) {
			super();
			window.shown.push({title, ...options});
			window.last = this;
		}
	};
	Object.defineProperty(document, "visibilityState", {get: () => window.away ? "hidden" : "visible"});
`

// TestNotification goes from the button to the approval that a notification tells of.
func TestNotification(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(spending)
	shopper := w.agent("shopper")
	buys := func() string {
		return shopper.wants("purchase.order", `{"amount_minor":20000,"currency":"USD","merchant_domain":"shop.example"}`, "").ID
	}
	p := w.open(chrome)
	call(p, page.Enable, page.EnableParams{})
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: stage})
	silent := func(when string, asked float64) {
		t.Helper()
		if n := eval[float64](p, "window.asked"); n != asked {
			t.Errorf("%s: permission was asked for %v times, want %v", when, n, asked)
		}
		if n := eval[float64](p, "window.shown.length"); n != 0 {
			t.Errorf("%s: %v notifications", when, n)
		}
	}
	p.logIn()
	eval[bool](p, "window.away = true")
	buys()
	p.waitUntil("nothing arrives", "document.title.startsWith('(1) ')")
	silent("before it is switched on", 0)

	p.click("#notifications")
	p.sees("The browser does not allow notifications")
	p.sees("Notify me in this browser")
	buys()
	p.waitUntil("nothing arrives", "document.title.startsWith('(2) ')")
	silent("refused", 1)
	if got := eval[string](p, "localStorage.getItem('openleash-notify') ?? ''"); got == "on" {
		t.Error("refused by the browser, and remembered as switched on")
	}

	eval[string](p, "window.answer = 'granted'")
	p.click("#notifications")
	p.sees("Notifications are on")
	id := buys()
	p.waitUntil("no notification", "window.shown.length === 1")
	if got := eval[string](p, "window.shown[0].title + ': ' + window.shown[0].body"); got != "OpenLeash: shopper asks for purchase.order" {
		t.Errorf("the notification says %q", got)
	}
	eval[bool](p, "window.last.onclick(new Event('click')) ?? true")
	p.waitUntil("the notification leads nowhere", "location.pathname === '/gui/approvals/"+id+"' && document.readyState === 'complete'")
	p.sees("200.00 USD")

	// What the owner looks at says it itself; what is switched off stays silent.
	p.visit("/gui/")
	p.sees("Notifications are on")
	buys()
	p.sees("shopper asks for purchase.order")
	silent("in sight", 0)
	p.click("#notifications")
	p.sees("Notify me in this browser")
	eval[bool](p, "window.away = true")
	buys()
	p.waitUntil("nothing arrives", "document.title.startsWith('(5) ')")
	silent("switched off", 0)
}
