package policies

import (
	"embed"
	"fmt"
	"slices"
)

// Files holds every policy and its test.
//
//go:embed *.yaml *.rego
var Files embed.FS

// Profiles are the names of the policies that set-up offers, the most careful first.
var Profiles = []string{"conservative", "balanced", "autonomous"}

// Profile returns the text of a profile.
func Profile(name string) ([]byte, error) {
	if !slices.Contains(Profiles, name) {
		return nil, fmt.Errorf("there is no policy profile %q", name)
	}
	return Files.ReadFile(name + ".yaml")
}
