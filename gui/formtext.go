package gui

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// errNoForm says that a text cannot be shown as a form, though it may be a good policy.
var errNoForm = errors.New("this text is written in a way that the form cannot show; edit it as text")

// listing is a list of a policy's text, cut into its items. What the form does not change stays byte
// for byte as its owner wrote it.
type listing struct {
	before, after string
	indent        string
	items         []listItem
}

// listItem is one rule or budget: its own lines, and the comments and blank lines before them.
type listItem struct {
	lead, body string
}

func (l listing) String() string {
	var b strings.Builder
	b.WriteString(l.before)
	for _, it := range l.items {
		b.WriteString(it.lead)
		b.WriteString(it.body)
		if !strings.HasSuffix(it.body, "\n") {
			b.WriteByte('\n')
		}
	}
	b.WriteString(l.after)
	return b.String()
}

// root parses a text into its top-level mapping.
func root(text string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) != 1 {
		return nil, errNoForm
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode || top.Style&yaml.FlowStyle != 0 {
		return nil, errNoForm
	}
	return top, nil
}

// cut finds the items of a list. A key that is not there is an empty list at the end of the text.
func cut(text, key string) (listing, error) {
	top, err := root(text)
	if err != nil {
		return listing{}, err
	}
	lines := strings.SplitAfter(text, "\n")
	list, end := member(top, key, len(lines))
	if list == nil {
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return listing{before: text + "\n" + key + ":\n", indent: "  "}, nil
	}
	if list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 || len(list.Content) == 0 {
		return listing{}, errNoForm
	}
	var starts []int
	for _, n := range list.Content {
		line := lines[n.Line-1]
		if n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle != 0 || !strings.HasPrefix(strings.TrimLeft(line, " "), "- ") {
			return listing{}, errNoForm
		}
		starts = append(starts, n.Line-1)
	}
	first := lines[starts[0]]
	out := listing{indent: first[:len(first)-len(strings.TrimLeft(first, " "))]}
	stop := leadOf(lines, starts[len(starts)-1], end, out.indent)
	out.after = strings.Join(lines[stop:], "")
	from := leadOf(lines, top.Content[indexKey(top, key)].Line-1, starts[0], out.indent)
	out.before = strings.Join(lines[:from], "")
	for i, start := range starts {
		next := stop
		if i+1 < len(starts) {
			next = leadOf(lines, start, starts[i+1], out.indent)
		}
		out.items = append(out.items, listItem{strings.Join(lines[from:start], ""), strings.Join(lines[start:next], "")})
		from = next
	}
	return out, nil
}

// member finds the value of a key, and the line on which the next key begins, from 0.
func member(top *yaml.Node, key string, lines int) (*yaml.Node, int) {
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value != key {
			continue
		}
		if i+2 < len(top.Content) {
			return top.Content[i+1], top.Content[i+2].Line - 1
		}
		return top.Content[i+1], lines
	}
	return nil, lines
}

// leadOf goes back from a line over the blank lines and comments that stand before it and are not
// within the item above.
func leadOf(lines []string, above, at int, indent string) int {
	for at > above+1 {
		line := strings.TrimRight(lines[at-1], "\r\n")
		text := strings.TrimLeft(line, " ")
		if text != "" && (!strings.HasPrefix(text, "#") || len(line)-len(text) > len(indent)) {
			break
		}
		at--
	}
	return at
}

// node parses the lines of an item into its mapping.
func (l listing) node(it listItem) (*yaml.Node, error) {
	var b strings.Builder
	for line := range strings.Lines(it.body) {
		b.WriteString(strings.TrimPrefix(line, l.indent))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(b.String()), &doc); err != nil || len(doc.Content) != 1 || len(doc.Content[0].Content) != 1 {
		return nil, errNoForm
	}
	return doc.Content[0].Content[0], nil
}

// body prints a mapping as the lines of an item.
func (l listing) body(n *yaml.Node) (string, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{n}}); err != nil {
		return "", fmt.Errorf("printing YAML: %w", err)
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(l.indent)
		}
		out.WriteString(line)
	}
	return out.String(), nil
}

// look finds the node at a path of keys; nil if it is not there.
func look(n *yaml.Node, path []string) *yaml.Node {
	for _, key := range path {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		n, _ = member(n, key, 0)
	}
	return n
}

// set puts a node at a path, making the mappings on the way; nil takes what is there out, and the
// mappings that it leaves empty.
func set(n *yaml.Node, path []string, value *yaml.Node) {
	key := path[0] //nolint:gosec // G602: a path has at least one key
	i := indexKey(n, key)
	if len(path) > 1 {
		if i < 0 && value == nil {
			return
		}
		if i < 0 {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.MappingNode})
			i = len(n.Content) - 2
		}
		inner := look(n, path[:1])
		if inner.Kind != yaml.MappingNode {
			return // the form does not show it, and leaves it alone
		}
		if set(inner, path[1:], value); len(inner.Content) == 0 {
			n.Content = slices.Delete(n.Content, i, i+2)
		}
		return
	}
	switch {
	case value == nil && i >= 0:
		n.Content = slices.Delete(n.Content, i, i+2)
	case value == nil:
	case i >= 0:
		old := look(n, path)
		value.LineComment = old.LineComment
		*old = *value
	default:
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
	}
}

func indexKey(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}
