package leash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/compiler"
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

// Health says how the policies of the server stand.
type Health struct {
	Status    string               `json:"status"`   // ok or degraded
	Revisions map[string]string    `json:"revision"` // by owner
	Errors    map[string][]Problem `json:"errors"`   // by owner; "" for files of no owner
}

// PolicyHealth returns the revisions in force and what on disk does not compile.
func (s *Service) PolicyHealth(ctx context.Context) (Health, error) {
	h := Health{Status: "ok", Revisions: map[string]string{}, Errors: map[string][]Problem{}}
	owners, err := store.Find[store.Owner](ctx, s.store, store.ByStatus(store.Active))
	if err != nil {
		return h, unavailable(err)
	}
	for _, o := range owners {
		h.Revisions[o.ID] = s.policies.Engine(o.ID).Revision()
	}
	for owner, ds := range s.policies.Degraded() {
		h.Status = "degraded"
		h.Errors[owner] = Problems(ds)
	}
	return h, nil
}

// ReloadPolicies puts what the policy files now say in force. An owner whose files do not compile
// keeps what it had; that is in the report and in the log, and no error.
func (s *Service) ReloadPolicies(ctx context.Context) (rego.Report, error) {
	s.reload.Lock()
	defer s.reload.Unlock()
	files, err := s.policyFiles(ctx, s.store)
	if err != nil {
		return rego.Report{}, unavailable(err)
	}
	owners, err := s.activeOwners(ctx, s.store)
	if err != nil {
		return rego.Report{}, unavailable(err)
	}
	before := map[string]*rego.Engine{}
	for _, o := range owners {
		before[o] = s.policies.Engine(o)
	}
	report := s.policies.Load(ctx, owners, files)
	return report, s.logReload(ctx, report, before)
}

// logReload records which policies came into force and which were refused. Owners edit files by
// hand, so the log tells of a policy when it comes into force, not when it is written.
func (s *Service) logReload(ctx context.Context, report rego.Report, before map[string]*rego.Engine) error {
	return s.update(ctx, func(tx store.Tx) error {
		state, err := store.Get[store.State](ctx, tx, store.StateKey)
		if err != nil {
			return err
		}
		told := maps.Clone(state.PolicyRevisions)
		if told == nil {
			told = map[string]string{}
		}
		for _, owner := range report.Changed {
			now := s.policies.Engine(owner)
			if told[owner] == now.Revision() {
				continue // as it was when the server stopped
			}
			told[owner] = now.Revision()
			s.logPolicies(tx, owner, before[owner], now)
		}
		for owner, ds := range report.Refused {
			s.cfg.Log.WarnContext(ctx, "policies refused; the ones before stay in force", "owner_id", owner, "err", ds.Err())
			tx.Append(s.event(store.PolicyRefused, owner, map[string]any{"errors": Problems(ds.Errors())}))
		}
		if maps.Equal(told, state.PolicyRevisions) {
			return nil
		}
		state.PolicyRevisions = told
		return tx.Put(state)
	})
}

func (s *Service) logPolicies(tx store.Tx, owner string, before, now *rego.Engine) {
	for _, p := range now.Policies() {
		if old := before.Policy(p.ID); old == nil || !bytes.Equal(old.Text, p.Text) {
			tx.Append(s.event(store.PolicyUpdated, owner, map[string]any{
				"policy_id": p.ID, "path": p.File, "revision": now.Revision(), "text": string(p.Text)}))
		}
	}
	for _, p := range before.Policies() {
		if now.Policy(p.ID) == nil {
			tx.Append(s.event(store.PolicyDeleted, owner, map[string]any{
				"policy_id": p.ID, "path": p.File, "revision": now.Revision()}))
		}
	}
}

func (s *Service) policyFiles(ctx context.Context, r store.Reader) ([]rego.File, error) {
	records, err := store.Find[store.PolicyFile](ctx, r)
	if err != nil {
		return nil, err
	}
	files := make([]rego.File, len(records))
	for i, f := range records {
		files[i] = rego.File(f)
	}
	return files, nil
}

func (s *Service) activeOwners(ctx context.Context, r store.Reader) ([]string, error) {
	owners, err := store.Find[store.Owner](ctx, r, store.ByStatus(store.Active))
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(owners))
	for i, o := range owners {
		ids[i] = o.ID
	}
	return ids, nil
}

// Policies lists the caller's policies in the order in which they apply: guardrails, then by agent,
// by group, owner-wide; within a tier by rank, then id.
func (s *Service) Policies(_ context.Context, c Caller) ([]PolicyView, error) {
	policies := s.policies.Engine(c.OwnerID).Policies()
	out := make([]PolicyView, len(policies))
	for i, p := range policies {
		out[i] = policyView(p)
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
	v.Text = string(p.Text)
	return v, nil
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

// PolicyFile is the text of one policy file of the caller, in force or not, and what is wrong with it.
type PolicyFile struct {
	File     string    `json:"file"`
	Text     string    `json:"policy_yaml"`
	Problems []Problem `json:"problems"`
}

// BrokenPolicies lists the caller's policy files that do not compile; what they said before is in force.
func (s *Service) BrokenPolicies(ctx context.Context, c Caller) ([]PolicyFile, error) {
	var out []PolicyFile
	for _, d := range s.policies.Degraded()[c.OwnerID] {
		if n := len(out); n > 0 && out[n-1].File == d.Pos.File {
			out[n-1].Problems = append(out[n-1].Problems, Problems(compiler.Diagnostics{d})...)
			continue
		}
		f, err := store.Get[store.PolicyFile](ctx, s.store, d.Pos.File)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, unavailable(err)
		}
		out = append(out, PolicyFile{f.Path, string(f.Text), Problems(compiler.Diagnostics{d})})
	}
	return out, nil
}

// MendPolicy writes a new text into one of the caller's files that do not compile.
func (s *Service) MendPolicy(ctx context.Context, c Caller, file string, in PolicyInput) error {
	if !slices.ContainsFunc(s.policies.Degraded()[c.OwnerID], func(d compiler.Diagnostic) bool { return d.Pos.File == file }) {
		return fail(NotFound, "there is no broken policy file %q", file)
	}
	err := s.update(ctx, func(tx store.Tx) error {
		if err := s.expectText(ctx, tx, file, in.ExpectText); err != nil {
			return err
		}
		put := store.PolicyFile{Path: file, Text: []byte(in.Text)}
		if err := s.checkSet(ctx, tx, c, put); err != nil {
			return err
		}
		return tx.Put(put)
	})
	if err != nil {
		return err
	}
	_, err = s.ReloadPolicies(ctx)
	return err
}

// Engine returns the caller's policies in force, for export.
func (s *Service) Engine(c Caller) *rego.Engine { return s.policies.Engine(c.OwnerID) }

// isRego tells the two languages apart: a YAML policy cannot begin with a package clause.
func isRego(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			return strings.HasPrefix(line, "package ")
		}
	}
	return false
}

// PutPolicy saves a policy and puts it in force, or refuses it whole. id names the policy to replace;
// empty means the one that the text names, new or not.
func (s *Service) PutPolicy(ctx context.Context, c Caller, id string, in PolicyInput) (PolicyView, error) {
	if err := s.savePolicy(ctx, c, &id, in, nil); err != nil {
		return PolicyView{}, err
	}
	if _, err := s.ReloadPolicies(ctx); err != nil {
		return PolicyView{}, err
	}
	return s.Policy(ctx, c, id)
}

// savePolicy writes a policy into its file in one transaction with whatever also does. It sets id.
func (s *Service) savePolicy(ctx context.Context, c Caller, id *string, in PolicyInput, also func(tx store.Tx) error) error {
	if len(in.Text) > compiler.MaxFile {
		return fail(InvalidPolicy, "a policy is at most %d bytes", compiler.MaxFile)
	}
	return s.update(ctx, func(tx store.Tx) error {
		text, err := s.boundText(ctx, tx, c, in)
		if err != nil {
			return err
		}
		file, parsed, err := s.place(ctx, tx, c, *id, text)
		if err != nil {
			return err
		}
		if err := s.expectText(ctx, tx, file.Path, in.ExpectText); err != nil {
			return err
		}
		if err := s.checkSet(ctx, tx, c, file); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		*id = parsed
		return tx.Put(file)
	})
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
	owners, err := s.activeOwners(ctx, r)
	if err != nil {
		return nil, err
	}
	text := []byte(in.Text)
	if isRego(in.Text) {
		if len(edits) > 0 {
			return nil, fail(InvalidPolicy, "a Rego policy says what it applies to in its own METADATA")
		}
		return text, nil
	}
	if len(owners) > 1 {
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

// place finds the file of a policy text: where the caller's policy of that id is now, or a new file
// named for it.
func (s *Service) place(ctx context.Context, r store.Reader, c Caller, id string, text []byte) (store.PolicyFile, string, error) {
	ext := ".yaml"
	if isRego(string(text)) {
		ext = ".rego"
	}
	name := "policy" + ext
	if id != "" {
		name = id + ext
	}
	owners, err := s.activeOwners(ctx, r)
	if err != nil {
		return store.PolicyFile{}, "", err
	}
	engine, ds := rego.Compile(ctx, c.OwnerID, owners, []rego.File{{Path: name, Text: text}}, rego.Options{Deadline: s.cfg.PolicyTimeout})
	if ds.Err() != nil {
		return store.PolicyFile{}, "", invalidPolicy(ds)
	}
	if len(engine.Policies()) != 1 {
		return store.PolicyFile{}, "", fail(InvalidPolicy, "the policy names another owner")
	}
	parsed := engine.Policies()[0].ID
	switch {
	case id == "":
		// The text's own id, or a new one: without an id the file's name would be it.
		if parsed == "policy" {
			parsed = s.newID("pol")
		}
	case parsed != id:
		return store.PolicyFile{}, "", fail(InvalidPolicy, "the text names the policy %q, not %q", parsed, id)
	}
	if old := s.policies.Engine(c.OwnerID).Policy(parsed); old != nil {
		if path.Ext(old.File) != ext {
			return store.PolicyFile{}, "", fail(Conflict, "the policy %q is in another language, in %s; delete it first", parsed, old.File)
		}
		return store.PolicyFile{Path: old.File, Text: text}, parsed, nil
	}
	file := store.PolicyFile{Path: parsed + ext, Text: text}
	if len(owners) > 1 {
		file.Path = c.OwnerID + "/" + file.Path
	}
	if _, err := store.Get[store.PolicyFile](ctx, r, file.Path); err == nil {
		return store.PolicyFile{}, "", fail(Conflict, "the file %s exists and holds another policy, or one that does not compile; mend it first", file.Path)
	}
	return file, parsed, nil
}

func (s *Service) expectText(ctx context.Context, r store.Reader, p string, want *string) error {
	if want == nil {
		return nil
	}
	now, err := store.Get[store.PolicyFile](ctx, r, p)
	if errors.Is(err, store.ErrNotFound) {
		now.Text = nil
	} else if err != nil {
		return err
	}
	if string(now.Text) != *want {
		return &Error{Code: Conflict, Message: "the policy was changed by someone else since you opened it",
			Details: map[string]string{"policy_yaml": string(now.Text)}}
	}
	return nil
}

// checkSet compiles the caller's whole set with one file written.
func (s *Service) checkSet(ctx context.Context, r store.Reader, c Caller, put store.PolicyFile) error {
	files, err := s.policyFiles(ctx, r)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f rego.File) bool { return f.Path == put.Path })
	files = append(files, rego.File(put))
	owners, err := s.activeOwners(ctx, r)
	if err != nil {
		return err
	}
	if _, ds := rego.Compile(ctx, c.OwnerID, owners, files, rego.Options{Deadline: s.cfg.PolicyTimeout}); ds.Err() != nil {
		// Another file that is broken must not keep this one from being saved.
		if own := slices.DeleteFunc(ds, func(d compiler.Diagnostic) bool { return d.Pos.File != put.Path }); own.Err() != nil {
			return invalidPolicy(own)
		}
	}
	return nil
}

// DeletePolicy removes one of the caller's policies.
func (s *Service) DeletePolicy(ctx context.Context, c Caller, id string) error {
	p := s.policies.Engine(c.OwnerID).Policy(id)
	if p == nil {
		return fail(NotFound, "there is no policy %q", id)
	}
	if err := s.update(ctx, func(tx store.Tx) error { return tx.Delete(store.KindPolicy, p.File) }); err != nil {
		return err
	}
	_, err := s.ReloadPolicies(ctx)
	return err
}

// OrderPolicies gives the named policies the ranks 10, 20, 30, … in this order, in their own files.
func (s *Service) OrderPolicies(ctx context.Context, c Caller, ids []string) ([]PolicyView, error) {
	engine := s.policies.Engine(c.OwnerID)
	var changed []store.PolicyFile
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
		changed = append(changed, store.PolicyFile{Path: p.File, Text: text})
	}
	err := s.update(ctx, func(tx store.Tx) error {
		for _, f := range changed {
			if err := tx.Put(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.ReloadPolicies(ctx); err != nil {
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
