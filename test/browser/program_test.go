package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/policies"
)

// TestProgram walks through the portal of the program itself, from an empty folder: set-up, a policy, an
// invite, a request that waits, its approval.
func TestProgram(t *testing.T) {
	chrome := browser(t)
	program := filepath.Join(t.TempDir(), "openleash")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/openleash").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	addr := freeAddress(t)
	code := start(t, program, addr)
	w := &world{T: t, url: "http://" + addr}
	p := w.open(chrome)

	p.visit("/gui/")
	p.fill("#code", code)
	p.fill("#name", "Ada Lovelace")
	p.fill("#p1", passphrase)
	p.fill("#p2", passphrase)
	p.click("input[value=none]")
	p.press("form button.primary")
	p.sees("Hello, Ada Lovelace")

	text, err := policies.Files.ReadFile("spending-policy.yaml")
	w.must(err)
	p.visit("/gui/edit?starter=blank")
	p.edit(string(text))
	p.sees("Compiles")
	p.press("button[value=save]")
	p.sees("Saved. The policy is active.")

	p.visit("/gui/agents/invite")
	p.press("main form button.primary")
	link := eval[string](p, "document.querySelector('#link').value")
	env := filepath.Join(t.TempDir(), "agent.env")
	run(t, program, "agent", "register", "--invite", link, "--agent-id", "shopper", "--output-env", env)

	p.visit("/gui/")
	asked := make(chan string, 1)
	go func() {
		out, err := exec.Command(program, "--json", "agent", "authorize", "purchase.order", "--payload", `{"amount":250,"currency":"USD"}`, "--env", env, "--wait").Output()
		if err != nil {
			asked <- err.Error()
			return
		}
		asked <- string(out)
	}()
	p.sees("250.00 USD")
	p.picture("program-asks")
	p.press("form[action$=approve] button")
	p.sees("Approved. The agent may do exactly this, once.")
	var answer struct {
		Result string `json:"result"`
	}
	out := <-asked
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Result != "ALLOW" {
		t.Errorf("the agent got %s (%v)", out, err)
	}
	p.visit("/gui/log")
	p.sees("purchase.order")
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var setupCode = regexp.MustCompile(`^\s+([A-Za-z0-9_-]{43})$`)

// start runs the program on an empty folder until the test ends, and returns its set-up code.
func start(t *testing.T, program, addr string) (code string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--data", filepath.Join(t.TempDir(), "data"), "start", "--addr", addr)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = testWriter{t}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // interrupted
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := setupCode.FindStringSubmatch(lines.Text()); m != nil {
			code = m[1]
		}
		if strings.Contains(lines.Text(), "Ctrl-C") {
			go func() { // the program must not block on what it prints
				for lines.Scan() {
				}
			}()
			return code
		}
	}
	t.Fatal("the program does not start")
	return ""
}
