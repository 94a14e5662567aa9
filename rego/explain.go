package rego

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// maxExplained bounds how many fields a reason names.
const maxExplained = 5

// explain names the fields that were missing or of the wrong type, where that may be why an action is
// denied, so that the agent can mend its request.
func (l *Layers) explain(o *outcome, doc ast.Object) string {
	if o == nil || o.effect == compiler.Allow {
		return ""
	}
	var refs []compiler.FieldRef
	switch {
	case o.rule != nil:
		refs = o.rule.Fields
	case o.ruleID == "":
		refs = l.wanted(doc)
	}
	return strings.Join(problems(doc, refs), ", ")
}

// problems says what is wrong with fields, at most maxExplained times.
func problems(doc ast.Object, refs []compiler.FieldRef) []string {
	var out []string
	for _, ref := range refs {
		if p := problem(doc, ref); p != "" && !slices.Contains(out, p) && len(out) < maxExplained {
			out = append(out, p)
		}
	}
	return out
}

// explainPossibly names the rules that possibly match and made an outcome stricter, and the fields that they could
// not be decided by.
func explainPossibly(doc ast.Object, sides ...*outcome) string {
	var out []string
	for _, side := range sides {
		if side == nil {
			continue
		}
		for _, o := range side.possibly {
			if len(out) < maxExplained {
				out = append(out, fmt.Sprintf("rule %s of policy %s possibly matches: %s", o.ruleID, o.policy.ID, o.doubt(doc)))
			}
		}
	}
	return strings.Join(out, "; ")
}

// doubt says why it is not known whether the outcome's rule matches.
func (o *outcome) doubt(doc ast.Object) string {
	if ps := problems(doc, o.rule.Fields); len(ps) > 0 {
		return strings.Join(ps, ", ")
	}
	var paths []string
	for _, ref := range o.rule.Fields {
		if p := ref.Path.String(); !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return "it needs one of " + strings.Join(paths, ", ")
}

// wanted are the fields of the rules that could have allowed this action.
func (l *Layers) wanted(doc ast.Object) []compiler.FieldRef {
	action, ok := doc.Get(ast.InternedTerm("action_type")).Value.(ast.String)
	if !ok {
		return nil
	}
	var refs []compiler.FieldRef
	for _, p := range l.layers {
		if p.YAML == nil {
			continue
		}
		for _, rule := range p.YAML.Rules {
			if rule.Effect == compiler.Allow && slices.ContainsFunc(rule.Actions, func(pattern string) bool {
				return compiler.MatchesAction(pattern, string(action))
			}) {
				refs = append(refs, rule.Fields...)
			}
		}
	}
	return refs
}

var domain = regexp.MustCompile(compiler.DomainForm)

// problem says what is wrong with a field; empty if nothing is.
func problem(doc ast.Object, ref compiler.FieldRef) string {
	v := lookup(doc, ref.Path)
	if v == nil {
		if ref.Type == "domain" {
			return "" // one of several fields; none is needed
		}
		return fmt.Sprintf("%s is missing", ref.Path)
	}
	switch ref.Type {
	case "any":
		return ""
	case "amount":
		if n, ok := v.(ast.Number); ok {
			if i, ok := n.Int64(); ok && i >= 0 {
				return ""
			}
		}
		return fmt.Sprintf("%s must be a whole number of minor units, 0 or more", ref.Path)
	case "nonnegative":
		if n, ok := v.(ast.Number); ok && n.Compare(ast.Number("0")) >= 0 {
			return ""
		}
		return fmt.Sprintf("%s must be a number, 0 or more", ref.Path)
	case "domain":
		if s, ok := v.(ast.String); !ok || !domain.MatchString(string(s)) {
			return fmt.Sprintf("%s must be a domain in ASCII form", ref.Path)
		}
		return ""
	}
	if have := ast.ValueName(v); have != ref.Type { // the names of JSON types are OPA's too
		return fmt.Sprintf("%s must be a %s, not a %s", ref.Path, ref.Type, have)
	}
	return ""
}

// lookup follows a path; nil if something on it is missing.
func lookup(v ast.Value, path compiler.Path) ast.Value {
	for _, segment := range path {
		var next *ast.Term
		switch s := segment.(type) {
		case string:
			if o, ok := v.(ast.Object); ok {
				next = o.Get(ast.InternedTerm(s))
			}
		case int:
			if a, ok := v.(*ast.Array); ok && s < a.Len() {
				next = a.Elem(s)
			}
		}
		if next == nil {
			return nil
		}
		v = next.Value
	}
	return v
}
