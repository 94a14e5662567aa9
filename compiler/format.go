package compiler

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Format prints a module that Compile made as Rego, which reads back as the same module. Lists of outcomes
// and budgets take a line for each of their elements.
func Format(m *ast.Module) ([]byte, error) {
	text, err := format.AstWithOpts(m, format.Opts{RegoVersion: ast.RegoV1, IgnoreLocations: true})
	if err != nil {
		return nil, fmt.Errorf("printing Rego: %w", err)
	}
	for _, r := range m.Rules {
		if r.Head.Value == nil || !r.Head.Assign {
			continue
		}
		if list, ok := r.Head.Value.Value.(*ast.Array); ok && list.Len() > 0 {
			define := fmt.Sprintf("\n%s := ", r.Head.Name)
			text = bytes.Replace(text, []byte(define+list.String()+"\n"), []byte(define+onLines(list)+"\n"), 1)
		}
	}
	return escape.ReplaceAllFunc(text, asInJSON), nil
}

func onLines(list *ast.Array) string {
	var b strings.Builder
	b.WriteString("[\n")
	list.Foreach(func(t *ast.Term) { fmt.Fprintf(&b, "\t%s,\n", t) })
	b.WriteByte(']')
	return b.String()
}

// escape is what a backslash begins. In these modules they stand in strings only.
var escape = regexp.MustCompile(`\\(?:x[0-9a-f]{2}|U[0-9a-f]{8}|.)`)

// asInJSON spells an escape as Rego reads it. OPA prints strings as Go does, but reads them as JSON.
func asInJSON(printed []byte) []byte {
	switch printed[1] {
	case 'a', 'v', 'x', 'U':
	default:
		return printed
	}
	c, _, _, err := strconv.UnquoteChar(string(printed), '"')
	if err != nil {
		return printed
	}
	if c <= 0xffff {
		return fmt.Appendf(nil, `\u%04x`, c)
	}
	high, low := utf16.EncodeRune(c)
	return fmt.Appendf(nil, `\u%04x\u%04x`, high, low)
}
