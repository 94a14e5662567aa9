package compiler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// SetHeader edits top-level keys in the text of a policy and leaves the rest of it as it is, comments
// and formatting included. A nil value removes a key; other values must encode to JSON. New keys come
// before all others.
func SetHeader(src []byte, edits map[string]any) ([]byte, error) {
	r := &reader{}
	root := r.document(src)
	if root == nil || root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0 {
		if err := r.ds.Err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("the policy is not written as keys on lines of their own")
	}
	lines := bytes.SplitAfter(src, []byte("\n"))
	for _, key := range slices.Sorted(maps.Keys(edits)) {
		text, err := headerLine(key, edits[key])
		if err != nil {
			return nil, err
		}
		start, end, found := span(root, key, len(lines))
		switch {
		case found:
			end = beforeComments(lines, start, end)
			for i := start; i < end; i++ {
				lines[i] = nil
			}
			lines[start] = text
		case text != nil:
			at := root.Content[0].Line - 1
			lines[at] = append(text, lines[at]...)
		}
	}
	return bytes.Join(lines, nil), nil
}

func headerLine(key string, value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	raw, err := json.Marshal(value) // JSON is YAML
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", key, err)
	}
	return fmt.Appendf(nil, "%s: %s\n", key, raw), nil
}

// span returns the lines [start, end) from a key to the next one.
func span(root *yaml.Node, key string, lines int) (start, end int, found bool) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if found {
			return start, root.Content[i].Line - 1, true
		}
		if root.Content[i].Value == key {
			start, end, found = root.Content[i].Line-1, lines, true
		}
	}
	return start, end, found
}

// beforeComments leaves the blank lines and comments before the next key to it.
func beforeComments(lines [][]byte, start, end int) int {
	for end > start+1 {
		line := bytes.TrimSpace(lines[end-1])
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("...")) {
			break
		}
		end--
	}
	return end
}
