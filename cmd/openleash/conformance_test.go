package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/test/conformance"
)

// TestConformance runs the cases of the policy language through the command line, each as a table of one
// test beside its policies.
func TestConformance(t *testing.T) {
	cases, err := conformance.Load()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/conformance",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CASES", strconv.Itoa(len(cases)))
			for i, c := range cases {
				if err := writeTable(filepath.Join(e.WorkDir, fmt.Sprintf("case%03d", i)), c); err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
			}
			return nil
		},
		RequireExplicitExec: true,
	})
}

// writeTable writes the policies of a case and a table, in JSON, which is YAML.
func writeTable(dir string, c conformance.Case) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, f := range c.Policies {
		if err := os.WriteFile(filepath.Join(dir, f.Path), f.Text, 0o644); err != nil {
			return err
		}
	}
	names, err := inOrder(c)
	if err != nil {
		return err
	}
	type object = map[string]any
	agent := object{"id": c.AgentID}
	if len(c.Groups) > 0 {
		agent["groups"] = c.Groups
	}
	expect := object{"result": c.Want.Result, "policy": orNull(c.Want.Policy), "rule": orNull(c.Want.Rule),
		"obligations": append([]string{}, c.Want.Obligations...), "proof": object{"required": c.Want.Proof}}
	test := object{"name": c.Name, "agent": agent, "action": c.Action, "now": c.Now.Format(time.RFC3339Nano), "expect": expect}
	if c.Assurance != "" {
		test["assurance"] = c.Assurance
	}
	table, err := json.Marshal(object{"policies": names, "tests": []object{test}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "case_test.yaml"), table, 0o644)
}

// inOrder names the policies of a case as a table lists them: as they apply to its agent, then the others.
func inOrder(c conformance.Case) ([]string, error) {
	engine, ds := rego.Compile(context.Background(), conformance.Owner, []string{conformance.Owner}, c.Policies, rego.Options{})
	if err := ds.Err(); err != nil {
		return nil, err
	}
	var names []string
	for _, p := range engine.Layers(rego.Subject{AgentID: c.AgentID, Groups: c.Groups}).Policies() {
		names = append(names, p.File)
	}
	for _, f := range c.Policies {
		if !slices.Contains(names, f.Path) {
			names = append(names, f.Path)
		}
	}
	return names, nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
