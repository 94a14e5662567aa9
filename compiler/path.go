package compiler

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Path leads to a field of the action request. A segment is a member name (string) or an index of a
// list (int).
type Path []any

// String spells a path as policies do: $.payload.items[0].sku.
func (p Path) String() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range p {
		switch s := s.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		case string:
			b.WriteByte('.')
			b.WriteString(s)
		}
	}
	return b.String()
}

// roots are the fields of an action request, and the budgets beside them.
var roots = []string{"action_id", "action_type", "requested_at", "principal", "subject", "resource",
	"relying_party", "payload", "context", "budgets"}

var (
	member = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*`)
	index  = regexp.MustCompile(`^\[(0|[1-9][0-9]{0,3})\]`)
)

const maxPath = 256 // bytes

// parsePath reads $.a.b[0]. context is another name for payload.
func parsePath(text string) (Path, error) {
	if len(text) > maxPath {
		return nil, fmt.Errorf("a path is at most %d bytes", maxPath)
	}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, fmt.Errorf("a path begins with $, such as $.payload.amount")
	}
	var path Path
	for rest != "" {
		if m := index.FindStringSubmatch(rest); m != nil && len(path) > 0 {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, err
			}
			path, rest = append(path, n), rest[len(m[0]):]
			continue
		}
		name := member.FindString(strings.TrimPrefix(rest, "."))
		if name == "" || rest[0] != '.' {
			return nil, fmt.Errorf("%q is no path; write $.payload.items[0].sku", text)
		}
		path, rest = append(path, name), rest[1+len(name):]
	}
	if len(path) == 0 {
		return nil, fmt.Errorf("the path names no field; write $.payload.amount")
	}
	return path.normal(text)
}

// normal checks the first segment and calls payload by its one name.
func (p Path) normal(text string) (Path, error) {
	root, _ := p[0].(string)
	if !slices.Contains(roots, root) {
		return nil, &unknownWord{what: "field", word: root, known: roots, text: text}
	}
	if root == "context" {
		p[0] = "payload"
	}
	return p, nil
}
