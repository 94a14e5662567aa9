package rego

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/openleash/openleash-go/compiler"
)

// compose is the module whose decision is that of all policies together.
//
//go:embed compose.rego
var compose []byte

// Signing says how a bundle is signed: a PEM private key or a secret, and its JWS algorithm such as
// ES256, EdDSA or HS256.
type Signing struct {
	Key       string
	Algorithm string
	KeyID     string
}

// Rego prints a policy as Rego: as its owner wrote it, or as it was compiled from YAML.
func (p *Policy) Rego() ([]byte, error) {
	if p.Raw {
		return p.Text, nil
	}
	m, err := p.Module()
	if err != nil {
		return nil, err
	}
	return compiler.Format(m)
}

// WriteModules writes each policy of an engine into a folder as <id>.rego, for opa test and other
// tools.
func WriteModules(dir string, e *Engine) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // policies are there to be read
		return err
	}
	for _, p := range e.policies {
		text, err := p.Rego()
		if err != nil {
			return fmt.Errorf("printing the policy %s: %w", p.ID, err)
		}
		if err := os.WriteFile(filepath.Join(dir, p.ID+".rego"), text, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}

// WriteBundle writes an OPA bundle (gzipped tar) of an engine: its modules, what is known of them, and
// the entrypoint openleash/decision, which yields what Layers.Decide does, budgets apart. Its revision is
// the engine's. A nil s leaves it unsigned.
func WriteBundle(w io.Writer, e *Engine, s *Signing) error {
	meta := make([]any, len(e.policies))
	var modules []bundle.ModuleFile
	add := func(name string, text []byte) error {
		parsed, err := ast.ParseModuleWithOpts(name, string(text), ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		modules = append(modules, bundle.ModuleFile{URL: name, Path: name, Raw: text, Parsed: parsed})
		return nil
	}
	if err := add("/openleash/compose.rego", compose); err != nil {
		return err
	}
	for i, p := range e.policies {
		text, err := p.Rego()
		if err != nil {
			return fmt.Errorf("printing the policy %s: %w", p.ID, err)
		}
		if err := add("/openleash/policy/"+p.ID+".rego", text); err != nil {
			return err
		}
		meta[i] = map[string]any{"id": p.ID, "enabled": p.Enabled, "guardrail": p.Guardrail, "rank": p.Rank,
			"agents": list(p.Agents), "groups": list(p.Groups), "default": string(p.Default),
			"tightens": len(p.tightening) > 0}
	}
	var data any = map[string]any{"openleash": map[string]any{"meta": meta}}
	if err := util.RoundTrip(&data); err != nil {
		return err
	}
	b := bundle.Bundle{Data: data.(map[string]any), Modules: modules}
	b.Manifest.Init()
	b.Manifest.Revision = e.revision
	b.Manifest.SetRegoVersion(ast.RegoV1)
	b.Manifest.Roots = &[]string{"openleash"}
	b.Manifest.Metadata = map[string]any{"entrypoint": "openleash/decision"}
	if s != nil {
		if err := b.GenerateSignature(bundle.NewSigningConfig(s.Key, s.Algorithm, ""), s.KeyID, false); err != nil {
			return fmt.Errorf("signing the bundle: %w", err)
		}
	}
	return bundle.NewWriter(w).DisableFormat(true).Write(b)
}

// list is never null, so that Rego can look into it.
func list(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
