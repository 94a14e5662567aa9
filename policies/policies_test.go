package policies_test

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/openleash/openleash-go/policies"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/test/policytest"
)

// schemaLine is what tells editors about the language.
const schemaLine = "# yaml-language-server: $schema=https://raw.githubusercontent.com/openleash/openleash-go/main/docs/policy.schema.json\n"

// TestPolicies runs the tests beside the policies, and asks that every line of every policy is covered.
func TestPolicies(t *testing.T) {
	r, err := policytest.Run(t.Context(), policytest.Options{Threshold: 100})
	if err != nil {
		t.Fatal(err)
	}
	if r.Exit() != policytest.ExitPassed {
		var out bytes.Buffer
		if err := r.Write(&out, "pretty"); err != nil {
			t.Fatal(err)
		}
		t.Error(out.String())
	}
	covered := map[string]bool{}
	for _, c := range r.Coverage {
		covered[c.File] = true
	}
	for _, f := range embedded(t) {
		if !covered[f.Path] {
			t.Errorf("%s has no test", f.Path)
		}
	}
}

// TestEmbedded holds the embedded policies together: they can all be in force at once, and begin with
// the line for editors.
func TestEmbedded(t *testing.T) {
	files := embedded(t)
	engine, ds := rego.Compile(t.Context(), "usr_1", []string{"usr_1"}, files, rego.Options{})
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	if got := len(engine.Policies()); got != len(files) {
		t.Errorf("%d policies of %d files", got, len(files))
	}
	for _, f := range files {
		if strings.HasSuffix(f.Path, ".yaml") && !bytes.HasPrefix(f.Text, []byte(schemaLine)) {
			t.Errorf("%s does not begin with %s", f.Path, schemaLine)
		}
	}
}

func TestProfiles(t *testing.T) {
	for _, name := range policies.Profiles {
		text, err := policies.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, ds := rego.Check(rego.File{Path: name + ".yaml", Text: text})
		if p == nil || p.ID != "pol_"+name {
			t.Errorf("profile %s: %v", name, ds)
		}
	}
	if _, err := policies.Profile("purchases"); err == nil {
		t.Error("a library policy was taken for a profile")
	}
}

// TestScenarios holds every scenario to what it says that it shows.
func TestScenarios(t *testing.T) {
	all, err := policies.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			file := rego.File{Path: "policy.yaml", Text: []byte(s.Policy)}
			if strings.Contains(s.Policy, "\npackage ") {
				file.Path = "policy.rego"
			}
			engine, ds := rego.Compile(t.Context(), "usr_1", []string{"usr_1"}, []rego.File{file}, rego.Options{Deadline: 10 * time.Second})
			if engine == nil {
				t.Fatal(ds)
			}
			action, err := proof.ParseAction(s.Action)
			if err != nil {
				t.Fatal(err)
			}
			d := engine.Layers(rego.Subject{AgentID: "a"}).Decide(t.Context(), rego.Input{Action: action.Input, ActionType: action.ActionType, Now: s.Now})
			if string(d.Result) != s.Result {
				t.Errorf("%s, not %s: %s", d.Result, s.Result, d.Reason)
			}
		})
	}
}

func embedded(t *testing.T) []rego.File {
	t.Helper()
	entries, err := policies.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var out []rego.File
	for _, e := range entries {
		if rego.ShouldIgnore(e.Name()) || e.IsDir() {
			continue
		}
		text, err := fs.ReadFile(policies.Files, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rego.File{Path: e.Name(), Text: text})
	}
	return out
}
