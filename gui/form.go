package gui

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// formView is a policy as a form. Its text is its state: every step of the form edits the text, and the
// form is read from it again.
type formView struct {
	editView
	Header    headerFields
	Rules     []formItem
	Budgets   []formItem
	Operators []choice
	Agents    []string // to choose from
	Plain     bool     // it cannot be shown as a form
}

// headerFields are what a policy says of itself.
type headerFields struct {
	Name, Description, Agents, Groups, Default string
	Enabled, Guardrail                         bool
}

// formItem is a rule or a budget in the form.
type formItem struct {
	List    string // rule or budget
	Index   int
	Title   string
	Effect  string
	Fields  []filled
	Rows    []conditionRow
	HasRows bool   // the form shows its conditions
	Unshown string // YAML that it leaves alone
	First   bool
	Last    bool
}

// prefix begins the names of an item's fields in the form.
func (i formItem) prefix() string { return i.List + "." + strconv.Itoa(i.Index) + "." }

// filled is a field with what it holds.
type filled struct {
	formField
	ID, Value string
	Shown     bool
	Problem   string // with the value, which was typed and is not in the text
}

// refused are the values that cannot be in the text, by the names of their fields.
type refused map[string]filled

func (r refused) Error() string { return "some values cannot be read; they are marked below" }

// problems are what is wrong with the values, in order.
func (r refused) problems() []leash.Problem {
	var out []leash.Problem
	for _, id := range slices.Sorted(maps.Keys(r)) {
		out = append(out, leash.Problem{Severity: "error", Message: r[id].Label + ": " + r[id].Problem})
	}
	return out
}

// in adds the problems to those of the text.
func (r refused) in(c leash.PolicyCheck) leash.PolicyCheck {
	c.Valid = c.Valid && len(r) == 0
	c.Problems = append(r.problems(), c.Problems...)
	return c
}

// mark shows the refused values in their fields, as they were typed.
func (r refused) mark(items []formItem) {
	for _, item := range items {
		for i := range item.Fields {
			if bad, ok := r[item.Fields[i].ID]; ok {
				item.Fields[i].Value, item.Fields[i].Problem = bad.Value, bad.Problem
			}
		}
	}
}

func formPage(v *visit) error {
	e := editView{New: true, Name: "New policy"}
	if id := v.query("policy"); id != "" {
		p, err := v.svc.Policy(v.ctx(), v.caller, id)
		if err != nil {
			return err
		}
		if p.ReadOnly {
			return v.redirect("/gui/policies/"+url.PathEscape(p.ID), "") // which says why
		}
		e = editView{ID: p.ID, Name: cmp.Or(p.Name, p.ID), Text: p.Text, Base: p.Text}
	} else if text, ok := startingText(cmp.Or(v.query("starter"), "blank")); ok {
		e.Text = text
	} else {
		return &leash.Error{Code: leash.NotFound, Message: "there is no such policy to begin with"}
	}
	return v.showForm(http.StatusOK, e)
}

func (v *visit) showForm(status int, e editView) error {
	out, err := v.formOf(e)
	if err != nil {
		return err
	}
	if v.fragment() {
		return v.part("form", "builder", out)
	}
	return v.render(status, "form", e.Name, out)
}

// formOf reads the text into the form.
func (v *visit) formOf(e editView) (formView, error) {
	out := formView{editView: e, Operators: operators}
	var err error
	if out.Check, err = v.svc.ValidatePolicy(v.ctx(), v.caller, e.Text); err != nil && leash.CodeOf(err) != leash.InvalidPolicy {
		return out, err
	}
	out.Plain = errors.Is(out.read(e.Text), errNoForm)
	e.Refused.mark(out.Rules)
	e.Refused.mark(out.Budgets)
	out.Check = e.Refused.in(out.Check)
	agents, err := v.svc.Agents(v.ctx(), v.caller, leash.AgentQuery{Status: store.Active, Limit: 50})
	for _, a := range agents.Items {
		out.Agents = append(out.Agents, a.AgentID)
	}
	return out, err
}

// read takes the fields out of the text, or says that it has no form.
func (f *formView) read(text string) error {
	top, err := root(text)
	if err != nil {
		return err
	}
	f.Header = readHeader(top)
	for list, into := range map[string]*[]formItem{"rules": &f.Rules, "budgets": &f.Budgets} {
		cutting, err := cut(text, list)
		if err != nil {
			return err
		}
		for i, it := range cutting.items {
			n, err := cutting.node(it)
			if err != nil {
				return err
			}
			*into = append(*into, readItem(strings.TrimSuffix(list, "s"), i, len(cutting.items), n))
		}
	}
	return nil
}

func readHeader(top *yaml.Node) headerFields {
	text := func(path string) string {
		value, _ := formField{Path: at2(path), Kind: "list"}.read(top)
		return value
	}
	return headerFields{Name: text("name"), Description: text("description"), Agents: text("applies_to.agents"),
		Groups: text("applies_to.groups"), Default: strings.ToLower(text("default")), Enabled: text("enabled") != "false",
		Guardrail: text("guardrail") == "true"}
}

func readItem(list string, i, count int, n *yaml.Node) formItem {
	out := formItem{List: list, Index: i, First: i == 0, Last: i == count-1}
	fields := ruleFields
	if list == "budget" {
		fields = budgetFields
	} else {
		out.Rows, out.HasRows = conditions(n)
	}
	for _, f := range fields {
		value, shown := f.read(n)
		out.Fields = append(out.Fields, filled{formField: f, ID: out.prefix() + f.Name(), Value: value, Shown: shown})
		switch f.Name() {
		case "id":
			out.Title = cmp.Or(out.Title, value)
		case "description":
			out.Title = cmp.Or(value, out.Title)
		case "effect":
			out.Effect = value
		}
	}
	out.Title = cmp.Or(out.Title, "Rule "+strconv.Itoa(i+1))
	out.Unshown = unshown(n, fields, out.HasRows)
	return out
}

// editForm takes the form: it writes what changed into the text, does what the button says, and shows
// the form anew, or saves.
func editForm(v *visit) error {
	e := v.editOf()
	do, which, _ := strings.Cut(v.form("do"), ":")
	if do == "open" {
		return v.showForm(http.StatusOK, e)
	}
	text, err := v.applyForm(e.Text)
	var bad refused
	if errors.As(err, &bad) {
		e.Text, e.Refused, e.Problem = text, bad, sentence(err.Error())
		return v.showForm(http.StatusUnprocessableEntity, e)
	}
	if err == nil {
		e.Text, err = rearrange(text, do, which)
	}
	if err != nil {
		e.Problem = sentence(err.Error())
		return v.showForm(http.StatusUnprocessableEntity, e)
	}
	switch do {
	case "save":
		return v.saveForm(e)
	case "text":
		e.Note = "This text is not saved yet."
		return v.showEditor(http.StatusOK, e)
	}
	return v.showForm(http.StatusOK, e)
}

func (v *visit) saveForm(e editView) error {
	saved, err := v.svc.PutPolicy(v.ctx(), v.caller, e.ID, leash.PolicyInput{Text: e.Text, ExpectText: &e.Base})
	switch leash.CodeOf(err) {
	case leash.Conflict:
		v.conflict(&e, err)
		return v.showForm(http.StatusConflict, e)
	case leash.InvalidPolicy, leash.InvalidRequest, leash.PolicyReadOnly:
		_, e.Problem = explain(err)
		return v.showForm(http.StatusUnprocessableEntity, e)
	}
	if err != nil {
		return err
	}
	return v.redirect("/gui/policies/"+url.PathEscape(saved.ID), saidPolicySaved)
}

// applyForm writes the fields that differ from the text into it, and leaves everything else alone. If some values
// cannot be in a text, the error is refused, and the text has all the others.
func (v *visit) applyForm(text string) (string, error) {
	bad := refused{}
	text, err := v.applyHeader(text)
	if err != nil {
		return text, err
	}
	for list, fields := range map[string][]formField{"rules": ruleFields, "budgets": budgetFields} {
		cutting, err := cut(text, list)
		if err != nil {
			return text, err
		}
		changed := false
		for i := range cutting.items {
			touched, err := v.applyItem(&cutting, i, strings.TrimSuffix(list, "s"), fields, bad)
			if err != nil {
				return text, err
			}
			changed = changed || touched
		}
		if changed {
			text = cutting.String()
		}
	}
	if len(bad) > 0 {
		return text, bad
	}
	return text, nil
}

func (v *visit) applyItem(l *listing, i int, list string, fields []formField, bad refused) (changed bool, err error) {
	n, err := l.node(l.items[i])
	if err != nil {
		return false, err
	}
	prefix := list + "." + strconv.Itoa(i) + "."
	// Amounts come last: they are amounts of the currencies that the form names.
	amounts := func(f formField) bool { return f.Kind == "money" }
	others := slices.DeleteFunc(slices.Clone(fields), amounts)
	for _, f := range append(others, slices.DeleteFunc(slices.Clone(fields), func(f formField) bool { return !amounts(f) })...) {
		id := prefix + f.Name()
		now, shown := f.read(n)
		want := v.form(id)
		if !v.r.PostForm.Has(id) || !shown || want == now {
			continue
		}
		if err := f.write(n, want); err != nil {
			bad[id] = filled{formField: f, Value: want, Problem: sentence(err.Error())}
			continue
		}
		changed = true
	}
	if v.r.PostForm.Has(prefix + "rows") {
		want := v.rows(prefix)
		if now, shown := conditions(n); shown && !slices.Equal(now, want) {
			writeConditions(n, want)
			changed = true
		}
	}
	if !changed {
		return false, nil
	}
	l.items[i].body, err = l.body(n)
	return true, err
}

// rows are the conditions that the form holds of one rule; a row without a field is none.
func (v *visit) rows(prefix string) []conditionRow {
	fields, ops, values := v.r.PostForm[prefix+"field"], v.r.PostForm[prefix+"operator"], v.r.PostForm[prefix+"value"]
	var out []conditionRow
	for i := range min(len(fields), len(ops), len(values)) {
		if field := strings.TrimSpace(fields[i]); field != "" {
			out = append(out, conditionRow{field, ops[i], strings.TrimSpace(values[i])})
		}
	}
	return out
}

// applyHeader writes what the form says of the policy itself.
func (v *visit) applyHeader(text string) (string, error) {
	top, err := root(text)
	if err != nil || !v.r.PostForm.Has("header.name") {
		return text, err
	}
	was := readHeader(top)
	edits := map[string]any{}
	edit := func(key, now, want string) {
		switch {
		case now == want:
		case want == "":
			edits[key] = nil
		default:
			edits[key] = want
		}
	}
	edit("name", was.Name, v.form("header.name"))
	edit("description", was.Description, v.form("header.description"))
	edit("default", was.Default, v.form("header.default"))
	if on := v.form("header.enabled") != ""; on != was.Enabled {
		edits["enabled"] = on
	}
	if on := v.form("header.guardrail") != ""; on != was.Guardrail {
		edits["guardrail"] = on
	}
	if agents, groups := v.form("header.agents"), v.form("header.groups"); agents != was.Agents || groups != was.Groups {
		edits["applies_to"] = binding(splitList(agents), splitList(groups))
	}
	if len(edits) == 0 {
		return text, nil
	}
	out, err := compiler.SetHeader([]byte(text), edits)
	return string(out), err
}

func binding(agents, groups []string) any {
	out := map[string]any{}
	if len(agents) > 0 {
		out["agents"] = agents
	}
	if len(groups) > 0 {
		out["groups"] = groups
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// rearrange adds, drops or moves an item, as a button of the form says.
func rearrange(text, do, which string) (string, error) {
	list, verb, ok := strings.Cut(do, "-")
	if !ok || (list != "rule" && list != "budget") {
		return text, nil
	}
	l, err := cut(text, list+"s")
	if err != nil {
		return text, err
	}
	i := indexOf(which, len(l.items))
	if i < 0 && verb != "add" {
		return text, nil
	}
	switch verb {
	case "add":
		l.items = append(l.items, listItem{body: l.fresh(list)})
	case "drop":
		if l.items = slices.Delete(l.items, i, i+1); len(l.items) == 0 && list == "budget" {
			l.before = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(l.before, " \n"), "budgets:"), "\n") + "\n"
		} else if len(l.items) == 0 {
			return text, &leash.Error{Code: leash.InvalidPolicy, Message: "a policy has at least one rule"}
		}
	case "up":
		if i > 0 {
			l.items[i-1], l.items[i] = l.items[i], l.items[i-1]
		}
	case "down":
		if i+1 < len(l.items) {
			l.items[i+1], l.items[i] = l.items[i], l.items[i+1]
		}
	}
	return l.String(), nil
}

// fresh is the text of a new rule or budget, with an id that is not taken.
func (l listing) fresh(list string) string {
	id := list + "_" + strconv.Itoa(len(l.items)+1)
	for n := len(l.items) + 2; strings.Contains(l.String(), "id: "+id+"\n"); n++ {
		id = list + "_" + strconv.Itoa(n)
	}
	if list == "budget" {
		return l.indent + "- id: " + id + "\n" + l.indent + "  limit: 50000\n" + l.indent + "  currency: USD\n" + l.indent + "  window: day\n"
	}
	return l.indent + "- id: " + id + "\n" + l.indent + "  action: \"purchase.*\"\n" + l.indent + "  effect: require_approval\n"
}

// formCheck says what the form means while it is filled in.
func formCheck(v *visit) error {
	e := v.editOf()
	text, err := v.applyForm(e.Text)
	var bad refused
	if err != nil && !errors.As(err, &bad) {
		text = e.Text
	}
	check, err := v.svc.ValidatePolicy(v.ctx(), v.caller, text)
	if err != nil && leash.CodeOf(err) != leash.InvalidPolicy {
		return err
	}
	e.Check = bad.in(check)
	return v.part("form", "form-check", formView{editView: e})
}

// conditionView is a condition with what its row needs.
type conditionView struct {
	Index     int
	Row       conditionRow
	Operators []choice
}

// once drops the choices that mean the same as another: the empty one where the text names the default.
func once(choices []choice, value string) []choice {
	var out []choice
	for _, c := range choices {
		twin := slices.IndexFunc(choices, func(o choice) bool { return o.Word == c.Word && o.Value != c.Value })
		if twin >= 0 && c.Value != value && (c.Value != "" || choices[twin].Value == value) {
			continue
		}
		out = append(out, c)
	}
	return out
}

// indexOf reads the number of one of n items; -1 if it is none.
func indexOf(text string, n int) int {
	for i := range n {
		if strconv.Itoa(i) == text {
			return i
		}
	}
	return -1
}
