package gui

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/internal/money"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/policies"
	"github.com/openleash/openleash-go/store"
)

// editView is the editor with all that helps to judge a text before it is in force.
type editView struct {
	ID   string // of the policy that is edited; empty for a new one
	Name string
	Text string
	Base string // what was stored when the editor was opened
	New  bool
	File string // of a policy that does not compile, which is mended
	// Theirs is what somebody else stored meanwhile, as a change to the text here.
	Theirs  []diffLine
	Refused refused // of the form
	Problem string
	Check   leash.PolicyCheck
	Try     tryView
	Compare *leash.Comparison
	Note    string // what the text is, if it is not what is in force
}

// starter is a policy to begin with.
type starter struct {
	ID, Name, Description string
	Words                 []string
	Rego                  bool
}

// blank are the texts to begin with for those who know what they want.
var blank = map[string]string{
	"blank": "# What this policy is for.\nid: pol_new\nname: New policy\n\nrules:\n  - id: first\n    description: Small purchases pass.\n    action: \"purchase.*\"\n    effect: allow\n    constraints:\n      amount_max: 5000        # minor units: 50.00\n      currency: [USD]\n",
	"rego":  "# METADATA\n# custom:\n#   rank: 100\npackage openleash.policy.pol_new\n\nimport rego.v1\n\ndecision := {\"effect\": \"allow\", \"rule_id\": \"reading\"} if {\n\t\"read.*\" in input.action_patterns\n}\n",
}

// starters are the embedded policies, the profiles first.
func starters() []starter {
	entries, err := policies.Files.ReadDir(".")
	if err != nil {
		panic("reading the embedded policies: " + err.Error()) // part of the program
	}
	var out []starter
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		if e.IsDir() || strings.HasSuffix(name, "_test") {
			continue
		}
		text, _ := startingText(name)
		out = append(out, starterOf(name, path.Ext(e.Name()) == ".rego", text))
	}
	slices.SortStableFunc(out, func(a, b starter) int { return cmp.Compare(profileRank(a.ID), profileRank(b.ID)) })
	return out
}

func starterOf(name string, rego bool, text string) starter {
	s := starter{ID: name, Name: name, Rego: rego}
	if p, _ := compiler.Parse(name+".yaml", []byte(text)); !rego && p != nil {
		s.Name, s.Description, s.Words = cmp.Or(p.Name, name), p.Description, compiler.Describe(p)
		return s
	}
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "# title:"); ok {
			s.Name = strings.TrimSpace(title)
		} else if about, ok := strings.CutPrefix(line, "# description:"); ok {
			s.Description = strings.TrimSpace(about)
		}
	}
	return s
}

// profileRank puts the profiles before all others, the most careful first.
func profileRank(name string) int {
	if i := slices.Index(policies.Profiles, name); i >= 0 {
		return i
	}
	return len(policies.Profiles)
}

// startingText is the text of a starter, or an empty policy.
func startingText(name string) (string, bool) {
	if text, ok := blank[name]; ok {
		return text, true
	}
	for _, ext := range []string{".yaml", ".rego"} {
		if text, err := policies.Files.ReadFile(path.Base(name) + ext); err == nil {
			return string(text), true
		}
	}
	return "", false
}

func newPolicyPage(v *visit) error {
	return v.render(http.StatusOK, "starters", "New policy", starters())
}

func editPage(v *visit) error {
	if file := v.query("file"); file != "" {
		return v.mendPage(file)
	}
	if id := v.query("policy"); id != "" {
		p, err := v.svc.Policy(v.ctx(), v.caller, id)
		if err != nil {
			return err
		}
		if p.ReadOnly {
			return v.redirect("/gui/policies/"+url.PathEscape(p.ID), "") // which says why
		}
		e := editView{ID: p.ID, Name: cmp.Or(p.Name, p.ID), Text: p.Text, Base: p.Text}
		if carried := v.svc.CarryOver(v.caller, id); carried != "" && v.query("carry") != "" {
			e.Text, e.Note = carried, "With this text, what was spent under the former name counts too. It is not saved yet."
		}
		return v.showEditor(http.StatusOK, e)
	}
	text, ok := startingText(cmp.Or(v.query("starter"), "blank"))
	if !ok {
		return &leash.Error{Code: leash.NotFound, Message: "there is no such policy to begin with"}
	}
	return v.showEditor(http.StatusOK, editView{New: true, Name: "New policy", Text: text})
}

// mendPage opens a file that does not compile.
func (v *visit) mendPage(file string) error {
	broken, err := v.svc.BrokenPolicies(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	for _, f := range broken {
		if f.File == file {
			return v.showEditor(http.StatusOK, editView{File: f.File, Name: f.File, Text: f.Text, Base: f.Text,
				Note: "This file is not active as it is on disk. Its last good version, if there is one, stays active."})
		}
	}
	return v.redirect("/gui/policies", "") // it was mended meanwhile
}

// editOf reads the editor's form.
func (v *visit) editOf() editView {
	e := editView{ID: v.form("policy_id"), Name: "New policy", Text: newlines(v.r.PostFormValue("text")),
		Base: newlines(v.r.PostFormValue("base")), Note: ""}
	e.File = v.form("file")
	e.New = e.ID == "" && e.File == ""
	if e.File != "" {
		e.Name = e.File
	} else if !e.New {
		e.Name = cmp.Or(v.policyNames()[e.ID], e.ID)
	}
	return e
}

// newlines undoes what forms do to line ends.
func newlines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// showEditor fills in what the text means.
func (v *visit) showEditor(status int, e editView) error {
	var err error
	if e.Check, err = v.svc.ValidatePolicy(v.ctx(), v.caller, e.Text); err != nil {
		if status, e.Problem = explain(err); leash.CodeOf(err) != leash.InvalidPolicy {
			return err
		}
	}
	if e.Try.Type == "" {
		e.Try = v.suggestTry(e.ID)
	}
	return v.render(status, "edit", e.Name, e)
}

// edit saves, or does one of the other things that the editor's form can be sent for.
func edit(v *visit) error {
	e := v.editOf()
	switch v.form("do") {
	case "open": // from the history, a draft or the form builder
		if e.Base == "" && !e.New {
			if p, err := v.svc.Policy(v.ctx(), v.caller, e.ID); err == nil {
				e.Base = p.Text
			}
		}
		e.Note = "This text is not saved yet."
		return v.showEditor(http.StatusOK, e)
	case "try":
		e.Try = v.try(e.Text)
		return v.showEditor(http.StatusOK, e)
	case "compare":
		if err := v.compare(&e); err != nil {
			return err
		}
		return v.showEditor(http.StatusOK, e)
	}
	return v.save(e)
}

func (v *visit) save(e editView) error {
	in := leash.PolicyInput{Text: e.Text, ExpectText: &e.Base}
	if e.File != "" {
		return v.mend(e, in)
	}
	saved, err := v.svc.PutPolicy(v.ctx(), v.caller, e.ID, in)
	switch leash.CodeOf(err) {
	case leash.Conflict:
		v.conflict(&e, err)
		return v.showEditor(http.StatusConflict, e)
	case leash.InvalidPolicy, leash.InvalidRequest, leash.NotFound, leash.PolicyReadOnly:
		_, e.Problem = explain(err)
		return v.showEditor(http.StatusUnprocessableEntity, e)
	}
	if err != nil {
		return err
	}
	return v.redirect("/gui/policies/"+url.PathEscape(saved.ID), saidPolicySaved)
}

// mend writes a file that did not compile.
func (v *visit) mend(e editView, in leash.PolicyInput) error {
	err := v.svc.MendPolicy(v.ctx(), v.caller, e.File, in)
	switch leash.CodeOf(err) {
	case leash.Conflict:
		e.Problem = "The file was changed on disk since you opened it. Copy what you need, and open it again."
		return v.showEditor(http.StatusConflict, e)
	case leash.InvalidPolicy, leash.InvalidRequest, leash.NotFound, leash.PolicyReadOnly:
		_, e.Problem = explain(err)
		return v.showEditor(http.StatusUnprocessableEntity, e)
	}
	if err != nil {
		return err
	}
	return v.redirect("/gui/policies", saidPolicySaved)
}

// storedText is the text on disk that an error about a conflict reports.
func storedText(err error) (string, bool) {
	var known *leash.Error
	if !errors.As(err, &known) {
		return "", false
	}
	details, _ := known.Details.(map[string]string)
	text, ok := details["policy_yaml"]
	return text, ok
}

// conflict shows what somebody else stored meanwhile. Saving again then replaces it knowingly.
func (v *visit) conflict(e *editView, err error) {
	_, e.Problem = explain(err)
	stored, known := storedText(err)
	if !known {
		return
	}
	e.Problem = "The file of this policy was changed since you began. Below is what differs; saving again replaces it with your text."
	e.Theirs, e.Base = diff(stored, e.Text), stored
}

// checkPart answers while the owner types.
func checkPart(v *visit) error {
	e := v.editOf()
	var err error
	if e.Check, err = v.svc.ValidatePolicy(v.ctx(), v.caller, e.Text); err != nil {
		_, e.Problem = explain(err)
	}
	return v.part("edit", "check", e)
}

func tryPart(v *visit) error {
	e := v.editOf()
	e.Try = v.try(e.Text)
	return v.part("edit", "tried", e)
}

func comparePart(v *visit) error {
	e := v.editOf()
	if err := v.compare(&e); err != nil {
		return err
	}
	return v.part("edit", "compared", e)
}

// compare says what the text would answer differently.
func (v *visit) compare(e *editView) error {
	result, err := v.svc.Compare(v.ctx(), v.caller, e.ID, e.Text, "")
	return e.compared(result, err)
}

// compared takes what a comparison found, or what is wrong with the text.
func (e *editView) compared(result leash.Comparison, err error) error {
	if leash.CodeOf(err) == leash.InvalidPolicy {
		_, e.Problem = explain(err)
		return nil
	}
	e.Compare = &result
	return err
}

// tryView is an action to try on a policy, and the answer.
type tryView struct {
	Type, Payload, Domain, Now string
	Amount                     string // such as 45.00 USD; in the request it is amount_minor and currency
	Problem                    string
	Answer                     *leash.PlaygroundAnswer
}

// suggestTry offers the latest request that the policy decided, or an example.
func (v *visit) suggestTry(policyID string) tryView {
	out := tryView{Type: "purchase.order", Amount: "45.00 USD", Payload: "{\n  \"merchant_domain\": \"shop.example\"\n}"}
	if policyID == "" {
		return out
	}
	page, err := v.svc.Audit(v.ctx(), v.caller, store.AuditQuery{PolicyID: policyID, Types: []store.EventType{store.DecisionCreated}, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return out
	}
	var recorded struct {
		Type         string          `json:"action_type"`
		Payload      json.RawMessage `json:"payload"`
		Context      json.RawMessage `json:"context"`
		RelyingParty struct {
			Domain string `json:"domain"`
		} `json:"relying_party"`
	}
	if json.Unmarshal(page.Items[0].Action, &recorded) != nil {
		return out
	}
	if recorded.Payload == nil {
		recorded.Payload = recorded.Context
	}
	out = tryView{Type: recorded.Type, Domain: recorded.RelyingParty.Domain}
	out.takePayload(recorded.Payload)
	return out
}

// takePayload puts a payload into the fields: an amount in minor units into its own.
func (t *tryView) takePayload(payload json.RawMessage) {
	t.Amount, t.Payload = "", indented(payload)
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return
	}
	currency, _ := stringOf(members["currency"])
	minor, err := strconv.ParseInt(string(members["amount_minor"]), 10, 64)
	text := money.Format(minor, currency)
	if back, code, wrong := money.Parse(text); err != nil || wrong != nil || back != minor || code != currency {
		return
	}
	delete(members, "amount_minor")
	delete(members, "currency")
	if rest, err := json.Marshal(members); err == nil {
		t.Amount, t.Payload = text, indented(rest)
	}
}

// withAmount adds the amount to a payload, which is text, so that numbers reach the policy as they were typed.
func (t tryView) withAmount(payload string) (string, error) {
	if t.Amount == "" {
		return payload, nil
	}
	minor, currency, err := money.Parse(t.Amount)
	if err != nil {
		return "", fmt.Errorf("the amount: %w", err)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(payload), &members) != nil || members == nil {
		return "", errors.New("with an amount, the details are a JSON object")
	}
	for _, name := range []string{"amount_minor", "amount", "currency"} {
		if _, ok := members[name]; ok {
			return "", fmt.Errorf("the details name %s, and so does the field above; leave one of them out", name)
		}
	}
	comma := ","
	if len(members) == 0 {
		comma = ""
	}
	return fmt.Sprintf(`{"amount_minor":%d,"currency":%q%s%s`, minor, currency, comma, strings.TrimPrefix(payload, "{")), nil
}

// try reads the action form and asks the policy.
func (v *visit) try(text string) tryView {
	t := tryView{Type: v.form("action_type"), Payload: newlines(v.r.PostFormValue("payload")), Amount: v.form("amount"), Domain: v.form("domain"), Now: v.form("now")}
	action, err := t.action()
	if err != nil {
		t.Problem = sentence(err.Error())
		return t
	}
	in := leash.PlaygroundInput{PolicyYAML: text, Action: action}
	if t.Now != "" {
		if in.Now, err = time.Parse("2006-01-02T15:04", t.Now); err != nil {
			t.Problem = "The time is not one."
			return t
		}
	}
	answer, err := v.svc.Playground(v.ctx(), v.caller, in)
	if err != nil {
		_, t.Problem = explain(err)
		return t
	}
	t.Answer = &answer
	return t
}

// action is the request that the form describes.
func (t tryView) action() (json.RawMessage, error) {
	payload := strings.TrimSpace(t.Payload)
	if payload == "" {
		payload = "{}"
	}
	if !json.Valid([]byte(payload)) {
		return nil, fmt.Errorf("the details are not JSON: %s", jsonFault(payload))
	}
	payload, err := t.withAmount(payload)
	if err != nil {
		return nil, err
	}
	// Put together as text, so that numbers and repeated members reach the policy as they were typed.
	var b bytes.Buffer
	kind, err := json.Marshal(t.Type)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, `{"action_type":%s,"payload":%s`, kind, payload)
	if t.Domain != "" {
		domain, err := json.Marshal(t.Domain)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `,"relying_party":{"domain":%s}`, domain)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// jsonFault says where text stops being JSON.
func jsonFault(text string) string {
	var v any
	var at *json.SyntaxError
	if !errors.As(json.Unmarshal([]byte(text), &v), &at) {
		return "something is missing"
	}
	line := 1 + strings.Count(text[:min(int(at.Offset), len(text))], "\n")
	return fmt.Sprintf("line %d, %s", line, at.Error())
}

// schema is what the editor completes from.
func schema(v *visit) error {
	v.w.Header().Set("Content-Type", "application/schema+json")
	_, err := v.w.Write(compiler.Schema())
	return err
}
