package policytest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
)

// What a test leaves out.
var defaultNow = time.Date(2026, time.April, 10, 12, 0, 0, 0, time.UTC) // a Friday, at noon

const (
	defaultAgent  = "test-agent"
	defaultAction = "test"
)

// tableFile runs the tests of one *_test.yaml.
func (s *session) tableFile(ctx context.Context, file string) (Suite, error) {
	suite := Suite{File: file}
	text, err := s.read(file)
	if err != nil {
		return suite, err
	}
	table, ds := compiler.ParseTable(file, text)
	s.problem(ds...)
	if table == nil {
		return suite, nil
	}
	files, err := s.policiesOf(table)
	if err != nil || len(files) < len(table.Policies) {
		return suite, err
	}
	engine := s.compile(ctx, files)
	if engine == nil {
		return suite, nil
	}
	for _, t := range table.Tests {
		if !s.wanted(file, t.Name) {
			continue
		}
		began := time.Now()
		c := Case{Name: t.Name, Pos: t.Pos}
		c.Failures, ds = (&trial{session: s, engine: engine, files: files, test: t}).run(ctx)
		if len(ds) > 0 {
			s.problem(ds...)
			continue
		}
		c.Elapsed = time.Since(began)
		suite.Cases = append(suite.Cases, c)
	}
	return suite, nil
}

// policiesOf reads the policies that a table names, relative to it.
func (s *session) policiesOf(t *compiler.Table) ([]rego.File, error) {
	var out []rego.File
	for _, w := range t.Policies {
		name := filepath.FromSlash(w.Text)
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(t.File), name)
		}
		complain := func(code, format string) {
			s.problem(compiler.Diagnostic{Code: code, Pos: w.Pos, Message: fmt.Sprintf(format, w.Text)})
		}
		if !rego.CanBePolicy(filepath.ToSlash(name)) {
			complain("not_a_policy", "%q is not a policy: its name must end in .yaml, .yml, .json or .rego, and not in _test")
			continue
		}
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			complain("missing_policy", "there is no policy %q beside the table")
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a policy: %w", err)
		}
		s.report.sources[name] = text
		out = append(out, rego.File{Path: name, Text: text})
	}
	return out, nil
}

// trial is one test as it runs.
type trial struct {
	*session
	engine *rego.Engine
	files  []rego.File
	test   compiler.TableTest

	layers *rego.Layers
	action *proof.ParsedAction
	ledger []account
}

// run returns what differs from what the test expects, or what is wrong with the test itself.
func (t *trial) run(ctx context.Context) ([]string, compiler.Diagnostics) {
	subject, d := t.subject()
	if d != nil {
		return nil, compiler.Diagnostics{*d}
	}
	t.layers = t.engine.Layers(subject)
	now := t.test.Now
	if now.IsZero() {
		now = defaultNow
	}
	if d := t.request(subject, now); d != nil {
		return nil, compiler.Diagnostics{*d}
	}
	if ds := t.open(subject); len(ds) > 0 {
		return nil, ds
	}
	if order := t.misordered(); order != "" {
		return []string{"policies: " + order}, nil
	}
	return t.compare(t.decide(ctx, rego.Input{Action: t.action.Input, ActionType: t.action.ActionType, Now: now,
		AssuranceLevel: t.test.Assurance, Budgets: t.readings(), Tracer: t.lines})), nil
}

// subject is the agent of the test: the one that it names, or one to which all policies apply.
func (t *trial) subject() (rego.Subject, *compiler.Diagnostic) {
	s := rego.Subject{AgentID: defaultAgent, PrincipalID: "agt_00000000000000000000000000", Groups: t.test.Groups,
		OwnerID: ownerOf(t.files), OwnerType: "HUMAN"}
	if t.test.AgentID != "" || t.test.Groups != nil {
		if t.test.AgentID != "" {
			s.AgentID = t.test.AgentID
		}
		return s, nil
	}
	var named [][]string
	for _, p := range t.engine.Policies() {
		s.Groups = append(s.Groups, p.Groups...)
		if len(p.Agents) > 0 && len(p.Groups) == 0 {
			named = append(named, p.Agents)
		}
	}
	slices.Sort(s.Groups)
	s.Groups = slices.Compact(s.Groups)
	if len(named) == 0 {
		return s, nil
	}
	for _, agent := range named[0] {
		if !slices.ContainsFunc(named, func(agents []string) bool { return !slices.Contains(agents, agent) }) {
			s.AgentID = agent
			return s, nil
		}
	}
	return s, &compiler.Diagnostic{Code: "missing_agent", Pos: t.test.Pos,
		Message: "the policies apply to different agents; say which agent asks"}
}

// request fills what the action leaves out, and holds it to what a server takes.
func (t *trial) request(subject rego.Subject, now time.Time) *compiler.Diagnostic {
	request := map[string]any{
		"action_id":    "test",
		"action_type":  defaultAction,
		"requested_at": proof.FormatTime(now),
		"principal":    map[string]any{"agent_id": subject.AgentID},
		"subject":      map[string]any{"principal_id": subject.OwnerID},
	}
	if _, ok := t.test.Action["context"]; !ok {
		request["payload"] = map[string]any{}
	}
	maps.Copy(request, t.test.Action)
	refuse := func(err error) *compiler.Diagnostic {
		return &compiler.Diagnostic{Code: "invalid_request", Pos: t.test.ActionPos, Message: "a server would refuse this action: " + err.Error()}
	}
	body, err := compiler.TableTest{Action: request}.JSON()
	if err != nil {
		return refuse(err)
	}
	if t.action, err = proof.ParseAction(body); err != nil {
		return refuse(err)
	}
	return nil
}

// misordered says in which order the policies apply, if the table lists them in another. Guardrails
// stand beside the others.
func (t *trial) misordered() string {
	var applied, listed []string
	for _, p := range t.layers.Policies() {
		if !p.Guardrail {
			applied = append(applied, p.File)
		}
	}
	for _, f := range t.files {
		if slices.Contains(applied, f.Path) {
			listed = append(listed, f.Path)
		}
	}
	if slices.Equal(applied, listed) {
		return ""
	}
	for i := range applied {
		applied[i] = filepath.Base(applied[i])
	}
	return "they apply to this agent in another order: " + strings.Join(applied, ", ")
}

// decide is what a server would answer.
func (t *trial) decide(ctx context.Context, in rego.Input) rego.Decision {
	if t.layers.Empty() {
		return rego.Decision{Result: rego.Deny, Reason: "NO_POLICY: no policy applies to the agent"}
	}
	d := t.layers.Decide(ctx, in)
	t.lines.decide(t.engine, d)
	if d.Result == rego.Deny {
		return d
	}
	if t.test.Assurance != "" {
		d.Obligations = slices.DeleteFunc(slices.Clone(d.Obligations), func(o compiler.Obligation) bool {
			return o.Type == compiler.StepUpAuth && rego.Satisfies(o, t.test.Assurance)
		})
		d.Result = rego.ResultOf(d.Obligations)
	}
	return t.charge(d)
}
