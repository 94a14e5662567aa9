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
	var problems []string
	for _, ref := range refs {
		if p := problem(doc, ref); p != "" && !slices.Contains(problems, p) && len(problems) < maxExplained {
			problems = append(problems, p)
		}
	}
	return strings.Join(problems, ", ")
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
