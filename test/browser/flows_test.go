package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

func TestFirstRun(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	code, err := w.SetupCode(t.Context())
	w.must(err)
	p := w.open(chrome)
	p.visit("/gui/")
	p.sees("Welcome to OpenLeash")
	p.look("welcome")
	p.expect("422")
	p.fill("#code", "not the code")
	p.fill("#name", "Ada Lovelace")
	p.fill("#p1", passphrase)
	p.fill("#p2", passphrase)
	p.press("form button.primary")
	p.sees("The set-up code is wrong")
	if name := eval[string](p, "document.querySelector('#name').value"); name != "Ada Lovelace" {
		t.Errorf("the name that was typed is lost: %q", name)
	}
	p.fill("#code", code)
	p.fill("#p1", passphrase)
	p.fill("#p2", passphrase)
	p.press("form button.primary")
	p.sees("Hello, Ada Lovelace")
	p.sees("Invite your first agent")
	p.look("home-empty")
	p.press("aside form button")
	p.sees("You are logged out.")
	p.visit("/gui/agents")
	p.sees("Log in")
	p.fill("#passphrase", "wrong horse")
	p.click("form button.primary")
	p.sees("That passphrase is not right.")
	p.fill("#passphrase", passphrase)
	p.press("form button.primary")
	if got := p.path(); got != "/gui/agents" {
		t.Errorf("after log-in: %s", got)
	}
}

func TestAuthenticator(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(travel)
	p := w.open(chrome)
	p.logIn()
	p.visit("/gui/settings/totp")
	p.press("main form button.primary")
	p.look("totp-qr")
	secret := eval[string](p, "document.querySelector('#key').textContent")
	p.expect("422")
	p.fill("#totp", "000000")
	p.press("main form button.primary")
	p.sees("The code is wrong")
	code, err := totp.GenerateCode(secret, w.now())
	w.must(err)
	p.fill("#totp", code)
	p.press("main form button.primary")
	p.sees("Keep your recovery codes")
	p.look("recovery-codes")
	recovery := strings.Fields(eval[string](p, "document.querySelector('#codes').innerText"))
	if len(recovery) != 10 {
		t.Fatalf("there are %d recovery codes", len(recovery))
	}
	p.press("aside form button")
	p.fill("#passphrase", passphrase)
	p.click("form button.primary")
	p.sees("Code from your authenticator") // the passphrase stays typed
	p.fill("#totp", recovery[0])
	p.press("form button.primary")
	p.sees("Hello, Ada")

	// A step-up is approved with a code.
	req := w.agent("planner", "travel").wants("booking.flight", `{"to":"Berlin"}`, "No train.")
	p.visit("/gui/approvals/" + req.ID)
	p.look("approval-code")
	p.expect("401")
	p.fill("#totp", "123456")
	p.press("button[form=yes]")
	p.sees("The code is wrong")
	p.fill("#totp", recovery[1])
	p.press("button[form=yes]")
	p.sees("Approved. The agent may do exactly this, once.")

	p.visit("/gui/settings/totp")
	p.fill("#c2", recovery[2])
	p.press("form[action$=disable] button")
	p.sees("The authenticator is off")
}

func TestTwoTabsNeverAnswerTwice(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(spending)
	req := w.agent("shopper").wants("purchase.order", `{"amount_minor":20000,"currency":"USD"}`, "")
	first, second, plain := w.open(chrome), w.open(chrome), w.open(chrome)
	first.logIn()
	second.visit("/gui/approvals/" + req.ID)
	call(plain, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	plain.visit("/gui/approvals/" + req.ID)
	first.visit("/gui/approvals")
	first.press("form[action$=approve] button")
	first.sees("Approved. The agent may do exactly this, once.")
	second.sees("Approved") // by itself
	if eval[bool](second, "!!document.querySelector('button[form=yes]')") {
		t.Error("the other tab can still approve")
	}
	plain.expect("409")
	plain.run(chromedp.Click(css("button[form=yes]")))
	plain.sees("The approval request is APPROVED already")
	plain.sees("Nothing was done twice")
	entries, err := w.Audit(t.Context(), w.owner, store.AuditQuery{Types: []store.EventType{store.ApprovalApproved}})
	w.must(err)
	if len(entries.Items) != 1 {
		t.Errorf("approved %d times", len(entries.Items))
	}
}

func TestArrivesLive(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(spending)
	shopper := w.agent("shopper")
	p := w.open(chrome)
	p.logIn()
	p.sees("Nothing waits for you")
	shopper.wants("purchase.order", `{"amount_minor":20000,"currency":"USD","merchant_domain":"shop.example"}`, "")
	p.sees("200.00 USD")
	p.waitUntil("the title does not count", "document.title.startsWith('(1) ')")
	p.sees("shopper asks for purchase.order")
	w.write("broken.yaml", "id: broken\nrules:\n  - action: purchase\n    effekt: allow\n")
	p.sees("cannot be used")
	p.sees("broken.yaml:4")
	p.look("home-broken")
	p.press("a[href*='file=broken.yaml']")
	p.sees("Not yet a policy")
	p.waitUntil("the editor does not open", "!!document.querySelector('yaml-editor')?.shadowRoot?.querySelector('.cm-content')")
	p.edit("id: broken\nrules:\n  - action: purchase\n    effect: allow\n")
	p.sees("Compiles")
	p.press("button[value=save]")
	p.sees("Saved. The policy is active.")
	p.lacks("cannot be used")
}

// edit replaces the text in the editor, as typing does.
func (p *tab) edit(text string) {
	p.Helper()
	p.waitUntil("the editor does not open", "!!document.querySelector('yaml-editor')?.view")
	eval[bool](p, "((v) => { v.dispatch({changes: {from: 0, to: v.state.doc.length, insert: "+quote(text)+"}}); return true })(document.querySelector('yaml-editor').view)")
}

func TestInvite(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	p := w.open(chrome)
	p.logIn()
	p.visit("/gui/agents/invite")
	p.fill("#groups", "shopping, no spaces!")
	p.expect("400")
	p.press("main form button.primary")
	p.sees("must be 1 to 64 of letters")
	p.fill("#groups", "shopping, night")
	p.press("main form button.primary")
	p.sees("This link is shown once.")
	p.look("invited")
	link := eval[string](p, "document.querySelector('#link').value")
	if !strings.HasPrefix(link, w.url+"/v1/agents/register-with-invite?") {
		t.Errorf("the link is %s", link)
	}
	w.redeem(link, "night-shopper")
	w.knocks("stranger")
	p.press("main a.button.primary")
	p.sees("night-shopper")
	p.press("a[href*='status=PENDING'], .list a.item-title")
	p.visit("/gui/agents?status=PENDING")
	p.press(".list a.item-title")
	p.sees("This agent asks to join")
	p.look("agent-pending")
	p.press("main form button.primary")
	p.sees("The agent is active.")
}

func TestEditor(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(spending)
	shopper := w.agent("shopper")
	for range 3 {
		shopper.ask("purchase.order", `{"amount_minor":4000,"currency":"USD"}`)
	}
	p := w.open(chrome)
	p.logIn()
	p.visit("/gui/edit?policy=pol_everyday")
	p.edit(strings.Replace(spending, "effect: allow", "effect: alow", 1))
	p.sees("Not yet a policy")
	p.sees("9:13")
	p.waitUntil("the editor does not mark the place", "!!document.querySelector('yaml-editor').shadowRoot.querySelector('.cm-lintRange-error')")
	p.look("edit-error")
	p.edit(strings.Replace(spending, "amount_max: 10000\n", "amount_max: 1000\n", 1))
	p.sees("Compiles")
	p.click("details.disclosure:has(#compared) > summary")
	p.click("button[value=compare]")
	p.sees("3 of 3 requests would have been answered differently")
	p.sees("Examples that would come out differently")
	p.click("details.disclosure:has(#tried) > summary")
	p.click("button[value=try]")
	p.sees("Nothing was recorded")
	p.look("edit-judged")

	// Somebody else saves first.
	w.policy(strings.Replace(spending, "Larger purchases", "Very large purchases", 1))
	p.expect("409")
	p.press("button[value=save]")
	p.sees("saving again replaces it with your text")
	p.look("edit-conflict")
	p.press("button[value=save]")
	p.sees("Saved. The policy is active.")
	p.visit("/gui/policies/pol_everyday/history")
	p.sees("Very large purchases come to me.")
	p.look("history-three")
	p.press(".card:last-of-type button[value=open]")
	p.sees("This text is not saved yet.")
	p.press("button[value=save]")
	p.sees("Saved. The policy is active.")
	now, err := w.Policy(t.Context(), w.owner, "pol_everyday")
	w.must(err)
	if now.Text != spending {
		t.Errorf("restored:\n%s", now.Text)
	}
}

func TestForm(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(spending)
	p := w.open(chrome)
	p.logIn()
	p.visit("/gui/form?policy=pol_everyday")
	p.fill("[name='rule.0.constraints.amount_max']", "2500")
	p.click("button[aria-label='Move rest up']")
	p.waitUntil("the rule does not move", "document.querySelectorAll('.rule h3')[1].textContent === 'rest'")
	p.click("button[aria-label='Move rest down']")
	p.waitUntil("the rule does not move back", "document.querySelectorAll('.rule h3')[2].textContent === 'rest'")
	p.click("[data-add=row-0]")
	p.fill("[name='rule.0.field']", "context.quantity")
	p.fill("[name='rule.0.value']", "3")
	p.run(chromedp.SetValue(css("[name='rule.0.operator']"), "lte"))
	p.press("button[value=save]")
	p.sees("Saved. The policy is active.")
	now, err := w.Policy(t.Context(), w.owner, "pol_everyday")
	w.must(err)
	for _, part := range []string{"# Small things pass, larger ones come to me.\nrules:", "amount_max: 2500", "field: context.quantity", "operator: lte", "value: 3\n"} {
		if !strings.Contains(now.Text, part) {
			t.Errorf("%q is not in\n%s", part, now.Text)
		}
	}
	_, after, _ := strings.Cut(spending, "  - id: medium")
	if !strings.HasSuffix(now.Text, "  - id: medium"+after) {
		t.Errorf("the form changed what it was not asked to:\n%s", now.Text)
	}
}

func TestOrder(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy("# METADATA\n# title: Policy pol_a\npackage openleash.policy.pol_a\n\nimport rego.v1\n\ndecision := {\"effect\": \"allow\", \"rule_id\": \"all\"}\n")
	for _, id := range []string{"pol_b", "pol_c"} {
		w.policy("id: " + id + "\nname: Policy " + id + "\nrules:\n  - action: read\n    effect: allow\n")
	}
	order := func() string {
		all, err := w.Policies(t.Context(), w.owner)
		w.must(err)
		var ids []string
		for _, p := range all {
			ids = append(ids, p.ID)
		}
		return strings.Join(ids, " ")
	}
	p := w.open(chrome)
	p.logIn()
	p.visit("/gui/policies")
	p.press("button[aria-label='Move Policy pol_c up']")
	p.sees("The order is changed.")
	if got := order(); got != "pol_a pol_c pol_b" {
		t.Errorf("moved up: %s", got)
	}
	before := eval[float64](p, "performance.timeOrigin")
	eval[bool](p, `(() => { const row = (id) => document.getElementById(id), data = new DataTransfer();
		row("pol_b").querySelector(".handle").dispatchEvent(new PointerEvent("pointerdown", {bubbles: true}));
		row("pol_b").dispatchEvent(new DragEvent("dragstart", {bubbles: true, dataTransfer: data}));
		row("pol_a").dispatchEvent(new DragEvent("dragover", {bubbles: true, cancelable: true, dataTransfer: data}));
		row("pol_a").dispatchEvent(new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: data}));
		return true })()`)
	p.waitUntil("dropping does nothing", "performance.timeOrigin !== "+quoteFloat(before))
	p.sees("The order is changed.")
	if got := order(); got != "pol_b pol_a pol_c" {
		t.Errorf("dragged: %s", got)
	}
}

func TestSessionEndsInTheMiddleOfAnEdit(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(spending)
	p := w.open(chrome)
	p.logIn()
	p.visit("/gui/edit?policy=pol_everyday")
	p.edit(strings.Replace(spending, "10000", "7777", 1))
	sessions, err := w.Sessions(t.Context(), w.owner)
	w.must(err)
	for _, s := range sessions {
		w.must(w.EndSession(t.Context(), w.owner, s.ID))
	}
	p.expect("401")
	p.press("button[value=save]")
	p.sees("Nothing is lost")
	p.look("login-again")
	p.fill("#passphrase", passphrase)
	p.press("form button.primary")
	p.sees("What you were about to do is still here.")
	p.look("again")
	p.press("main form button.primary")
	p.sees("Saved. The policy is active.")
	now, err := w.Policy(t.Context(), w.owner, "pol_everyday")
	w.must(err)
	if !strings.Contains(now.Text, "7777") {
		t.Error("what was typed is lost")
	}
}

// evil is markup that would be seen to run, and text that reads backwards.
const evil = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'">` + "\u202e\u2066 moc.knab\u2069"

// evilPayload is a purchase with evil in it, and with words as long as they can be.
func evilPayload() string {
	return `{"amount_minor":20000,"currency":"USD","merchant_domain":` + quote(evil) + `,"note":` + quote(strings.Repeat("W", 40_000)) + `,"` + strings.Repeat("k", 300) + `":{"deep":[1,{"a":` + quote(evil) + `}]}}`
}

// evilPolicy is what an owner pasted from somewhere.
var evilPolicy = "id: pol_evil\nname: " + quote(evil) + "\ndescription: " + quote(evil+strings.Repeat("W", 3000)) +
	"\nrules:\n  - action: read\n    effect: allow\n    description: " + quote(evil) + "\n"

// inert opens a page and fails if text of others runs there, turns around, or breaks the page.
func (p *tab) inert(path string) {
	p.Helper()
	p.visit(path)
	for _, width := range []int64{360, 1440} {
		p.screen(width, "light")
		p.fits(path)
	}
	p.accessible(path)
	title := eval[string](p, "document.title") // it may name evil; what runs puts another in its place
	if title == "owned" {
		p.Errorf("%s ran markup of others", path)
	}
	if strings.ContainsAny(title+p.text(), "\u202e\u2066") {
		p.Errorf("%s shows bidirectional controls as they are", path)
	}
}

func TestHostileText(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy(spending)
	shopper := w.agent("shopper")
	req := shopper.wants("purchase.order", evilPayload(), evil+strings.Repeat(" very", 600))
	w.policy(evilPolicy)
	p := w.open(chrome)
	p.logIn()
	for _, path := range []string{"/gui/", "/gui/policies", "/gui/policies/pol_evil", "/gui/form?policy=pol_evil", "/gui/approvals", "/gui/approvals/" + req.ID, "/gui/log", "/gui/log/" + req.DecisionID} {
		p.inert(path)
	}
	p.visit("/gui/approvals/" + req.ID)
	p.sees("⟨U+202E⟩")
	p.picture("approval-hostile")
	p.press("button[form=no]")
	p.sees("Denied. The agent has been told.")
}

func TestWithoutJavaScript(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.populate()
	p := w.open(chrome)
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.visit("/gui/login")
	p.fill("#passphrase", passphrase)
	p.run(chromedp.Click(css("form button.primary")))
	p.sees("Hello, Ada")
	p.sees("249.00 USD")
	for path, text := range map[string]string{"/gui/log?q=casino": "casino.example", "/gui/agents?q=trip": "trip-planner",
		"/gui/policies/pol_everyday": "amount_max: 10000", "/gui/edit?policy=pol_everyday": "Edit Everyday purchases"} {
		p.visit(path)
		p.sees(text)
	}
}

func TestFirstVisitIsLight(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.populate()
	p := w.open(chrome)
	p.logIn()
	p.visit("/gui/edit?policy=pol_everyday")
	p.waitUntil("the editor does not open", "!!document.querySelector('yaml-editor')?.view")
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Logf("log-in, home and the editor: %.0f KiB", p.bytes/1024)
	if p.bytes > 300*1024 {
		t.Errorf("log-in, home and the editor transfer %.0f KiB", p.bytes/1024)
	}
}

func TestSettings(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	p := w.open(chrome)
	p.logIn()
	other, err := w.Login(t.Context(), leash.LoginInput{OwnerID: w.owner.OwnerID, Passphrase: passphrase, UserAgent: "Mozilla/5.0 (iPhone) Safari/605"})
	w.must(err)
	p.visit("/gui/settings")
	p.sees("Safari on iPhone")
	p.fill("#name", "Ada King")
	p.press("form[action$=name] button")
	p.sees("Your name is changed.")
	p.expect("401")
	p.fill("#p0", "not this one")
	p.fill("#p1", "another good one")
	p.fill("#p2", "another good one")
	p.press("form[action$=passphrase] button")
	p.sees("The current passphrase is not right.")
	p.fill("#p0", passphrase)
	p.fill("#p1", "another good one")
	p.fill("#p2", "another good one")
	p.press("form[action$=passphrase] button")
	p.sees("Your passphrase is changed.")
	if _, err := w.Session(t.Context(), other.Token); leash.CodeOf(err) != leash.Unauthenticated {
		t.Error("the other session goes on")
	}
	grant, err := w.SetupInvite(t.Context(), w.owner.OwnerID)
	w.must(err)
	p.visit(strings.TrimPrefix(grant.InviteURL, w.url))
	p.look("setup")
	p.fill("#p1", "third good passphrase")
	p.fill("#p2", "third good passphrase")
	p.press("form button.primary")
	p.sees("Your passphrase is set.")
}

func TestDeposit(t *testing.T) {
	chrome := browser(t)
	w := newWorld(t)
	w.setUp()
	w.policy("id: pol_rent\nname: Rent\nrules:\n  - id: flats\n    action: rent.*\n    effect: require_deposit\n")
	req := w.agent("mover").wants("rent.flat", `{"city":"Utrecht"}`, "")
	p := w.open(chrome)
	p.logIn()
	p.sees("Needs a deposit")
	p.visit("/gui/approvals/" + req.ID)
	p.look("approval-deposit")
	p.fill("#deposit", "bank transfer 2026-11-23/17")
	p.press("button[form=yes]")
	p.sees("Approved. The agent may do exactly this, once.")
	a, err := w.Approval(t.Context(), w.owner, req.ID)
	w.must(err)
	if a.DepositReference != "bank transfer 2026-11-23/17" {
		t.Errorf("the reference is %q", a.DepositReference)
	}
}
