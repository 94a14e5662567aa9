package compiler_test

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/openleash/openleash-go/compiler"
)

// TestRego compares the Rego, the plain words and the warnings of policies.
func TestRego(t *testing.T) {
	golden(t, "rego", func(t *testing.T, in map[string]string) []txtar.File {
		p := parse(t, in["policy.yaml"])
		out := []txtar.File{text("policy.rego", loadable(t, p))}
		var words []byte
		for _, sentence := range compiler.Describe(p) {
			words = append(words, sentence+"\n"...)
		}
		return append(out, text("words", words))
	})
}

// loadable compiles a policy, and holds that OPA takes both of its modules, and both as text.
func loadable(t *testing.T, p *compiler.Policy) []byte {
	t.Helper()
	var out []byte
	for _, compile := range []func(*compiler.Policy) (*ast.Module, error){compiler.CompileTrace, compiler.Compile} {
		m, err := compile(p)
		if err != nil {
			t.Fatal(err)
		}
		src, err := compiler.Format(m)
		if err != nil {
			t.Fatal(err)
		}
		read, err := ast.ParseModuleWithOpts("policy.rego", string(src), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatalf("%v in\n%s", err, src)
		}
		for _, m := range []*ast.Module{m, read} {
			c := ast.NewCompiler().WithStrict(true)
			if c.Compile(map[string]*ast.Module{"policy.rego": m.Copy()}); c.Failed() {
				t.Fatalf("%v in\n%s", c.Errors, src)
			}
		}
		again, err := compiler.Format(read)
		if err != nil || string(again) != string(src) {
			t.Fatalf("read and printed again, %v:\n%s\nis\n%s", err, src, again)
		}
		out = src
	}
	return out
}
