package compiler_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/openleash/openleash-go/compiler"
)

// TestErrors compares all that is said about faulty policies: codes, places, snippets and suggestions.
func TestErrors(t *testing.T) {
	golden(t, "errors", func(t *testing.T, in map[string]string) []txtar.File {
		src := []byte(in["policy.yaml"])
		p, ds := compiler.Parse("policy.yaml", src)
		if (p == nil) != (ds.Err() != nil) {
			t.Errorf("policy %v with errors %v", p, ds.Err())
		}
		var out bytes.Buffer
		ds.Render(&out, func(string) []byte { return src })
		return []txtar.File{text("errors", out.Bytes())}
	})
}

// TestEveryErrorIsShown holds the golden files to every code that the package has.
func TestEveryErrorIsShown(t *testing.T) {
	elsewhere := map[string]bool{ // see TestHostile, TestLimits, TestMetadata and TestTable
		"file_too_large": true, "invalid_utf8": true, "too_deep": true, "too_many_rules": true, "too_many_budgets": true,
		"too_many_parts": true, "too_many_conditions": true, "list_too_long": true, "text_too_long": true, "invalid_params": true, "invalid_time": true, "unknown_result": true, "too_many_errors": true,
	}
	shown := read(t, "testdata/errors/*.txtar")
	code := regexp.MustCompile(`(?:(?:errorf|unknown|warn)\([^"\n]*|word\(n, "[a-z_]+", |Code: )"([a-z_]+)"[,}]`)
	sources := read(t, "*.go")
	for _, m := range code.FindAllStringSubmatch(sources, -1) {
		if !elsewhere[m[1]] && !strings.Contains(shown, ": "+m[1]+": ") {
			t.Errorf("no golden file shows %s", m[1])
		}
	}
}

func read(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(src)
	}
	return out.String()
}
