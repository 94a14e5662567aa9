package rego_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/openleash/openleash-go/rego"
)

// TestSignedBundle holds that OPA takes a signed bundle with its key, and no other and no altered one.
func TestSignedBundle(t *testing.T) {
	e := engine(t, yaml("p", rule("allow", "")), raw(`decision := {"effect": "deny", "rule_id": "r"} if input.payload.x`))
	var signed, altered bytes.Buffer
	if err := rego.WriteBundle(&signed, e, &rego.Signing{Key: "secret", Algorithm: "HS256", KeyID: "k1"}); err != nil {
		t.Fatal(err)
	}
	read := func(archive []byte, secret string) error {
		keys := map[string]*bundle.KeyConfig{"k1": {Key: secret, Algorithm: "HS256"}}
		_, err := bundle.NewReader(bytes.NewReader(archive)).WithBundleVerificationConfig(bundle.NewVerificationConfig(keys, "k1", "", nil)).Read()
		return err
	}
	if err := read(signed.Bytes(), "secret"); err != nil {
		t.Errorf("with its key: %v", err)
	}
	if read(signed.Bytes(), "another") == nil {
		t.Error("another key verifies it")
	}
	if err := rego.WriteBundle(&altered, e, nil); err != nil {
		t.Fatal(err)
	}
	if read(altered.Bytes(), "secret") == nil {
		t.Error("a bundle without a signature is taken")
	}
	if err := rego.WriteBundle(&altered, e, &rego.Signing{Key: "no key", Algorithm: "ES256"}); err == nil {
		t.Error("it is signed with what is no key")
	}
}

// TestWriteModules holds that each policy stands in a file of its own, in Rego.
func TestWriteModules(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := rego.WriteModules(dir, engine(t, yaml("p-1", rule("allow", "")), raw(`decision := {"effect": "deny", "rule_id": "r"}`))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"p-1.rego": `package openleash.policy["p-1"]`, "raw.rego": "package openleash.policy.raw"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
