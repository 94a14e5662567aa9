package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/policies"
)

// TestSDKs runs the tests of the three clients with a real server at hand, which their live tests want:
// the spending policy in force, an agent, the owner's session and an invite.
func TestSDKs(t *testing.T) {
	w := startWorld(t)
	for _, sdk := range []struct {
		name, dir string
		needs     []string // a command that succeeds where the tests can run
		run       []string
	}{
		{"go", "sdk", []string{"go", "version"}, []string{"go", "test", "-count=1", "-run", "Live", "./..."}},
		{"typescript", "sdk/ts", []string{"test", "-d", "node_modules/typescript"}, []string{"npm", "test"}},
		{"python", "sdk/python", []string{"python3", "-c", "import cryptography"}, []string{"python3", "-m", "unittest"}},
	} {
		t.Run(sdk.name, func(t *testing.T) {
			run := func(args []string) ([]byte, error) {
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Dir = filepath.Join(repository(t), sdk.dir)
				cmd.Env = append(os.Environ(), w.env(t)...)
				return cmd.CombinedOutput()
			}
			if text, err := run(sdk.needs); err != nil {
				if os.Getenv("CI") != "" {
					t.Fatalf("%v: %v\n%s", sdk.needs, err, text)
				}
				t.Skipf("the %s client cannot be tried here: %v: %v", sdk.name, sdk.needs, err)
			}
			if text, err := run(sdk.run); err != nil {
				t.Errorf("%v: %v\n%s", sdk.run, err, text)
			}
		})
	}
}

// liveWorld is a server of the real program, and what clients need to talk to it.
type liveWorld struct {
	url   string
	agent map[string]string
	owner *api
}

func startWorld(t *testing.T) *liveWorld {
	dir := t.TempDir()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	w := &liveWorld{url: "http://127.0.0.1:" + port}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command("openleash", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "OPENLEASH_PASSPHRASE=correct horse", "OPENLEASH_ADDR=127.0.0.1:"+port, "OPENLEASH_POLICY_TIMEOUT=20s")
		return cmd
	}
	if text, err := command("init", "--owner-name", "Ann", "--agent-id", "shopper", "--policy-profile", "none", "--output-env", "agent.env").CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, text)
	}
	env, err := os.ReadFile(filepath.Join(dir, "agent.env"))
	if err != nil {
		t.Fatal(err)
	}
	w.agent = parseEnv(string(env))
	policy, err := policies.Files.ReadFile("spending-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "policies", "spending-policy.yaml"), policy, 0o600); err != nil {
		t.Fatal(err)
	}
	server := command("start", "--no-gui")
	var out bytes.Buffer
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		<-ended
	})
	awaitReady(t, w.url+"/readyz", ended, &out)
	w.owner = overTCP("127.0.0.1:" + port)
	var session leash.SessionGrant
	if err := w.owner.call(t.Context(), http.MethodPost, "/v1/owner/login", map[string]string{"passphrase": "correct horse"}, &session); err != nil {
		t.Fatal(err)
	}
	w.owner.token = session.Token
	return w
}

// env is what the live tests want, with an invite that was not used before.
func (w *liveWorld) env(t *testing.T) []string {
	var invite leash.InviteGrant
	if err := w.owner.call(t.Context(), http.MethodPost, "/v1/owner/agent-invites", json.RawMessage("{}"), &invite); err != nil {
		t.Fatal(err)
	}
	out := []string{"OPENLEASH_TEST_URL=" + w.url, "OPENLEASH_TEST_OWNER_TOKEN=" + w.owner.token, "OPENLEASH_TEST_INVITE_URL=" + invite.InviteURL}
	for name, value := range w.agent {
		out = append(out, name+"="+value)
	}
	return out
}
