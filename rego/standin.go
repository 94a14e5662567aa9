package rego

import (
	"encoding/json"
	"fmt"
)

// DenyAll returns a guardrail that denies everything. It takes the place of a policy that was active and
// whose text is lost, so that losing it allows nothing.
func DenyAll(file, id, owner string) (*Policy, error) {
	text, err := json.Marshal(map[string]any{"id": id, "owner": owner, "guardrail": true,
		"description": "The file cannot be used and its last good version is lost. Everything is denied until the file is fixed.",
		"rules": []any{map[string]any{"id": "last_good_version_lost", "action": "*", "effect": "deny",
			"description": "a policy file cannot be used and its last good version is lost"}}})
	if err != nil {
		return nil, err
	}
	p, ds := compileFile(File{Path: file + ".yaml", Text: text})
	if p == nil {
		return nil, fmt.Errorf("making a policy that denies everything: %w", ds.Err())
	}
	p.File = file
	return p, nil
}
