package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/openleash/openleash-go/"

// below says which of our folders each folder may import. cmd may import everything. A package under
// internal counts as a folder of its own.
var below = map[string][]string{
	"internal/money": {},
	"internal/inert": {},

	"compiler": {"internal/money"},
	"store":    {},
	"proof":    {},
	"policies": {},
	"docs":     {},
	"rego":     {"compiler"},
	"sdk":      {"proof"},
	"leash":    {"rego", "proof", "store", "compiler", "policies", "internal/money"},
	// What leash takes and returns is partly made of the types below it.
	"server":    {"leash", "proof", "store", "compiler"},
	"gui":       {"leash", "proof", "store", "compiler", "policies", "internal/money", "internal/inert"},
	"test":      {"rego", "proof", "compiler", "policies"},
	"packaging": {},
}

// opaFree are the packages whose users must not link OPA: verifiers, clients, stores.
var opaFree = []string{"proof", "sdk", "store", "store/file"}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// TestImportsGoDown holds the architecture's table of folders against the code.
func TestImportsGoDown(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		folder := folderOf(path)
		if folder == "cmd" {
			continue
		}
		may, known := below[folder]
		if !known {
			t.Errorf("%s is not in a folder of the architecture", path)
		}
		for _, i := range p.Imports {
			imported, ours := strings.CutPrefix(i, module)
			other := folderOf(imported)
			if ours && other != folder && !slices.Contains(may, other) {
				t.Errorf("%s imports %s, which is not below it", path, imported)
			}
		}
		if slices.Contains(opaFree, path) && slices.ContainsFunc(p.Deps, func(d string) bool { return strings.Contains(d, "open-policy-agent") }) {
			t.Errorf("%s links OPA", path)
		}
	}
}

// folderOf is the folder of the table that a package belongs to.
func folderOf(path string) string {
	first, rest, _ := strings.Cut(path, "/")
	if first != "internal" {
		return first
	}
	second, _, _ := strings.Cut(rest, "/")
	return first + "/" + second
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
