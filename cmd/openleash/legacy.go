package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// legacyFolder is a data folder of the OpenLeash that runs on Node.js, as far as it can be taken over:
// state.md, an index in a fenced YAML block; a Markdown file with front matter for each owner and
// agent; the policies; and the server's keys as JSON. Older ones say owner where newer ones say user
// or organization.
type legacyFolder struct {
	Owners   []legacyOwner
	Agents   []legacyAgent
	Policies []legacyPolicy
	Keys     []legacyKey
	Warnings []string // what could not be read
}

type legacyOwner struct {
	UserID  string    `yaml:"user_principal_id"`
	OrgID   string    `yaml:"org_id"`
	OwnerID string    `yaml:"owner_principal_id"`
	Type    string    `yaml:"principal_type"`
	Name    string    `yaml:"display_name"`
	Status  string    `yaml:"status"`
	Created time.Time `yaml:"created_at"`
}

func (o legacyOwner) id() string { return cmp.Or(o.UserID, o.OrgID, o.OwnerID) }

type legacyAgent struct {
	PrincipalID string    `yaml:"agent_principal_id"`
	AgentID     string    `yaml:"agent_id"`
	Owner       string    `yaml:"owner_principal_id"`
	NewOwner    string    `yaml:"owner_id"`
	PublicKey   string    `yaml:"public_key_b64"`
	Status      string    `yaml:"status"`
	WebhookURL  string    `yaml:"webhook_url"`
	Secret      string    `yaml:"webhook_secret"`
	AuthToken   string    `yaml:"webhook_auth_token"`
	Created     time.Time `yaml:"created_at"`
}

func (g legacyAgent) owner() string { return cmp.Or(g.NewOwner, g.Owner) }

// legacyPolicy is a policy with what it is bound to: agents by principal id, or all of an owner.
type legacyPolicy struct {
	ID, Owner, Name string
	Agents          []string
	All             bool
	Text            []byte
}

type legacyKey struct {
	KID     string     `json:"kid"`
	Public  string     `json:"public_key_b64"`
	Private string     `json:"private_key_b64"`
	Created time.Time  `json:"created_at"`
	Revoked *time.Time `json:"revoked_at"`
}

// legacyState is the index, state.md.
type legacyState struct {
	Policies []legacyBinding `yaml:"policies"`
	Bindings []legacyBinding `yaml:"bindings"`
}

type legacyBinding struct {
	PolicyID string `yaml:"policy_id"`
	Owner    string `yaml:"owner_principal_id"`
	NewOwner string `yaml:"owner_id"`
	Agent    string `yaml:"applies_to_agent_principal_id"`
	Name     string `yaml:"name"`
}

// readLegacy reads such a folder. A file that cannot be read becomes a warning.
func readLegacy(dir string) (*legacyFolder, error) {
	text, err := os.ReadFile(filepath.Join(dir, "state.md"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, advise(fmt.Errorf("%s is no data folder of an existing OpenLeash: it has no state.md", dir),
			"name the folder that its server writes, usually ./data")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	_, block, found := bytes.Cut(text, []byte("```yaml\n"))
	block, _, closed := bytes.Cut(block, []byte("```"))
	var state legacyState
	if !found || !closed {
		return nil, errors.New("reading the index: state.md has no YAML block")
	}
	if err := yaml.Unmarshal(block, &state); err != nil {
		return nil, fmt.Errorf("reading the index: state.md: %w", err)
	}
	f := &legacyFolder{}
	for _, folder := range []string{"owners", "users", "organizations"} {
		readFrontMatter(f, dir, folder, &f.Owners)
	}
	readFrontMatter(f, dir, "agents", &f.Agents)
	f.readKeys(dir)
	f.readPolicies(dir, state)
	return f, nil
}

// readFrontMatter reads the front matter of all Markdown files of a folder.
func readFrontMatter[T any](f *legacyFolder, dir, folder string, into *[]T) {
	names, _ := filepath.Glob(filepath.Join(dir, folder, "*.md")) // a folder that is not there has none
	for _, name := range names {
		text, err := os.ReadFile(name)
		rest, isFront := bytes.CutPrefix(text, []byte("---\n"))
		front, _, isClosed := bytes.Cut(rest, []byte("\n---"))
		if err == nil && (!isFront || !isClosed) {
			err = errors.New("it has no front matter")
		}
		var v T
		if err == nil {
			err = yaml.Unmarshal(front, &v)
		}
		if err != nil {
			f.warn("%s/%s: %v", folder, filepath.Base(name), err)
			continue
		}
		*into = append(*into, v)
	}
}

func (f *legacyFolder) readKeys(dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, "keys", "*.json"))
	for _, name := range names {
		text, err := os.ReadFile(name)
		var k legacyKey
		if err == nil {
			err = json.Unmarshal(text, &k)
		}
		if err != nil {
			f.warn("keys/%s: %v", filepath.Base(name), err)
			continue
		}
		f.Keys = append(f.Keys, k)
	}
}

// readPolicies reads the policies that are bound to something. The index may name a binding twice:
// in the list of policies and in that of bindings.
func (f *legacyFolder) readPolicies(dir string, state legacyState) {
	byID := map[string]*legacyPolicy{}
	var order []string
	for _, b := range append(state.Policies, state.Bindings...) {
		p := byID[b.PolicyID]
		if p == nil {
			if b.PolicyID == "" || strings.ContainsAny(b.PolicyID, `/\`) {
				f.warn("state.md: a policy without a usable id")
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, "policies", b.PolicyID+".yaml"))
			if err != nil {
				f.warn("policies/%s.yaml: %v", b.PolicyID, err)
				continue
			}
			p = &legacyPolicy{ID: b.PolicyID, Text: text}
			byID[b.PolicyID] = p
			order = append(order, b.PolicyID)
		}
		p.Owner, p.Name = cmp.Or(p.Owner, b.NewOwner, b.Owner), cmp.Or(p.Name, b.Name)
	}
	// The list of policies says where a policy was made for; what it is bound to, the bindings say.
	for _, b := range state.Bindings {
		if p := byID[b.PolicyID]; p != nil && b.Agent == "" {
			p.All = true
		} else if p != nil {
			p.Agents = append(p.Agents, b.Agent)
		}
	}
	for _, id := range order {
		if p := byID[id]; p.All || len(p.Agents) > 0 {
			f.Policies = append(f.Policies, *p)
		} else {
			f.warn("policies/%s.yaml: bound to nothing, so it was not in force; left out", id)
		}
	}
}

func (f *legacyFolder) warn(format string, args ...any) {
	f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...))
}
