package policies

import (
	"bytes"
	_ "embed" // the scenarios
	"encoding/json"
	"fmt"
	"time"

	"gopkg.in/yaml.v3"
)

//go:embed scenarios/scenarios.yaml
var scenarios []byte

// Scenario is a policy of the library and an action that show one thing.
type Scenario struct {
	Name   string          `json:"name"`
	Shows  string          `json:"shows"` // one sentence
	Policy string          `json:"-"`     // its text, YAML or Rego
	Action json.RawMessage `json:"action"`
	Now    time.Time       `json:"now,omitzero"` // zero: any time
	Result string          `json:"result"`       // what is decided
}

// Scenarios returns the embedded ones, in the order in which they teach.
func Scenarios() ([]Scenario, error) {
	var file []struct {
		Name, Shows, Policy, Result string
		Action                      map[string]any
		Now                         time.Time
	}
	d := yaml.NewDecoder(bytes.NewReader(scenarios))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("reading the scenarios: %w", err)
	}
	out := make([]Scenario, len(file))
	for i, s := range file {
		text, err := Files.ReadFile(s.Policy)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		action, err := json.Marshal(s.Action)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		out[i] = Scenario{s.Name, s.Shows, string(text), action, s.Now, s.Result}
	}
	return out, nil
}
