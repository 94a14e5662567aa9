package rego

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// decodeObject builds OPA's values from a JSON object, as its members, in one pass and without copies
// between. Numbers keep their text. What it is given was checked when the request was parsed, so it
// checks no more than it needs to be safe.
func decodeObject(src []byte) ([][2]*ast.Term, error) {
	d := &decoder{src: src}
	if d.next() != '{' {
		return nil, errors.New("it is no object")
	}
	members, err := d.members(0)
	if err == nil && len(bytes.TrimSpace(d.src)) > 0 {
		err = errors.New("there is more than one value")
	}
	return members, err
}

type decoder struct{ src []byte }

var errMalformed = errors.New("malformed JSON")

func (d *decoder) value(depth int) (ast.Value, error) {
	if depth > compiler.MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", compiler.MaxDepth)
	}
	switch c := d.next(); {
	case c == '{':
		members, err := d.members(depth)
		return ast.NewObject(members...), err
	case c == '[':
		return d.array(depth)
	case c == '"':
		s, err := d.text()
		return ast.String(s), err
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	for _, w := range words {
		if rest, ok := bytes.CutPrefix(d.src, w.text); ok {
			d.src = rest
			return w.value, nil
		}
	}
	return nil, errMalformed
}

var words = []struct {
	text  []byte
	value ast.Value
}{{[]byte("true"), ast.Boolean(true)}, {[]byte("false"), ast.Boolean(false)}, {[]byte("null"), ast.NullValue}}

// next skips white space and returns the byte behind it, 0 at the end.
func (d *decoder) next() byte {
	for len(d.src) > 0 {
		switch c := d.src[0]; c {
		case ' ', '\t', '\r', '\n':
			d.src = d.src[1:]
		default:
			return c
		}
	}
	return 0
}

// take skips one byte if it is the one that is wanted.
func (d *decoder) take(want byte) bool {
	if d.next() != want {
		return false
	}
	d.src = d.src[1:]
	return true
}

func (d *decoder) text() (string, error) {
	rest := d.src[1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return "", errMalformed
	}
	if bytes.IndexByte(rest[:end], '\\') < 0 {
		d.src = rest[end+1:]
		return string(rest[:end]), nil
	}
	for end = 0; end < len(rest) && rest[end] != '"'; end++ {
		if rest[end] == '\\' {
			end++
		}
	}
	if end >= len(rest) {
		return "", errMalformed
	}
	var s string
	err := json.Unmarshal(d.src[:end+2], &s)
	d.src = rest[end+1:]
	return s, err
}

func (d *decoder) number() (ast.Value, error) {
	end := 0
	for end < len(d.src) && strings.IndexByte("+-.0123456789eE", d.src[end]) >= 0 {
		end++
	}
	n := json.Number(d.src[:end])
	d.src = d.src[end:]
	return ast.Number(n), nil
}

func (d *decoder) array(depth int) (ast.Value, error) {
	d.src = d.src[1:]
	var terms []*ast.Term
	for !d.take(']') {
		if len(terms) > 0 && !d.take(',') {
			return nil, errMalformed
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		terms = append(terms, ast.NewTerm(v))
	}
	return ast.NewArray(terms...), nil
}

// names are the terms of the names that most actions have, so that they are not made each time.
var names = func() map[string]*ast.Term {
	out := map[string]*ast.Term{}
	for _, name := range []string{
		"action_id", "action_type", "requested_at", "principal", "agent_id", "subject", "principal_id", "payload",
		"resource", "resource_id", "resource_type", "relying_party", "rp_id", "domain", "trust_profile",
		"amount", "amount_minor", "currency", "merchant_domain", "category", "description",
		"agent", "owner", "now", "now_ns", "action_patterns", "assurance_level", "budgets", "id", "type", "groups",
	} {
		out[name] = ast.StringTerm(name)
	}
	return out
}()

// name reads the name of a member.
func (d *decoder) name() (*ast.Term, error) {
	if end := bytes.IndexByte(d.src[1:], '"'); end >= 0 {
		if known := names[string(d.src[1:end+1])]; known != nil {
			d.src = d.src[end+2:]
			return known, nil
		}
	}
	name, err := d.text()
	return ast.StringTerm(name), err
}

// members reads an object, with room for a few more.
func (d *decoder) members(depth int) ([][2]*ast.Term, error) {
	d.src = d.src[1:]
	members := make([][2]*ast.Term, 0, 14)
	for !d.take('}') {
		if len(members) > 0 && !d.take(',') {
			return nil, errMalformed
		}
		if d.next() != '"' {
			return nil, errMalformed
		}
		name, err := d.name()
		if err != nil || !d.take(':') {
			return nil, errMalformed
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		members = append(members, [2]*ast.Term{name, ast.NewTerm(v)})
	}
	return members, nil
}
