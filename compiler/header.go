package compiler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

var errNotLines = errors.New("the policy is not written as keys on lines of their own; edit its text instead")

// SetHeader edits top-level keys in the text of a policy and leaves the rest of it as it is: comments,
// the order of keys, and how lines end. A nil value removes a key; other values must encode to JSON. New
// keys come before all others, in alphabetical order. What comes out is read again, and is an error if
// it does not say what was asked for.
func SetHeader(src []byte, edits map[string]any) ([]byte, error) {
	root, err := keys(src)
	if err != nil {
		return nil, err
	}
	text := header{lines: bytes.SplitAfter(src, []byte("\n")), ending: "\n", root: root}
	if bytes.Contains(src, []byte("\r\n")) {
		text.ending = "\r\n"
	}
	if n := len(root.Content); n < 2 || root.Content[n-2].Line > len(text.lines) {
		return nil, errNotLines // YAML knows ends of lines that nobody else does
	}
	at := text.insertion()
	for _, key := range slices.Sorted(maps.Keys(edits)) {
		if err := text.set(key, edits[key]); err != nil {
			return nil, err
		}
	}
	out := slices.Concat(bytes.Join(text.lines[:at], nil), text.added, bytes.Join(text.lines[at:], nil))
	if err := confirm(root, out, edits); err != nil {
		return nil, err
	}
	return out, nil
}

// keys are the top-level keys and values of a policy.
func keys(src []byte) (*yaml.Node, error) {
	r := &reader{}
	root := r.document(src)
	switch {
	case root == nil:
		return nil, r.ds.Err()
	case root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0:
		return nil, errNotLines
	}
	return root, nil
}

// header is the text of a policy in the making.
type header struct {
	root   *yaml.Node
	lines  [][]byte
	ending string // of a line
	added  []byte // before the first key
}

// insertion is the line before which new keys come: that of the first key, or of the comment right above
// it, unless that comment is the head of the file.
func (h *header) insertion() int {
	first := h.root.Line - 1
	above := first
	for above > 0 && bytes.HasPrefix(bytes.TrimSpace(h.lines[above-1]), []byte("#")) {
		above--
	}
	if above == 0 || len(bytes.TrimSpace(h.lines[above-1])) > 0 {
		return first
	}
	return above
}

func (h *header) set(key string, value any) error {
	var line []byte
	start, end, old := h.span(key)
	if value != nil {
		raw, err := asJSON(value)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", key, err)
		}
		line = fmt.Appendf(nil, "%s%s: %s", strings.Repeat(" ", h.root.Column-1), key, raw)
		if old != nil {
			line = append(line, comment(h.lines[start], key, old, start)...)
		}
		line = append(line, h.ending...)
	}
	if old == nil {
		h.added = append(h.added, line...)
		return nil
	}
	clear(h.lines[start:end])
	h.lines[start] = line
	return nil
}

// comment is what stands behind a value, or behind a key whose value begins on a later line.
func comment(line []byte, key string, value *yaml.Node, at int) string {
	if value.LineComment != "" {
		return " " + value.LineComment
	}
	_, rest, _ := bytes.Cut(line, []byte(key))
	if i := bytes.IndexByte(rest, '#'); i >= 0 && value.Line-1 > at {
		return " " + string(bytes.TrimSpace(rest[i:]))
	}
	return ""
}

// asJSON is a value as JSON, which is YAML too, on one line, with & and < as they are.
func asJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSpace(b.Bytes()), err
}

// span returns the lines [start, end) of a key and its value; the value is nil if there is no such key.
// Comments before the next key are the next one's.
func (h *header) span(key string) (start, end int, value *yaml.Node) {
	content := h.root.Content
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value != key {
			continue
		}
		start, end, value = content[i].Line-1, len(h.lines), content[i+1]
		if i+2 < len(content) {
			end = content[i+2].Line - 1
		}
		for end > start+1 && h.between(h.lines[end-1], value) {
			end--
		}
		return start, end, value
	}
	return 0, 0, nil
}

// between says that a line after a value is not part of it.
func (h *header) between(line []byte, value *yaml.Node) bool {
	text := bytes.TrimSpace(line)
	if bytes.HasPrefix(text, []byte("#")) {
		inBlock := value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && bytes.IndexByte(line, '#') >= h.root.Column
		return !inBlock
	}
	return len(text) == 0 || bytes.Equal(text, []byte("..."))
}

// confirm reads the edited text and holds it against what it was made from.
func confirm(before *yaml.Node, text []byte, edits map[string]any) error {
	after, err := keys(text)
	if err != nil {
		return fmt.Errorf("reading the edited policy: %w", err)
	}
	want, have := values(before), values(after)
	for key, value := range edits {
		delete(want, key)
		if value == nil {
			continue
		}
		raw, err := asJSON(value)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", key, err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			return fmt.Errorf("encoding %s: %w", key, err)
		}
		want[key] = doc.Content[0]
	}
	if !maps.EqualFunc(want, have, sameValue) {
		return errNotLines
	}
	return nil
}

func values(root *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		out[root.Content[i].Value] = root.Content[i+1]
	}
	return out
}

func sameValue(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.ShortTag() == b.ShortTag() && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, sameValue)
}
