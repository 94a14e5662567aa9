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

// liveWorld is a server of the real program, and what clients need to talk to it.
type liveWorld struct {
	url   string
	dir   string
	pid   int
	agent map[string]string
	owner *api
}

// startWorld starts it once prepare, if there is one, has done something to its data folder.
func startWorld(t *testing.T, prepare func(w *liveWorld, data string)) *liveWorld {
	dir := t.TempDir()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	w := &liveWorld{url: "http://127.0.0.1:" + port, dir: dir}
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
	if prepare != nil {
		prepare(w, filepath.Join(dir, "data"))
	}
	server := command("start", "--no-gui")
	var out bytes.Buffer
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	w.pid = server.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		<-ended
	})
	awaitReady(t, w.url+"/readyz", ended, &out)
	w.owner = overTCP("127.0.0.1:" + port)
	var session leash.SessionGrant
	if err := w.owner.call(t.Context(), http.MethodPost, "/v1/owner/login", map[string]string{"passphrase": "correct horse", "user_principal_id": w.agent["OPENLEASH_OWNER_ID"]}, &session); err != nil {
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
