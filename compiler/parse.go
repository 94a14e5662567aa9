package compiler

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	idForm    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	agentForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)
	groupForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	ownerForm = idForm // usr_…, or what an imported installation calls its owners
)

const maxText = 4096 // bytes of a name or description

// Parse reads one policy file. The policy is nil if anything is wrong with it; warnings alone leave it.
// It never panics, and takes less than a second for any input.
func Parse(file string, src []byte) (*Policy, Diagnostics) {
	r := &reader{file: file}
	p := &Policy{File: file}
	if root := r.document(src); root != nil {
		r.policy(root, p)
	}
	if len(r.ds) == 0 {
		r.ds = append(r.ds, lint(p)...)
	}
	r.ds.Sort()
	if r.ds.Err() != nil {
		return nil, r.ds
	}
	return p, r.ds
}

// baseID is the id of a policy that names none.
func baseID(file string) string {
	base := path.Base(file)
	return strings.TrimSuffix(base, path.Ext(base))
}

func (r *reader) policy(root *yaml.Node, p *Policy) {
	p.Header = Header{ID: baseID(p.File), Enabled: true, Rank: DefaultRank}
	p.Default = DefaultDeny
	var defaultNode *yaml.Node
	seen, ok := r.mapping(root, "a policy", slices.Concat([]field{
		{"version", func(n *yaml.Node) { r.integer(n, "version", 1, 1) }},
		{"id", func(n *yaml.Node) { p.ID = r.form(n, "id", idForm, "1 to 64 letters, digits, _ and -") }},
		{"name", func(n *yaml.Node) { p.Name = r.prose(n, "name") }},
		{"description", func(n *yaml.Node) { p.Description = r.prose(n, "description") }},
	}, r.binding(&p.Header), []field{
		{"default", func(n *yaml.Node) { p.Default, p.HasDefault, defaultNode = r.defaultEffect(n), true, n }},
		{"rules", func(n *yaml.Node) { r.rules(n, p) }},
		{"budgets", func(n *yaml.Node) { p.Budgets = r.budgets(n) }},
	})...)
	if !ok {
		return
	}
	if seen["rules"] == nil {
		r.errorf(root, "missing_key", "a policy needs rules")
	}
	if seen["id"] == nil && !idForm.MatchString(p.ID) {
		r.errorf(root, "invalid_id", "the file name %q is no policy id; give the policy an id", path.Base(p.File))
	}
	if p.RenamedFrom == p.ID && p.ID != "" {
		r.errorf(root, "renamed_from_itself", "the policy is called %s; renamed_from is the id that it had before", p.ID)
	}
	if p.Guardrail {
		r.guardrail(p, defaultNode)
	}
}

// binding are the keys that say whom a policy is for, in YAML and in the METADATA of Rego alike.
func (r *reader) binding(h *Header) []field {
	return []field{
		{"enabled", func(n *yaml.Node) { h.Enabled, _ = r.boolean(n, "enabled") }},
		{"owner", func(n *yaml.Node) {
			h.Owner = r.form(n, "owner", ownerForm, "an owner id, such as usr_ and 26 characters")
		}},
		{"applies_to", func(n *yaml.Node) { r.appliesTo(n, h) }},
		{"guardrail", func(n *yaml.Node) { h.Guardrail, _ = r.boolean(n, "guardrail") }},
		{"rank", func(n *yaml.Node) {
			rank, _ := r.integer(n, "rank", 0, 1_000_000)
			h.Rank = int(rank)
		}},
		{"renamed_from", func(n *yaml.Node) { h.RenamedFrom = r.formerID(n) }},
	}
}

func (r *reader) defaultEffect(n *yaml.Node) Default {
	word, _ := r.word(n, "default", "unknown_default", false, defaults...)
	return Default(word)
}

// guardrail holds a guardrail to its purpose: it can only tighten.
func (r *reader) guardrail(p *Policy, defaultNode *yaml.Node) {
	if defaultNode != nil {
		r.errorf(defaultNode, "guardrail_default", "a guardrail has no default; it only tightens what other policies decide")
	}
	for _, rule := range p.Rules {
		if rule.Effect == Allow && len(rule.Obligations) == 0 {
			r.report(Diagnostic{Code: "guardrail_allow", Pos: rule.Pos,
				Message: "a guardrail cannot allow; it can deny, or require something"})
		}
	}
}

// formerID reads the id that a policy or budget had before.
func (r *reader) formerID(n *yaml.Node) string {
	return r.form(n, "renamed_from", idForm, "1 to 64 letters, digits, _ and -")
}

// form reads text of a given form; want describes it.
func (r *reader) form(n *yaml.Node, noun string, form *regexp.Regexp, want string) string {
	s, ok := r.text(n, noun)
	if ok && !form.MatchString(s) {
		r.errorf(n, "invalid_"+strings.ReplaceAll(noun, " ", "_"), "%s must be %s", noun, want)
	}
	return s
}

func (r *reader) prose(n *yaml.Node, noun string) string {
	s, ok := r.text(n, noun)
	if ok && len(s) > maxText {
		r.errorf(n, "text_too_long", "%s is at most %d bytes", noun, maxText)
	}
	return s
}

func (r *reader) appliesTo(n *yaml.Node, h *Header) {
	names := func(into *[]string, noun string, form *regexp.Regexp) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			named := map[string]bool{}
			r.list(n, "applies_to."+noun, false, func(n *yaml.Node) {
				name := r.form(n, noun, form, "letters, digits and . _ - only")
				if named[name] {
					r.errorf(n, "duplicate_name", "%q is named twice", name)
				}
				named[name] = true
				*into = append(*into, name)
			})
		}
	}
	seen, ok := r.mapping(n, "applies_to",
		field{"agents", names(&h.Agents, "agents", agentForm)},
		field{"groups", names(&h.Groups, "groups", groupForm)})
	if ok && len(seen) == 0 {
		r.errorf(n, "missing_key", "applies_to names agents or groups; leave it out for all agents")
	}
}

func (r *reader) rules(n *yaml.Node, p *Policy) {
	if n.Kind != yaml.SequenceNode {
		r.errorf(n, "wrong_type", "rules must be a list")
		return
	}
	if len(n.Content) > MaxRules {
		r.errorf(n, "too_many_rules", "a policy has at most %d rules; split it", MaxRules)
		return
	}
	ids := map[string]bool{}
	for i, c := range n.Content {
		rule := r.rule(c, fmt.Sprintf("rule_%d", i+1))
		if ids[rule.ID] {
			r.errorf(c, "duplicate_id", "the rule id %q stands twice", rule.ID)
		}
		ids[rule.ID] = true
		p.Rules = append(p.Rules, rule)
	}
}
