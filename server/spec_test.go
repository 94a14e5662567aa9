package server_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// spec is the OpenAPI document of a running server, against which every answer of the tests is held.
type spec struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
	paths    map[string]map[string]any

	mu       sync.Mutex
	answered map[string]bool // "GET /v1/health" that gave a 200
}

func readSpec(t testing.TB, base string) *spec {
	t.Helper()
	res, err := http.Get(base + "/reference/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	s := &spec{doc: doc.(map[string]any), compiler: c, paths: map[string]map[string]any{}, answered: map[string]bool{}}
	for path, item := range s.doc["paths"].(map[string]any) {
		s.paths[path] = item.(map[string]any)
	}
	return s
}

// find returns the documented path that a request's path fits; those without parameters first.
func (s *spec) find(path string) (string, bool) {
	path, _, _ = strings.Cut(path, "?")
	if _, ok := s.paths[path]; ok {
		return path, true
	}
	parts := strings.Split(path, "/")
	for known := range s.paths {
		if slices.EqualFunc(strings.Split(known, "/"), parts, func(k, p string) bool { return k == p || strings.HasPrefix(k, "{") }) {
			return known, true
		}
	}
	return "", false
}

// check holds an answer against the document.
func (s *spec) check(t testing.TB, method, path string, a answer) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.find(path)
	if !ok {
		t.Fatalf("%s %s is not in the OpenAPI document", method, path)
	}
	op, ok := s.paths[known][strings.ToLower(method)].(map[string]any)
	if !ok {
		t.Fatalf("%s %s is not in the OpenAPI document", method, known)
	}
	status := strconv.Itoa(a.status)
	responses := op["responses"].(map[string]any)
	if _, ok := responses[status]; !ok {
		status = "default"
	}
	if a.status == http.StatusOK {
		s.answered[method+" "+known] = true
	}
	content := responses[status].(map[string]any)["content"].(map[string]any)
	if content["application/json"] == nil {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Fatalf("%s %s answered %s as %q", method, path, status, got)
	}
	escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(known)
	schema, err := s.compiler.Compile("openapi.json#/paths/" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(escaped) + "/" +
		strings.ToLower(method) + "/responses/" + status + "/content/application~1json/schema")
	if err != nil {
		t.Fatalf("%s %s: the schema does not compile: %v", method, known, err)
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.raw))
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, a.raw)
	}
	if err := schema.Validate(body); err != nil {
		t.Fatalf("%s %s: the answer is not as documented: %.1000s\n%.2000s", method, path, err.Error(), a.raw)
	}
}
