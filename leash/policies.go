package leash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// PolicyView is one policy of an owner. Text is there when one policy is asked for.
type PolicyView struct {
	ID          string   `json:"policy_id"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	File        string   `json:"file"` // relative to the policies folder
	Language    string   `json:"language"`
	Enabled     bool     `json:"enabled"`
	Guardrail   bool     `json:"guardrail,omitempty"`
	Rank        int      `json:"rank"`
	Agents      []string `json:"applies_to_agents,omitempty"`
	Groups      []string `json:"applies_to_groups,omitempty"`
	Rules       int      `json:"rules"`
	Budgets     []string `json:"budgets,omitempty"`
	// Words says in plain words what the policy does, one sentence each.
	Words    []string  `json:"words,omitempty"`
	Text     string    `json:"policy_yaml,omitempty"`
	Warnings []Problem `json:"warnings,omitempty"`
	// ReadOnly: the file is behind a link, and can be changed only where the link leads.
	ReadOnly bool `json:"read_only,omitempty"`
}

func policyView(p *rego.Policy) PolicyView {
	v := PolicyView{ID: p.ID, Name: p.Name, Description: p.Description, File: p.File, Language: "yaml", Enabled: p.Enabled,
		Guardrail: p.Guardrail, Rank: p.Rank, Agents: p.Agents, Groups: p.Groups}
	for _, b := range p.Budgets {
		v.Budgets = append(v.Budgets, b.ID)
	}
	if p.Raw {
		v.Language = "rego"
		return v
	}
	v.Rules = len(p.YAML.Rules)
	v.Words = compiler.Describe(p.YAML)
	return v
}

// PolicyInput is a policy to be saved. Text is YAML, or Rego if it begins like a Rego module.
type PolicyInput struct {
	Text string `json:"policy_yaml"`
	// AppliesTo narrows the policy to one agent, by principal or agent_id.
	AppliesTo string `json:"applies_to_agent_principal_id"`
	Name      string `json:"name"`
	// ExpectText, if given, must be what is stored now: a save over another's change is refused.
	ExpectText *string `json:"-"`
}

// Health says whether the server can decide, and whether the policies on disk are those that are active.
type Health struct {
	Status    string               `json:"status"`          // ok or degraded
	Fault     string               `json:"fault,omitempty"` // why the state cannot be written; nothing is allowed meanwhile
	Revisions map[string]string    `json:"revision"`        // by owner
	Errors    map[string][]Problem `json:"errors"`          // by owner; "" for files and folders of no owner
	Ignored   []string             `json:"ignored"`         // files that are not policies
}

// PolicyHealth returns the active revisions and what on disk is not active.
func (s *Service) PolicyHealth(ctx context.Context) (Health, error) {
	status := s.policies.Status()
	h := Health{Status: "ok", Revisions: map[string]string{}, Errors: map[string][]Problem{}, Ignored: []string{}}
	h.Ignored = append(h.Ignored, status.Ignored...)
	owners, err := store.Find[store.Owner](ctx, s.store, store.ByStatus(store.Active))
	if err != nil {
		return h, unavailable(err)
	}
	for _, o := range owners {
		h.Revisions[o.ID] = s.policies.Engine(o.ID).Revision()
	}
	if err := s.store.Fault(); err != nil {
		h.Status, h.Fault = "degraded", err.Error()
	}
	for _, b := range status.Broken {
		h.Status = "degraded"
		h.Errors[b.OwnerID] = append(h.Errors[b.OwnerID], Problems(b.Problems)...)
	}
	return h, nil
}

// SyncPolicies makes the policy files on disk active. Files that cannot be used are no error: they are in the
// report, in the log, and in PolicyHealth.
func (s *Service) SyncPolicies(ctx context.Context) (policybook.Report, error) {
	report, err := s.policies.Sync(ctx)
	if err != nil {
		return report, unavailable(err)
	}
	return report, nil
}

// PolicyFiles says what of the caller's policies folder is not active.
type PolicyFiles struct {
	Problems []Problem `json:"problems"` // of files that cannot be used as they are
	Ignored  []string  `json:"ignored"`  // files that are not policies
}

// PolicyFiles returns the caller's files that are not active as they are on disk. With several owners, an owner
// sees ignored files only in the folder with the owner's id.
func (s *Service) PolicyFiles(_ context.Context, c Caller) (PolicyFiles, error) {
	out := PolicyFiles{Problems: []Problem{}, Ignored: []string{}}
	status := s.policies.Status()
	for _, b := range status.Broken {
		if b.OwnerID == c.OwnerID || b.OwnerID == "" {
			out.Problems = append(out.Problems, Problems(b.Problems)...)
		}
	}
	for _, file := range status.Ignored {
		if s.policies.SoleOwner() || strings.HasPrefix(file, c.OwnerID+"/") {
			out.Ignored = append(out.Ignored, file)
		}
	}
	return out, nil
}

// Policies lists the caller's policies in the order in which they apply: guardrails, then by agent,
// by group, owner-wide; within a tier by rank, then id.
func (s *Service) Policies(_ context.Context, c Caller) ([]PolicyView, error) {
	policies := s.policies.Engine(c.OwnerID).Policies()
	out := make([]PolicyView, len(policies))
	for i, p := range policies {
		out[i] = policyView(p)
		out[i].ReadOnly = s.policies.ReadOnly(p.File)
	}
	return out, nil
}

// Policy returns one of the caller's policies with its text.
func (s *Service) Policy(_ context.Context, c Caller, id string) (PolicyView, error) {
	p := s.policies.Engine(c.OwnerID).Policy(id)
	if p == nil {
		return PolicyView{}, fail(NotFound, "there is no policy %q", id)
	}
	v := policyView(p)
	v.Text, v.ReadOnly, v.Warnings = string(p.Text), s.policies.ReadOnly(p.File), Problems(s.policies.Warnings(p.File))
	return v, nil
}

// CarryOver returns the text of one of the caller's policies with `renamed_from` for those of its budgets that started
// at 0 although something was spent under a name that is gone; empty if there are none. Nothing is saved.
func (s *Service) CarryOver(c Caller, id string) string {
	p := s.policies.Engine(c.OwnerID).Policy(id)
	if p == nil {
		return ""
	}
	return string(s.policies.CarryOver(p.File))
}

// PolicyRego returns the Rego that one of the caller's policies compiles to.
func (s *Service) PolicyRego(_ context.Context, c Caller, id string) (string, error) {
	p := s.policies.Engine(c.OwnerID).Policy(id)
	if p == nil {
		return "", fail(NotFound, "there is no policy %q", id)
	}
	text, err := p.Rego()
	return string(text), err
}

// PolicyFile is the text of one policy file of the caller and what is wrong with it.
type PolicyFile struct {
	File     string    `json:"file"`
	Text     string    `json:"policy_yaml"`
	ReadOnly bool      `json:"read_only,omitempty"`
	Problems []Problem `json:"problems"`
}

// BrokenPolicies lists the caller's policy files that cannot be used; their last good versions are active. The
// text of a file that cannot be read is empty.
func (s *Service) BrokenPolicies(_ context.Context, c Caller) ([]PolicyFile, error) {
	var out []PolicyFile
	for _, b := range s.policies.Status().Broken {
		if b.OwnerID != c.OwnerID {
			continue
		}
		text, err := s.policies.Text(b.File)
		out = append(out, PolicyFile{b.File, text, b.ReadOnly || err != nil, Problems(b.Problems)})
	}
	return out, nil
}

// MendPolicy writes a new text into one of the caller's files that cannot be used.
func (s *Service) MendPolicy(ctx context.Context, c Caller, file string, in PolicyInput) error {
	broken := s.policies.Status().Broken
	if !slices.ContainsFunc(broken, func(b policybook.Broken) bool { return b.OwnerID == c.OwnerID && b.File == file }) {
		return fail(NotFound, "there is no broken policy file %q", file)
	}
	change := c.change(file, in.Text)
	change.Expect = in.ExpectText
	return s.applyPolicies(ctx, []policybook.Change{change}, nil)
}

// applyPolicies changes policy files, all or none, in one transaction with also.
func (s *Service) applyPolicies(ctx context.Context, changes []policybook.Change, also func(tx store.Tx) error) error {
	for _, c := range changes {
		if len(c.Text) > compiler.MaxFile {
			return fail(InvalidPolicy, "a policy is at most %d bytes", compiler.MaxFile)
		}
	}
	return policyError(s.policies.Apply(ctx, changes, also))
}

// policyError says what a caller may be told about an error of the policy book.
func policyError(err error) error {
	var known *Error
	var invalid *policybook.InvalidError
	var conflict *policybook.ConflictError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &invalid):
		return invalidPolicy(invalid.Problems)
	case errors.As(err, &conflict):
		return &Error{Code: Conflict, Message: conflict.Error() + "; load it again and repeat the change",
			Details: map[string]string{"policy_yaml": conflict.Text, "file": conflict.Path}}
	case errors.Is(err, store.ErrReadOnly):
		return &Error{Code: PolicyReadOnly, Message: err.Error()}
	}
	return unavailable(err)
}

// change is a change of one policy file by the caller.
func (c Caller) change(path, text string) policybook.Change {
	via := cmp.Or(c.Via, policybook.API)
	if c.Admin {
		via = cmp.Or(c.Via, policybook.Admin)
	}
	return policybook.Change{OwnerID: c.OwnerID, By: c.By(), Via: via, Path: path, Text: []byte(text)}
}

// Engine returns the caller's active policies, for export.
func (s *Service) Engine(c Caller) *rego.Engine { return s.policies.Engine(c.OwnerID) }

func isRego(text string) bool { return policybook.IsRego(text) }

// PutPolicy saves a policy and makes it active, or refuses it whole. id names the policy to replace; empty means
// the one that the text names, new or not.
func (s *Service) PutPolicy(ctx context.Context, c Caller, id string, in PolicyInput) (PolicyView, error) {
	id, err := s.savePolicy(ctx, c, id, in, nil)
	if err != nil {
		return PolicyView{}, err
	}
	return s.Policy(ctx, c, id)
}

// savePolicy writes a policy into its file, in one transaction with also, and returns its id.
func (s *Service) savePolicy(ctx context.Context, c Caller, id string, in PolicyInput, also func(tx store.Tx) error) (string, error) {
	if len(in.Text) > compiler.MaxFile {
		return "", fail(InvalidPolicy, "a policy is at most %d bytes", compiler.MaxFile)
	}
	text, err := s.boundText(ctx, s.store, c, in)
	if err != nil {
		return "", err
	}
	file, id, err := s.policies.Place(c.OwnerID, id, text, func() string { return s.newID("pol") })
	if err != nil {
		return "", policyError(err)
	}
	change := c.change(file, string(text))
	change.PolicyID, change.Expect = id, in.ExpectText
	return id, s.applyPolicies(ctx, []policybook.Change{change}, also)
}

// boundText writes the binding that the caller asked for into the policy's own text.
func (s *Service) boundText(ctx context.Context, r store.Reader, c Caller, in PolicyInput) ([]byte, error) {
	edits := map[string]any{}
	if in.AppliesTo != "" {
		agent, err := ownAgent(ctx, r, c.OwnerID, in.AppliesTo)
		if err != nil {
			return nil, err
		}
		edits["applies_to"] = map[string]any{"agents": []string{agent.AgentID}}
	}
	if in.Name != "" {
		if err := CheckName(in.Name); err != nil {
			return nil, err
		}
		edits["name"] = in.Name
	}
	text := []byte(in.Text)
	if isRego(in.Text) {
		if len(edits) > 0 {
			return nil, fail(InvalidPolicy, "a Rego policy says what it applies to in its own METADATA")
		}
		return text, nil
	}
	if !s.policies.SoleOwner() {
		edits["owner"] = c.OwnerID
	}
	if len(edits) == 0 {
		return text, nil
	}
	bound, err := compiler.SetHeader(text, edits)
	if err != nil {
		return nil, fail(InvalidPolicy, "%v", err)
	}
	return bound, nil
}

// DeletePolicy removes one of the caller's policies. It is a Conflict if the file was changed since.
func (s *Service) DeletePolicy(ctx context.Context, c Caller, id string) error {
	p := s.policies.Engine(c.OwnerID).Policy(id)
	if p == nil {
		return fail(NotFound, "there is no policy %q", id)
	}
	change := c.change(p.File, "")
	active := string(p.Text)
	change.Text, change.Expect = nil, &active
	return s.applyPolicies(ctx, []policybook.Change{change}, nil)
}

// OrderPolicies gives the named policies the ranks 10, 20, 30, … in this order, in their own files. It is a
// Conflict if one of the files was changed since.
func (s *Service) OrderPolicies(ctx context.Context, c Caller, ids []string) ([]PolicyView, error) {
	engine := s.policies.Engine(c.OwnerID)
	var changes []policybook.Change
	for i, id := range ids {
		p := engine.Policy(id)
		if p == nil {
			return nil, fail(NotFound, "there is no policy %q", id)
		}
		if slices.Contains(ids[:i], id) {
			return nil, fail(InvalidRequest, "the policy %q is named twice", id)
		}
		rank := (i + 1) * 10
		if p.Rank == rank {
			continue
		}
		text, err := p.WithRank(rank)
		if err != nil {
			return nil, fail(InvalidRequest, "the policy %q cannot be moved: %v", id, err)
		}
		change, active := c.change(p.File, string(text)), string(p.Text)
		change.PolicyID, change.Expect = id, &active
		changes = append(changes, change)
	}
	if err := s.applyPolicies(ctx, changes, nil); err != nil {
		return nil, err
	}
	return s.Policies(ctx, c)
}

// PolicyCheck is what is to be said of a policy text.
type PolicyCheck struct {
	Valid    bool      `json:"valid"`
	PolicyID string    `json:"policy_id,omitempty"`
	Problems []Problem `json:"problems"`
	Words    []string  `json:"words,omitempty"`
	Rego     string    `json:"rego,omitempty"`
}

// ValidatePolicy says what is wrong with a policy text, what it means in words, and its Rego.
func (s *Service) ValidatePolicy(ctx context.Context, c Caller, text string) (PolicyCheck, error) {
	if len(text) > compiler.MaxFile {
		return PolicyCheck{}, fail(InvalidPolicy, "a policy is at most %d bytes", compiler.MaxFile)
	}
	name := "policy.yaml"
	if isRego(text) {
		name = "policy.rego"
	}
	engine, ds := rego.Compile(ctx, c.OwnerID, []string{c.OwnerID}, []rego.File{{Path: name, Text: []byte(text)}}, rego.Options{Deadline: s.cfg.PolicyTimeout})
	check := PolicyCheck{Valid: ds.Err() == nil, Problems: Problems(ds)}
	if !check.Valid || len(engine.Policies()) == 0 {
		return check, nil
	}
	p := engine.Policies()[0]
	check.PolicyID = p.ID
	if !p.Raw {
		check.Words = compiler.Describe(p.YAML)
	}
	module, err := p.Rego()
	if err != nil {
		return check, fmt.Errorf("printing the policy %s: %w", p.ID, err)
	}
	check.Rego = string(module)
	return check, nil
}
