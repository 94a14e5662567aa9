package gui

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// formField is one field of a rule or a budget.
type formField struct {
	Path    []string
	Label   string
	Hint    string
	Example string
	Kind    string     // text, number, list, choice, money (of a rule), limit (of a budget)
	Also    [][]string // further keys that the field shows
	Plain   bool       // the value is written as YAML reads it, not as text
	Choices []choice
	Wide    bool
	More    bool // shown when asked for
}

type choice struct{ Value, Word string }

// Name is the field's name in the form, within its item.
func (f formField) Name() string { return strings.Join(f.Path, ".") }

func at2(path string) []string { return strings.Split(path, ".") }

// ruleFields are what the form shows of a rule.
var ruleFields = []formField{
	{Path: at2("effect"), Label: "Then", Kind: "choice", Choices: []choice{{"allow", "Allow it"}, {"require_approval", "Ask me"},
		{"require_step_up", "Ask me for a code"}, {"require_deposit", "Ask me for a deposit"}, {"deny", "Deny it"}}},
	{Path: at2("action"), Label: "When the agent asks for", Kind: "list", Example: "purchase.*, booking.train", Hint: "purchase.* is everything below purchase, * is anything."},
	{Path: at2("description"), Label: "In your words", Kind: "text", Wide: true, Example: "You read this when the rule asks you."},
	{Path: at2("constraints.amount_min"), Label: "Amount from", Kind: "money", Example: "10.00 EUR"},
	{Path: at2("constraints.amount_max"), Label: "Amount up to", Kind: "money", Example: "50.00 EUR"},
	{Path: at2("constraints.currency"), Label: "Currencies", Kind: "list", Example: "USD, EUR"},
	{Path: at2("constraints.merchant_domain"), Label: "Only these shops", Kind: "list", Example: "shop.example, *.shop.example"},
	{Path: at2("constraints.allowed_domains"), Label: "Only these domains", Kind: "list", More: true},
	{Path: at2("constraints.blocked_domains"), Label: "Not these domains", Kind: "list", More: true},
	{Path: at2("constraints.schedule.days"), Label: "On these days", Kind: "list", More: true, Example: "mon, tue, wed, thu, fri, sat, sun"},
	{Path: at2("constraints.schedule.hours"), Label: "Between", Kind: "text", More: true, Example: "09:00-17:00"},
	{Path: at2("constraints.schedule.timezone"), Label: "In the time zone", Kind: "text", More: true, Example: "Europe/Amsterdam"},
	{Path: at2("requirements.min_assurance_level"), Label: "Identity must be sure", Kind: "choice", More: true, Choices: []choice{{"", "As it is"}, {"LOW", "Low"}, {"SUBSTANTIAL", "Substantial: a code"}, {"HIGH", "High"}}},
	{Path: at2("proof.required"), Label: "Proof", Kind: "choice", Plain: true, More: true, Choices: []choice{{"", "Yes"}, {"true", "Yes"}, {"false", "None"}}, Hint: "What the agent shows to the other side."},
	{Path: at2("proof.redeem"), Label: "The other side checks it", Kind: "choice", More: true, Choices: []choice{{"", "Offline or online"}, {"required", "Online, once"}}},
	{Path: at2("proof.ttl_seconds"), Label: "Lifetime of the proof, in seconds", Kind: "number", More: true, Hint: "Up to 3600; the server’s default is 120."},
	{Path: at2("id"), Label: "Id", Kind: "text", More: true, Hint: "How the log names this rule."},
}

// budgetFields are what the form shows of a budget.
var budgetFields = []formField{
	{Path: at2("id"), Label: "Name", Kind: "text", Example: "daily_spend"},
	{Path: at2("limit"), Label: "Limit", Kind: "limit", Also: [][]string{budgetMeasure, budgetCurrency}, Example: "500.00 EUR", Hint: "An amount, or a number of actions, such as 20 actions."},
	{Path: at2("window"), Label: "In each", Kind: "text", Hint: "day, week, month, year, lifetime, or a stretch such as 90m, 24h, 30d."},
	{Path: at2("per"), Label: "For", Kind: "choice", Choices: []choice{{"", "Each agent"}, {"agent", "Each agent"}, {"group", "Each group"}, {"owner", "All agents together"}}},
	{Path: at2("actions"), Label: "Which actions it counts", Kind: "list", Example: "everything"},
	{Path: at2("on_exceed"), Label: "When it is used up", Kind: "choice", Choices: []choice{{"", "Deny"}, {"deny", "Deny"}, {"require_approval", "Ask me"}}},
	{Path: at2("alert_at"), Label: "Tell me at, percent", Kind: "list", More: true, Example: "80, 100"},
	{Path: at2("timezone"), Label: "Time zone", Kind: "text", More: true, Example: "Europe/Amsterdam"},
	{Path: at2("week_starts"), Label: "A week starts on", Kind: "text", More: true, Example: "monday"},
	{Path: at2("amount"), Label: "Field with the amount", Kind: "text", More: true, Example: "$.payload.amount_minor"},
	{Path: at2("settle_by"), Label: "Who may lower a charge", Kind: "list", More: true, Example: "owner, gateway, counterparty", Hint: "If you add agent, the agent can give itself the budget back."},
	{Path: at2("renamed_from"), Label: "Former name", Kind: "text", More: true, Hint: "What was spent under the former name still counts."},
}

// read says what a field holds. shown is false if the form cannot say it.
func (f formField) read(item *yaml.Node) (value string, shown bool) {
	switch f.Kind {
	case "money":
		return readMoney(item, f.Path)
	case "limit":
		return readLimit(item)
	}
	n := look(item, f.Path)
	switch {
	case n == nil:
		return "", true
	case n.Kind == yaml.ScalarNode:
		if f.Kind == "choice" {
			return f.choose(n.Value)
		}
		return n.Value, !strings.Contains(n.Value, "\n")
	case n.Kind == yaml.SequenceNode && f.Kind == "list":
		var words []string
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode || strings.ContainsAny(c.Value, ",\n") {
				return "", false
			}
			words = append(words, c.Value)
		}
		return strings.Join(words, ", "), true
	}
	return "", false
}

func (f formField) choose(value string) (string, bool) {
	for _, c := range f.Choices {
		if strings.EqualFold(c.Value, value) {
			return c.Value, true
		}
	}
	return "", false
}

// write puts a value into an item, in the form in which the item has it. The error says what is wrong with the value.
func (f formField) write(item *yaml.Node, value string) error {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		set(item, f.Path, nil)
		return nil
	case f.Kind == "money":
		return writeMoney(item, f.Path, value)
	case f.Kind == "limit":
		return writeLimit(item, value)
	case f.Kind != "list":
		set(item, f.Path, f.scalar(value))
		return nil
	}
	words := splitList(value)
	if old := look(item, f.Path); len(words) == 1 && f.Name() == "action" && (old == nil || old.Kind == yaml.ScalarNode) {
		set(item, f.Path, f.scalar(words[0]))
		return nil
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, w := range words {
		list.Content = append(list.Content, f.scalar(w))
	}
	set(item, f.Path, list)
	return nil
}

// scalar is a value as YAML: what is to be a number stays as it was typed, other words are text.
func (f formField) scalar(value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	if f.Kind == "number" || f.Plain || f.Name() == "alert_at" {
		return n
	}
	n.SetString(value)
	if strings.ContainsAny(value, "*$") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func splitList(s string) []string {
	var out []string
	for _, w := range strings.Split(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// unshown prints what an item says beyond the fields of the form and its conditions.
func unshown(item *yaml.Node, fields []formField, conditions bool) string {
	rest := clone(item)
	for _, f := range fields {
		if _, shown := f.read(item); !shown {
			continue
		}
		for _, path := range append([][]string{f.Path}, f.Also...) {
			set(rest, path, nil)
		}
	}
	if conditions {
		set(rest, []string{"conditions"}, nil)
	}
	if len(rest.Content) == 0 {
		return ""
	}
	text, err := yaml.Marshal(rest)
	if err != nil {
		return ""
	}
	return string(text)
}

func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = slices.Clone(n.Content)
	for i, inner := range c.Content {
		c.Content[i] = clone(inner)
	}
	return &c
}

// conditionRow is one condition: a field, an operator and a value as YAML.
type conditionRow struct{ Field, Operator, Value string }

var operators = []choice{{"eq", "is"}, {"neq", "is not"}, {"in", "is one of"}, {"nin", "is none of"}, {"lt", "is less than"},
	{"lte", "is at most"}, {"gt", "is more than"}, {"gte", "is at least"}, {"regex", "matches the pattern"}, {"exists", "is given (true or false)"}}

// conditions reads the conditions of a rule. shown is false if the form cannot say them.
func conditions(item *yaml.Node) (rows []conditionRow, shown bool) {
	list := look(item, []string{"conditions"})
	if list == nil {
		return nil, true
	}
	if list.Kind != yaml.SequenceNode {
		return nil, false
	}
	for _, n := range list.Content {
		field, operator, value := look(n, []string{"field"}), look(n, []string{"operator"}), look(n, []string{"value"})
		if field == nil || operator == nil || len(n.Content) > 6 {
			return nil, false
		}
		row := conditionRow{Field: field.Value, Operator: strings.ToLower(operator.Value)}
		if value != nil {
			text, ok := flow(value)
			if !ok {
				return nil, false
			}
			row.Value = text
		}
		rows = append(rows, row)
	}
	return rows, true
}

// flow prints a scalar or a list of scalars on one line, as YAML; a list without its brackets.
func flow(n *yaml.Node) (string, bool) {
	if n.Kind == yaml.SequenceNode {
		var words []string
		for _, c := range n.Content {
			text, ok := flow(c)
			if !ok || c.Kind != yaml.ScalarNode || strings.Contains(text, ",") {
				return "", false
			}
			words = append(words, text)
		}
		return strings.Join(words, ", "), true
	}
	if n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "\n") {
		return "", false
	}
	plain := yaml.Node{Kind: yaml.ScalarNode, Tag: n.Tag, Value: n.Value}
	text, err := yaml.Marshal(&plain)
	return strings.TrimSpace(string(text)), err == nil
}

// writeConditions replaces the conditions of a rule.
func writeConditions(item *yaml.Node, rows []conditionRow) {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, r := range rows {
		if r.Field == "" {
			continue
		}
		row := &yaml.Node{Kind: yaml.MappingNode}
		set(row, []string{"field"}, textNode(r.Field))
		set(row, []string{"operator"}, textNode(r.Operator))
		if r.Operator == "in" || r.Operator == "nin" {
			values := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
			for _, w := range splitList(r.Value) {
				values.Content = append(values.Content, valueNode(w))
			}
			set(row, []string{"value"}, values)
		} else {
			set(row, []string{"value"}, valueNode(r.Value))
		}
		list.Content = append(list.Content, row)
	}
	if len(list.Content) == 0 {
		list = nil
	}
	set(item, []string{"conditions"}, list)
}

func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// valueNode reads a value as YAML does: 5 is a number, "5" and five are texts.
func valueNode(s string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s), &doc); err == nil && len(doc.Content) == 1 && doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].LineComment == "" && doc.Content[0].HeadComment == "" {
		return doc.Content[0]
	}
	return textNode(s)
}
