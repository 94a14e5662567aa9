package proof

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a JSON text that Canonical accepts.
const (
	MaxBytes = 64 << 10 // bytes of the text as received
	MaxDepth = 32       // objects and arrays inside one another, the outermost included
)

// Canonical returns src in the form of RFC 8785 (JCS). It is strict: an error is an *ActionError
// where src is not one JSON text, exceeds MaxBytes or MaxDepth, repeats a key, is not UTF-8, or
// holds a number whose canonical form would be another number: an integer beyond ±(2^53-1), more
// significant digits than a double holds, or 1e400.
func Canonical(src []byte) ([]byte, error) {
	if len(src) > MaxBytes {
		return nil, &ActionError{Code: TooLarge, Path: "$", Message: "the text is larger than 64 KiB"}
	}
	c := canonicalizer{
		dec: jsontext.NewDecoder(bytes.NewBuffer(src)),
		out: make([]byte, 0, len(src)),
	}
	if err := c.value(); err != nil {
		return nil, c.explain(err)
	}
	if _, err := c.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, &ActionError{Code: TrailingData, Path: "$", Message: "something follows the JSON value"}
	}
	return c.out, nil
}

// ActionHash returns the lower-case hex SHA-256 of the canonical form of action. An approval_token
// beside the action is no part of it and must be taken out first, as ParseAction does.
func ActionHash(action []byte) (string, error) {
	canonical, err := Canonical(action)
	if err != nil {
		return "", err
	}
	return hashOf(canonical), nil
}

func hashOf(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// canonicalizer rewrites one JSON text in a single pass: each value is appended to out in its
// canonical form, and an object's members are put in order once its last one is there.
type canonicalizer struct {
	dec     *jsontext.Decoder
	out     []byte
	members []member // of all open objects; those of the innermost are last
	scratch []byte
}

// member is one "name":value of an object, by its place in out.
type member struct{ start, nameEnd, end int }

func (c *canonicalizer) value() error {
	kind := c.dec.PeekKind()
	if kind == '{' {
		return c.object()
	}
	if kind == '[' {
		return c.array()
	}
	raw, err := c.dec.ReadValue()
	if err != nil {
		return err
	}
	if kind == '"' {
		return c.string(raw)
	}
	if kind == '0' {
		return c.number(raw)
	}
	c.out = append(c.out, raw...) // true, false or null
	return nil
}

func (c *canonicalizer) number(raw []byte) error {
	var exact bool
	if c.out, exact = appendNumber(c.out, raw); !exact {
		return &ActionError{Code: InexactNumber, Message: "the number " + shorten(raw) + " cannot be represented exactly"}
	}
	return nil
}

func (c *canonicalizer) object() error {
	if err := c.open(); err != nil {
		return err
	}
	first := len(c.members)
	sorted := true
	c.out = append(c.out, '{')
	for c.dec.PeekKind() != '}' {
		if len(c.members) > first {
			c.out = append(c.out, ',')
		}
		m := member{start: len(c.out)}
		name, err := c.dec.ReadValue()
		if err != nil {
			return err
		}
		if err := c.string(name); err != nil {
			return err
		}
		m.nameEnd = len(c.out)
		c.out = append(c.out, ':')
		if err := c.value(); err != nil {
			return err
		}
		m.end = len(c.out)
		if n := len(c.members); n > first && c.compare(c.members[n-1], m) > 0 {
			sorted = false
		}
		c.members = append(c.members, m)
	}
	if !sorted {
		c.sort(c.members[first:])
	}
	c.members = c.members[:first]
	c.out = append(c.out, '}')
	_, err := c.dec.ReadToken()
	return err
}

func (c *canonicalizer) array() error {
	if err := c.open(); err != nil {
		return err
	}
	c.out = append(c.out, '[')
	for first := true; c.dec.PeekKind() != ']'; first = false {
		if !first {
			c.out = append(c.out, ',')
		}
		if err := c.value(); err != nil {
			return err
		}
	}
	c.out = append(c.out, ']')
	_, err := c.dec.ReadToken()
	return err
}

// open reads the { or [ that comes next.
func (c *canonicalizer) open() error {
	if _, err := c.dec.ReadToken(); err != nil {
		return err
	}
	if c.dec.StackDepth() > MaxDepth {
		return &ActionError{Code: TooDeep, Message: "the value is nested more than 32 levels deep"}
	}
	return nil
}

// string appends a quoted string in its shortest form. Without escapes it is that already.
func (c *canonicalizer) string(raw []byte) error {
	if bytes.IndexByte(raw, '\\') < 0 {
		c.out = append(c.out, raw...)
		return nil
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return err
	}
	c.out, err = jsontext.AppendQuote(c.out, text)
	return err
}

// sort puts the members of an object, which stand side by side in out, in order of their names.
func (c *canonicalizer) sort(members []member) {
	from := members[0].start
	slices.SortFunc(members, c.compare)
	c.scratch = c.scratch[:0]
	for i, m := range members {
		if i > 0 {
			c.scratch = append(c.scratch, ',')
		}
		c.scratch = append(c.scratch, c.out[m.start:m.end]...)
	}
	copy(c.out[from:], c.scratch)
}

func (c *canonicalizer) compare(a, b member) int {
	return compareUTF16(c.name(a), c.name(b))
}

// name returns the name of a member without quotes and escapes.
func (c *canonicalizer) name(m member) []byte {
	quoted := c.out[m.start:m.nameEnd]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := jsontext.AppendUnquote(nil, quoted) // string wrote it
	return name
}

// compareUTF16 orders two UTF-8 strings by their UTF-16 code units, as RFC 8785 section 3.2.3 wants
// it. That is the order of their bytes, but for characters beyond U+FFFF: as surrogates (from
// U+D800) they stand before U+E000 to U+FFFF.
func compareUTF16(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if xLong, yLong := x >= 0xF0, y >= 0xF0; xLong != yLong && x >= 0xEE && y >= 0xEE {
			return cmp.Compare(y, x)
		}
		return cmp.Compare(x, y)
	}
	return cmp.Compare(len(a), len(b))
}

// explain turns what stopped the canonicalizer into an error with a code and a path.
func (c *canonicalizer) explain(err error) error {
	var syntax *jsontext.SyntacticError
	var ours *ActionError
	switch {
	case errors.As(err, &ours):
		ours.Path = c.path(c.dec.StackPointer())
		return ours
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return &ActionError{Code: DuplicateKey, Path: c.path(syntax.JSONPointer), Message: "the key is given twice"}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &ActionError{Code: InvalidJSON, Path: c.path(c.dec.StackPointer()), Message: "the JSON text ends too early"}
	case errors.As(err, &syntax) && isUnicodeError(syntax.Err):
		return &ActionError{Code: InvalidUTF8, Path: c.path(syntax.JSONPointer), Message: "the text is not valid UTF-8"}
	case errors.As(err, &syntax):
		return &ActionError{Code: InvalidJSON, Path: c.path(syntax.JSONPointer), Message: syntax.Err.Error()}
	}
	return &ActionError{Code: InvalidJSON, Path: "$", Message: err.Error()}
}

// isUnicodeError reports whether jsontext complains of UTF-8 or of half a surrogate pair. It has no
// sentinels for these.
func isUnicodeError(err error) bool {
	text := err.Error()
	return strings.Contains(text, "UTF-8") || strings.Contains(text, "surrogate")
}

// path writes an RFC 6901 pointer as policies do: $.payload.items[0].sku.
func (c *canonicalizer) path(p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteByte('$')
	depth := 1
	for token := range p.Tokens() {
		array := false
		if depth <= c.dec.StackDepth() {
			kind, _ := c.dec.StackIndex(depth)
			array = kind == '['
		}
		depth++
		switch {
		case array:
			b.WriteString("[" + token + "]")
		case isWord(token) && len(token) <= 64:
			b.WriteString("." + token)
		default:
			quoted, err := jsontext.AppendQuote(nil, shorten([]byte(token)))
			if err != nil {
				quoted = []byte(`"?"`)
			}
			b.WriteString("[" + string(quoted) + "]")
		}
		if b.Len() > 256 {
			return b.String() + "…"
		}
	}
	return b.String()
}

// isWord reports whether s is one word of an action type, or a key that may stand in a path without
// quotes.
func isWord(s string) bool { return s != "" && strings.Trim(s, nameBytes) == "" }

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// shorten bounds what an error repeats of its input.
func shorten(text []byte) string {
	if len(text) <= 40 {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:40]), "") + "…"
}
