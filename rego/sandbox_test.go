package rego_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/rego/sandbox"
)

// TestMain lets this test binary be the child of a sandbox. The child looks at no text beforehand, so that
// its limits are what holds.
func TestMain(m *testing.M) {
	if sandbox.IsChild() {
		rego.DropWalls()
	}
	sandbox.Main()
	os.Exit(m.Run())
}

// copies is a json.patch that copies an object into itself, over and over: comparing the results never ends.
func copies() string {
	var ops []string
	for i := range 40 {
		ops = append(ops, fmt.Sprintf(`{"op": "copy", "from": "/a", "path": "/a/k%d"}`, i))
	}
	return `json.patch({"a": {}}, [` + strings.Join(ops, ", ") + `])`
}

// TestPromise36_TheSandboxIsASecondWall holds that what the bounds on a policy's text would let pass dies in a child.
func TestPromise36_TheSandboxIsASecondWall(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits on processor time and memory are Linux's")
	}
	two := doubled(`[1, input.action_type]`, `[v, v]`, 40) + strings.ReplaceAll(doubled(`[1, input.action_type]`, `[v, v]`, 40), "v", "w")
	for name, policy := range map[string]string{
		"types that double":   two + `decision := {"effect": "allow", "rule_id": "r"} if v40 == w40`,
		"copies into oneself": "x := " + copies() + "\nz := " + copies() + "\ndecision := {\"effect\": \"allow\", \"rule_id\": \"r\"} if x == z",
	} {
		t.Run(name, func(t *testing.T) {
			before := time.Now()
			err := sandbox.New().Check(raw(policy))
			t.Logf("%v after %s", err, time.Since(before))
			if !errors.Is(err, rego.ErrTooHeavy) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheSandboxLetsOthersPass(t *testing.T) {
	c := sandbox.New()
	for name, policy := range map[string]string{
		"a policy":         `decision := {"effect": "allow", "rule_id": "r"}`,
		"no policy":        `decision :=`,
		"one that repeats": `decision := {"effect": "allow", "rule_id": "r"} if count([1 | some a in numbers; some b in numbers; a + b > 0]) > 0` + "\nnumbers := split(sprintf(\"%0999d\", [1]), \"\")",
	} {
		for range 2 {
			if err := c.Check(raw(policy)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
