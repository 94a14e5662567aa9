package compiler

import (
	"encoding/json"

	"gopkg.in/yaml.v3"
)

// Metadata reads what a Rego policy says of itself under "custom" in its METADATA: the binding keys of
// a YAML policy. at is where the METADATA stands; id is the last part of the package.
func Metadata(at Position, id string, custom map[string]any) (Header, Diagnostics) {
	h := Header{ID: id, Enabled: true, Rank: DefaultRank}
	r := &reader{file: at.File}
	if !idForm.MatchString(id) {
		r.errorf(&yaml.Node{}, "invalid_id", "the package must be openleash.policy.<id>, the id of 1 to 64 letters, digits, _ and -")
	}
	if n := r.encoded(custom); n != nil {
		r.mapping(n, "the METADATA of a policy", r.binding(&h)...)
	}
	return h, r.movedTo(at)
}

// DeclaredBudgets reads the budgets that a Rego policy declares, in the form of a YAML policy.
func DeclaredBudgets(at Position, value any) ([]Budget, Diagnostics) {
	r := &reader{file: at.File}
	var out []Budget
	if n := r.encoded(value); n != nil {
		out = r.budgets(n)
	}
	return out, r.movedTo(at)
}

// DeclaredDefault reads the default_effect of a Rego policy.
func DeclaredDefault(at Position, value any) (Default, Diagnostics) {
	r := &reader{file: at.File}
	var out Default
	if n := r.encoded(value); n != nil {
		out = r.defaultEffect(n)
	}
	return out, r.movedTo(at)
}

// encoded turns a plain value into the nodes that the reader walks; nil if there is none.
func (r *reader) encoded(value any) *yaml.Node {
	if m, ok := value.(map[string]any); value == nil || ok && len(m) == 0 {
		return nil
	}
	text, err := json.Marshal(value) // JSON is YAML
	if err != nil {
		r.errorf(&yaml.Node{}, "wrong_type", "%v", err)
		return nil
	}
	return r.document(text)
}

// movedTo puts everything that was found at one place of the Rego file.
func (r *reader) movedTo(at Position) Diagnostics {
	for i := range r.ds {
		r.ds[i].Pos = at
	}
	return r.ds
}
