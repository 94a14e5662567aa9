package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/rego"
)

func policyCommand(a *app) *cobra.Command {
	return forOwner(a, noun("policy", "Policies: list, show, validate, upsert, delete, reload, compile, schema",
		policyList(a), policyShow(a), policyValidate(a), policyUpsert(a), policyDelete(a), policyReload(a), policyCompile(a), policySchema(a)))
}

const policiesPath = "/v1/owner/policies"

func policyPath(id string) string { return policiesPath + "/" + url.PathEscape(id) }

// policyPage is what the server answers to policy list.
type policyPage struct {
	page[leash.PolicyView]
	leash.PolicyFiles
}

func policyList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the policies in the order in which they apply", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), a, http.MethodGet, policiesPath, nil, func(p policyPage) error {
				defer a.showIgnored(p.Ignored)
				defer a.showProblems(p.Problems)
				if len(p.Items) == 0 {
					a.say("No policies: everything is denied. Save one into %s/policies, or see `openleash policy upsert`.", a.settings.data)
					return nil
				}
				var rows [][]string
				for _, v := range p.Items {
					rows = append(rows, []string{v.ID, tier(v), strconv.Itoa(v.Rank), strconv.Itoa(v.Rules), strconv.Itoa(len(v.Budgets)), yes(v.Enabled), v.File, orDash(v.Name)})
				}
				a.table([]string{"ID", "FOR", "RANK", "RULES", "BUDGETS", "ENABLED", "FILE", "NAME"}, rows)
				return nil
			})
		}}
}

// tier says whom a policy applies to.
func tier(v leash.PolicyView) string {
	var parts []string
	if v.Guardrail {
		parts = append(parts, "guardrail")
	}
	if len(v.Agents) > 0 {
		parts = append(parts, strings.Join(v.Agents, ", "))
	}
	if len(v.Groups) > 0 {
		parts = append(parts, "groups "+strings.Join(v.Groups, ", "))
	}
	if len(v.Agents)+len(v.Groups) == 0 {
		parts = append(parts, "all agents")
	}
	return strings.Join(parts, ": ")
}

func policyShow(a *app) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show a policy, in its own words and in plain ones", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodGet, policyPath(args[0]), nil, func(v leash.PolicyView) error {
				a.say("%s", a.paint.faint("# "+v.File))
				a.say("%s", printableText(strings.TrimRight(v.Text, "\n")))
				if len(v.Words) > 0 {
					a.say("\nIt means:")
				}
				for _, w := range v.Words {
					a.say("  - %s", printable(w))
				}
				a.showWarnings(v.Warnings)
				return nil
			})
		}}
}

// showWarnings shows what is to be said about a policy that is active.
func (a *app) showWarnings(problems []leash.Problem) {
	for _, p := range problems {
		a.say("%s %s: %s", a.paint.yellow("warning:"), p.Code, printable(p.Message))
	}
}

func policyUpsert(a *app) *cobra.Command {
	var in leash.PolicyInput
	c := &cobra.Command{Use: "upsert FILE", Short: "Save a policy and make it active, or refuse it whole", Args: cobra.ExactArgs(1),
		Long: "Saves the policy under the id that it names, else under the file's base name. The file may be YAML or Rego.",
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			// A file that is wrong is shown here with its lines; the server would only list them.
			if ds := check(cmd.Context(), text); ds.Err() != nil {
				return a.showDiagnostics([]rego.File{text}, ds)
			}
			in.Text = string(text.Text)
			method, path := http.MethodPost, policiesPath
			if p, _ := compiler.Parse(text.Path, text.Text); p != nil && strings.HasSuffix(text.Path, "ml") {
				method, path = http.MethodPut, policyPath(p.ID)
			}
			return ask(cmd.Context(), a, method, path, in, func(v leash.PolicyView) error {
				a.say("%s is active, from %s.", a.paint.bold(v.ID), v.File)
				for _, w := range v.Words {
					a.say("  - %s", printable(w))
				}
				a.showWarnings(v.Warnings)
				return nil
			})
		}}
	c.Flags().StringVar(&in.AppliesTo, "agent", "", "narrow it to one agent")
	c.Flags().StringVar(&in.Name, "name", "", "name it")
	return c
}

func policyDelete(a *app) *cobra.Command {
	return &cobra.Command{Use: "delete ID", Short: "Delete a policy", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodDelete, policyPath(args[0]), nil, func(struct{}) error {
				a.say("%s is deleted.", args[0])
				return nil
			})
		}}
}

func policyReload(a *app) *cobra.Command {
	return &cobra.Command{Use: "reload", Short: "Read the policy files again", Args: cobra.NoArgs,
		Long: `Reads the policies folder now instead of at the next event or scan, and says which files are not active and why.
It exits with 1 if there are any. A running server also finds changes without it, within policy_scan_interval.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), a, http.MethodPost, "/v1/admin/policies/reload", struct{}{}, func(h leash.Health) error {
				a.say("%s", h.Status)
				a.showPolicyFiles(h)
				if h.Status != "ok" {
					return exitCode(refused)
				}
				return nil
			})
		}}
}

func policyValidate(a *app) *cobra.Command {
	var strict bool
	c := &cobra.Command{Use: "validate [FILE|FOLDER…]", Short: "Check policy files: every error, with its place and its line",
		Long: "Checks the files and all policies in the folders; without arguments, those in the policies folder of --data.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{filepath.Join(a.settings.data, "policies")}
			}
			files, err := readPolicies(args)
			if err != nil {
				return err
			}
			var all compiler.Diagnostics
			for _, f := range files {
				all = append(all, check(cmd.Context(), f)...)
			}
			if engine, _ := compileLocally(cmd.Context(), files); engine != nil {
				all = append(all, engine.Uncounted()...)
			}
			valid := all.Err() == nil && !(strict && len(all) > 0)
			if a.asJSON {
				if err := a.printJSON(map[string]any{"valid": valid, "problems": leash.Problems(all)}); err != nil {
					return err
				}
			} else if len(all) > 0 {
				all.Render(a.err, sourceOf(files))
			}
			if !valid {
				return exitCode(refused)
			}
			if !a.asJSON {
				a.say("%s", plural(len(files), "policy file is valid", "policy files are valid"))
			}
			return nil
		}}
	c.Flags().BoolVar(&strict, "strict", false, "treat warnings as errors")
	return c
}

func policyCompile(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{Use: "compile FILE|FOLDER…", Short: "Print the Rego that policies compile to, or write it for `opa test`", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := readPolicies(args)
			if err != nil {
				return err
			}
			engine, ds := compileLocally(cmd.Context(), files)
			if ds.Err() != nil {
				return a.showDiagnostics(files, ds)
			}
			if dir != "" {
				if err := rego.WriteModules(dir, engine); err != nil {
					return fmt.Errorf("writing Rego: %w", err)
				}
				a.say("wrote %s into %s", plural(len(files), "module", "modules"), dir)
				return nil
			}
			for _, p := range engine.Policies() {
				text, err := p.Rego()
				if err != nil {
					return fmt.Errorf("printing Rego: %w", err)
				}
				a.say("%s", strings.TrimRight(string(text), "\n"))
			}
			return nil
		}}
	c.Flags().StringVarP(&dir, "output", "o", "", "folder to write the modules into")
	return c
}

func policySchema(a *app) *cobra.Command {
	return &cobra.Command{Use: "schema", Short: "Print the JSON Schema of a policy file, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.say("%s", strings.TrimRight(string(compiler.Schema()), "\n"))
			return nil
		}}
}

// localOwner owns the policies that are compiled without a data folder, unless they name their owner.
const localOwner = "local"

func compileLocally(ctx context.Context, files []rego.File) (*rego.Engine, compiler.Diagnostics) {
	owner := localOwner
	for _, f := range files {
		if p, _ := rego.Check(f); p != nil && p.Owner != "" {
			owner = p.Owner
		}
	}
	return rego.Compile(ctx, owner, []string{owner}, files, rego.Options{})
}

// check says everything that is to be said of one policy file.
func check(ctx context.Context, f rego.File) compiler.Diagnostics {
	_, ds := compileLocally(ctx, []rego.File{f})
	return ds
}

// showDiagnostics shows what is wrong with policy files, each with its line.
func (a *app) showDiagnostics(files []rego.File, ds compiler.Diagnostics) error {
	if a.asJSON {
		return errors.Join(a.printJSON(map[string]any{"valid": false, "problems": leash.Problems(ds)}), exitCode(refused))
	}
	ds.Render(a.err, sourceOf(files))
	return exitCode(refused)
}

func sourceOf(files []rego.File) func(string) []byte {
	return func(name string) []byte {
		for _, f := range files {
			if f.Path == name {
				return f.Text
			}
		}
		return nil
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
