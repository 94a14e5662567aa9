package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The documentation, the alert rules and the dashboard name the metrics that there are, and the
// documentation names all of them.
func TestMetricsAreDocumented(t *testing.T) {
	declared := map[string]bool{}
	for _, pattern := range []string{"../../server/*.go", "*.go"} {
		for _, m := range find(t, pattern, `(?:Name: |NewDesc\()"(openleash_[a-z_]+)"`) {
			declared[m] = true
		}
	}
	if len(declared) < 10 {
		t.Fatalf("only %d metrics are declared: %v", len(declared), slices.Sorted(maps.Keys(declared)))
	}
	for _, file := range []string{"../../docs/operations.md", "../../docs/files/alerts.yml", "../../docs/files/grafana.json"} {
		for _, name := range find(t, file, `\b(openleash_[a-z_]+)\b`) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(name, suffix); ok && declared[base] {
					name = base
				}
			}
			if !declared[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
	documented := find(t, "../../docs/operations.md", `\b(openleash_[a-z_]+)\b`)
	for name := range declared {
		if !slices.Contains(documented, name) {
			t.Errorf("docs/operations.md does not name %s", name)
		}
	}
}

// find returns the first groups of all matches in files.
func find(t *testing.T, pattern, expression string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(string(text), -1) {
			all = append(all, m[1])
		}
	}
	return all
}
