package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var updateFields = flag.Bool("update-json-fields", false, "write testdata/json-fields.txt")

// TestJSONFieldsAreStable: what --json prints has the fields of testdata/json-fields.txt. Scripts rely on them: fields
// may be added there, and none may go.
func TestJSONFieldsAreStable(t *testing.T) {
	w := startWorld(t, nil)
	var got strings.Builder
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("openleash", append(args, "--json")...)
		cmd.Dir = w.dir
		out, _ := cmd.Output() // a refusal has its JSON too
		var v any
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatalf("openleash %q: %v\n%s", args, err, out)
		}
		fields := map[string]bool{}
		collect(fields, "", v)
		fmt.Fprintf(&got, "%s: %s\n", strings.Join(args[:min(2, len(args))], " "), strings.Join(slices.Sorted(maps.Keys(fields)), " "))
	}
	run("agent", "authorize", "purchase.order", "--amount", "45.00", "--currency", "USD", "--env", "agent.env")
	run("agent", "list")
	run("agent", "invite")
	cmd := exec.Command("openleash", "agent", "authorize", "purchase.order", "--amount", "250.00", "--currency", "USD", "--env", "agent.env", "--wait=1ms")
	cmd.Dir = w.dir
	text, _ := cmd.CombinedOutput() // the owner has not decided
	ask := string(regexp.MustCompile(`apr_[a-z0-9]+`).Find(text))
	run("approval", "list")
	run("approval", "show", ask)
	run("approval", "approve", ask)
	run("owner", "list")
	run("policy", "list")
	run("policy", "show", "pol_spending_limit")
	run("budget", "list")
	run("draft", "list")
	run("keys", "list")
	run("health")
	run("config")
	run("version")
	run("audit", "list", "--type", "DECISION_CREATED", "--limit", "1")
	run("audit", "verify")
	run("verify", "nonsense")
	const golden = "testdata/json-fields.txt"
	if *updateFields {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string][]string{}
	for line := range strings.Lines(got.String()) {
		command, fields, _ := strings.Cut(line, ": ")
		printed[command] = strings.Fields(fields)
	}
	for line := range strings.Lines(string(want)) {
		command, fields, _ := strings.Cut(line, ": ")
		for _, field := range strings.Fields(fields) {
			if !slices.Contains(printed[command], field) {
				t.Errorf("openleash %s --json no longer prints %s; it prints %s", command, field, printed[command])
			}
		}
	}
}

// someID is a key that is different in every run.
var someID = regexp.MustCompile(`^[a-z]+_[0-9a-z]{26}$`)

// collect names every field of a JSON value with its type.
func collect(fields map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if someID.MatchString(name) {
				name = "ID"
			}
			collect(fields, strings.TrimPrefix(path+"."+name, "."), value)
		}
		if len(v) == 0 {
			fields[path+"{}"] = true
		}
	case []any:
		for _, value := range v {
			collect(fields, path+"[]", value)
		}
		if len(v) == 0 {
			fields[path+"[]"] = true
		}
	default:
		fields[fmt.Sprintf("%s:%T", path, v)] = true
	}
}
