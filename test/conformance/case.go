package conformance

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/openleash/openleash-go/rego"
)

//go:embed cases/*.yaml
var files embed.FS

// Owner owns the policies of all cases.
const Owner = "usr_00000000000000000000000000"

// Case is one action under some policies, and what is to be decided.
type Case struct {
	Name      string // file/group/case
	Policies  []rego.File
	AgentID   string
	Groups    []string
	Now       time.Time
	Assurance string          // what an approval stepped up to: empty, LOW, SUBSTANTIAL or HIGH
	Action    json.RawMessage // a request body
	Want      Outcome
}

// Outcome is what decisions are compared by.
type Outcome struct {
	Result      rego.Result
	Policy      string   // empty if no policy decided
	Rule        string   // empty for a default
	Obligations []string // types, sorted
	Proof       bool     // an ALLOW carries one; false for other results
	ProofTTL    int      // its life in seconds, if a rule says
}

// OutcomeOf is what a decision is compared by.
func OutcomeOf(d rego.Decision) Outcome {
	o := Outcome{Result: d.Result, Policy: d.PolicyID, Rule: d.RuleID}
	if d.Result == rego.Allow {
		o.Proof, o.ProofTTL = d.Proof.Required, d.Proof.TTLSeconds
	}
	for _, ob := range d.Obligations {
		o.Obligations = append(o.Obligations, ob.Type)
	}
	slices.Sort(o.Obligations)
	o.Obligations = slices.Compact(o.Obligations)
	return o
}

// Raw says that a policy of the case is written in Rego, which Reference does not read.
func (c Case) Raw() bool {
	return slices.ContainsFunc(c.Policies, func(f rego.File) bool { return path.Ext(f.Path) == ".rego" })
}

// group is cases that share their policies, as a file spells them.
type group struct {
	About    string
	Policies map[string]string // text by file name
	Policy   string            // text of the only one, p.yaml
	Cases    []struct {
		Name      string
		Action    string // JSON; a request body
		Payload   string // JSON; short for an action of type "act" with this payload
		Agent     string
		Groups    []string
		Now       time.Time
		Assurance string
		Result    rego.Result
		By        string // the policy that decides; by default the only one
		Rule      string
		Owes      []string
		Unproven  bool // an ALLOW without a proof
		TTL       int  // of the proof, in seconds
	}
}

// Noon is the time of a case that names none: a Friday.
var Noon = time.Date(2026, time.April, 10, 12, 0, 0, 0, time.UTC)

// Load reads all cases, in the order of their files.
func Load() ([]Case, error) {
	names, err := fs.Glob(files, "cases/*.yaml")
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		var groups []group
		if err := d.Decode(&groups); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		for _, g := range groups {
			cases, err := g.cases(strings.TrimSuffix(path.Base(name), ".yaml"))
			if err != nil {
				return nil, err
			}
			out = append(out, cases...)
		}
	}
	return out, nil
}

func (g group) cases(file string) ([]Case, error) {
	var policies []rego.File
	if g.Policy != "" {
		policies = append(policies, rego.File{Path: "p.yaml", Text: []byte(g.Policy)})
	}
	for name, text := range g.Policies {
		policies = append(policies, rego.File{Path: name, Text: []byte(text)})
	}
	slices.SortFunc(policies, func(a, b rego.File) int { return cmp.Compare(a.Path, b.Path) })
	var out []Case
	for _, c := range g.Cases {
		by := c.By
		switch {
		case by == "none":
			by = ""
		case by == "" && len(policies) == 1:
			by = strings.TrimSuffix(policies[0].Path, path.Ext(policies[0].Path))
		}
		action := c.Action
		if action == "" {
			action = `{"action_type":"act","payload":` + cmp.Or(c.Payload, "{}") + `}`
		}
		name := fmt.Sprintf("%s/%s/%s", file, g.About, c.Name)
		if !json.Valid([]byte(action)) {
			return nil, fmt.Errorf("the action of %s is no JSON: %s", name, action)
		}
		now := c.Now
		if now.IsZero() {
			now = Noon
		}
		slices.Sort(c.Owes)
		out = append(out, Case{Name: name, Policies: policies, AgentID: cmp.Or(c.Agent, "agent"), Groups: c.Groups, Now: now,
			Assurance: c.Assurance, Action: json.RawMessage(action), Want: Outcome{Result: c.Result, Policy: by, Rule: c.Rule,
				Obligations: c.Owes, Proof: c.Result == rego.Allow && !c.Unproven, ProofTTL: c.TTL}})
	}
	return out, nil
}
