package compiler

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"
)

// SetRenamedFrom writes former ids into the text of a YAML policy and leaves the rest of it as it is: policy is that
// of the policy, empty to leave it, and budgets are those of budgets, by their ids. What comes out is read again, and
// is an error if it does not say what was asked for.
func SetRenamedFrom(src []byte, policy string, budgets map[string]string) ([]byte, error) {
	out := src
	for id, from := range budgets {
		var err error
		if out, err = setRenamedBudget(out, id, from); err != nil {
			return nil, err
		}
	}
	if policy != "" {
		return SetHeader(out, map[string]any{"renamed_from": policy})
	}
	return out, nil
}

// setRenamedBudget writes the key behind the id of one budget: in the same line if the budget is in flow style, and in
// a line of its own otherwise.
func setRenamedBudget(src []byte, id, from string) ([]byte, error) {
	root, err := keys(src)
	if err != nil {
		return nil, err
	}
	budget, key, value := budgetNode(root, id)
	lines := bytes.SplitAfter(src, []byte("\n"))
	if budget == nil || value.Line > len(lines) {
		return nil, errNotLines
	}
	line := []rune(string(lines[value.Line-1]))
	if budget.Style&yaml.FlowStyle != 0 {
		end := value.Column - 1 + len(value.Value)
		if value.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			end += 2
		}
		if end > len(line) {
			return nil, errNotLines
		}
		lines[value.Line-1] = []byte(string(line[:end]) + ", renamed_from: " + from + string(line[end:]))
	} else {
		ending := "\n"
		if bytes.Contains(src, []byte("\r\n")) {
			ending = "\r\n"
		}
		text := strings.TrimRight(string(line), "\r\n")
		lines[value.Line-1] = []byte(text + ending + strings.Repeat(" ", key.Column-1) + "renamed_from: " + from + ending)
	}
	out := bytes.Join(lines, nil)
	before, _ := Parse("policy.yaml", src)
	after, ds := Parse("policy.yaml", out)
	if before == nil || after == nil {
		return nil, ds.Err()
	}
	for i, b := range after.Budgets {
		want := before.Budgets[i].RenamedFrom
		if b.ID == id {
			want = from
		}
		if b.ID != before.Budgets[i].ID || b.RenamedFrom != want {
			return nil, errNotLines
		}
	}
	return out, nil
}

// budgetNode finds a budget without a former id, and the key and value of its id.
func budgetNode(root *yaml.Node, id string) (budget, key, value *yaml.Node) {
	list := values(root)["budgets"]
	if list == nil {
		return nil, nil, nil
	}
	for _, n := range list.Content {
		if n.Kind != yaml.MappingNode || values(n)["renamed_from"] != nil {
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "id" && n.Content[i+1].Value == id {
				return n, n.Content[i], n.Content[i+1]
			}
		}
	}
	return nil, nil, nil
}
