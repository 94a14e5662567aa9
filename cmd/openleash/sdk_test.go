package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSDKs runs the tests of the three clients with a real server at hand, which their live tests want:
// the spending policy in force, an agent, the owner's session and an invite.
func TestSDKs(t *testing.T) {
	w := startWorld(t, nil)
	for _, sdk := range []struct {
		name, dir string
		needs     []string // a command that succeeds where the tests can run
		run       []string
	}{
		{"go", "sdk", []string{"go", "version"}, []string{"go", "test", "-count=1", "-run", "Live", "./..."}},
		{"typescript", "sdk/ts", []string{"test", "-d", "node_modules/typescript"}, []string{"npm", "test"}},
		{"python", "sdk/python", []string{"python3", "-c", "import cryptography"}, []string{"python3", "-m", "unittest"}},
	} {
		t.Run(sdk.name, func(t *testing.T) {
			run := func(args []string) ([]byte, error) {
				cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
				cmd.Dir = filepath.Join(repository(t), sdk.dir)
				cmd.Env = append(os.Environ(), w.env(t)...)
				return cmd.CombinedOutput()
			}
			if text, err := run(sdk.needs); err != nil {
				if os.Getenv("CI") != "" {
					t.Fatalf("%v: %v\n%s", sdk.needs, err, text)
				}
				t.Skipf("the %s client cannot be tried here: %v: %v", sdk.name, sdk.needs, err)
			}
			if text, err := run(sdk.run); err != nil {
				t.Errorf("%v: %v\n%s", sdk.run, err, text)
			}
		})
	}
}
