package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/openleash/openleash-go/sdk"
)

// parseEnv reads NAME=value lines. Comments and what is no assignment are passed over.
func parseEnv(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			out[strings.TrimPrefix(name, "export ")] = strings.Trim(value, `"'`)
		}
	}
	return out
}

// agentClient is the agent that a file, or else the environment, names.
func (a *app) agentClient(file string) (*sdk.Client, error) {
	get := func(name string) string { v, _ := a.lookup(name); return v }
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the agent's environment: %w", err)
		}
		values := parseEnv(string(text))
		get = func(name string) string { return values[name] }
	} else if get("OPENLEASH_AGENT_ID") == "" {
		return nil, misuse("no agent is named: give --env FILE, the file that `openleash init` or `agent register` wrote, or set its variables")
	}
	return sdk.New(sdk.Config{URL: get("OPENLEASH_URL"), AgentID: get("OPENLEASH_AGENT_ID"), OwnerID: get("OPENLEASH_OWNER_ID"),
		PrivateKeyB64: get("OPENLEASH_AGENT_PRIVATE_KEY_B64"), Clock: a.clock})
}
