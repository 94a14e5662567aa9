package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/internal/inert"
)

// hostile is what an agent writes to deceive the owner who reads it at a terminal: a control sequence, a reversal, a
// zero-width space and tag characters.
const hostile = "pay\x1b[2Jx\u202egnp\u200b.\U000e0041\U000e0042"

// TestEveryCommandShowsWhatAgentsWrote: no command prints a deceptive character, whatever an agent wrote, as text or
// as JSON (promise 19).
func TestEveryCommandShowsWhatAgentsWrote(t *testing.T) {
	w := startWorld(t, nil)
	run := func(args ...string) []byte {
		cmd := exec.Command("openleash", args...)
		cmd.Dir = w.dir
		out, _ := cmd.CombinedOutput() // some are refused; that text counts too
		if len(out) == 0 {
			t.Errorf("openleash %q prints nothing", args)
		}
		if i := bytes.IndexFunc(out, inert.Deceptive); i >= 0 {
			t.Errorf("openleash %q prints %q", args, out[i:min(len(out), i+20)])
		}
		return out
	}
	payload, err := json.Marshal(map[string]any{"amount": 250, "to": hostile})
	if err != nil {
		t.Fatal(err)
	}
	run("agent", "authorize", "purchase.order", "--payload", string(payload), "--justification", hostile, "--wait=1ms", "--env", "agent.env")
	found := regexp.MustCompile(`apr_\w+`).Find(run("approval", "list"))
	if found == nil {
		t.Fatal("no approval request waits")
	}
	ask := string(found)
	for _, c := range []struct{ command, want string }{{"approval approve", ask}, {"agent revoke", "shopper"}, {"policy show", "pol_spending_limit"},
		{"owner invite", "usr_"}, {"keys revoke", "key_"}} {
		if out := run(append(append([]string{"__complete"}, strings.Fields(c.command)...), "")...); !bytes.Contains(out, []byte(c.want)) {
			t.Errorf("%s is completed with %s, without %s", c.command, out, c.want)
		}
	}
	for _, command := range [][]string{
		{"approval", "list"}, {"approval", "show", ask}, {"audit", "list"}, {"audit", "tail"}, {"draft", "list"}, {"agent", "list"},
		{"budget", "list"}, {"policy", "list"}, {"health"}, {"owner", "list"}, {"approval", "deny", ask, "--reason", hostile}, {"approval", "show", hostile},
	} {
		for _, more := range [][]string{nil, {"--json"}} {
			out := run(append(command, more...)...)
			if len(command) == 3 && command[1] == "show" && command[2] == ask && more == nil && !bytes.Contains(out, []byte("⟨U+202E⟩")) {
				t.Errorf("approval show does not spell out what the agent wrote:\n%s", out)
			}
		}
	}
}
