package proof_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A counterparty that verifies proofs, and an agent that asks for them, link no policy engine.
func TestVerifierLinksNoEngine(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/openleash/openleash-go/proof").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		ours := strings.HasPrefix(dep, "github.com/openleash/openleash-go/") && !strings.HasSuffix(dep, "/proof")
		if ours || strings.Contains(dep, "open-policy-agent") || dep == "net/http" {
			t.Errorf("proof links %s", dep)
		}
	}
}
