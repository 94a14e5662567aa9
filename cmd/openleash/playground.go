package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/policies"
	"github.com/openleash/openleash-go/rego"
)

func playgroundCommand(a *app) *cobra.Command {
	return noun("playground", "Try policies on actions, without a server and without a record: list, run", playgroundList(a), playgroundRun(a))
}

func playgroundList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the scenarios", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := policies.Scenarios()
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.printJSON(all)
			}
			var rows [][]string
			for _, s := range all {
				rows = append(rows, []string{s.Name, s.Shows})
			}
			a.table([]string{"NAME", "SHOWS"}, rows)
			return nil
		}}
}

func playgroundRun(a *app) *cobra.Command {
	var policyFile, actionFile, at string
	c := &cobra.Command{
		Use:   "run [NAME]",
		Short: "Run a scenario, or an action of your own, and say rule by rule what matched",
		Example: `  openleash playground run small-purchase
  openleash playground run small-purchase --policy my-policy.yaml
  openleash playground run --policy my-policy.yaml --action action.json`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			all, _ := policies.Scenarios() // embedded
			for _, s := range all {
				names = append(names, cobra.CompletionWithDesc(s.Name, s.Shows))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.chooseScenario(args, policyFile, actionFile, at)
			if err != nil {
				return err
			}
			if policyFile != "" {
				f := rego.File{Path: policyFile, Text: []byte(s.Policy)}
				if ds := check(cmd.Context(), f); ds.Err() != nil {
					return a.showDiagnostics([]rego.File{f}, ds)
				}
			}
			return a.runScenario(cmd, s)
		},
	}
	c.Flags().StringVar(&policyFile, "policy", "", "file of the policy to try, instead of the scenario's")
	c.Flags().StringVar(&actionFile, "action", "", "file of the action to try (JSON), instead of the scenario's")
	c.Flags().StringVar(&at, "now", "", "time to try at (RFC 3339), instead of the scenario's or the present")
	return c
}

// chooseScenario is the scenario that is named, with what the flags put in its place.
func (a *app) chooseScenario(args []string, policyFile, actionFile, at string) (policies.Scenario, error) {
	var s policies.Scenario
	switch {
	case len(args) == 1:
		all, err := policies.Scenarios()
		if err != nil {
			return s, err
		}
		for _, one := range all {
			if one.Name == args[0] {
				s = one
			}
		}
		if s.Name == "" {
			return s, misuse("there is no scenario %q; `openleash playground list` names them", args[0])
		}
	case policyFile == "" || actionFile == "":
		return s, misuse("name a scenario, or give both --policy and --action")
	}
	if policyFile != "" {
		f, err := readPolicy(policyFile)
		if err != nil {
			return s, err
		}
		s.Policy = string(f.Text)
	}
	if actionFile != "" {
		text, err := os.ReadFile(actionFile)
		if err != nil {
			return s, fmt.Errorf("reading the action: %w", err)
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(text, &object); err != nil {
			return s, fmt.Errorf("reading the action: %s is not a JSON object: %w", actionFile, jsonFault(err))
		}
		s.Action = text
	}
	if at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return s, misuse("--now is no RFC 3339 time such as 2026-04-10T12:00:00Z")
		}
		s.Now = t
	}
	if s.Now.IsZero() {
		s.Now = a.clock()
	}
	return s, nil
}

func (a *app) runScenario(cmd *cobra.Command, s policies.Scenario) error {
	subject := rego.Subject{AgentID: "playground", PrincipalID: "agt_playground", OwnerID: localOwner, OwnerType: "HUMAN"}
	answer, err := leash.Try(cmd.Context(), s.Policy, s.Action, subject, s.Now)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(answer)
	}
	a.say("%s\n", printableText(strings.TrimSpace(string(s.Action))))
	a.say("%s  %s\n", a.paint.bold(a.paint.verdict(string(answer.Result))), printable(answer.Reason))
	var rows [][]string
	for _, t := range answer.Trace {
		rows = append(rows, []string{t.RuleID, tick(t.PatternMatch), tick(t.WhenMatch), tick(t.ConstraintsMatch), ruleMatches(t)})
	}
	if len(rows) > 0 {
		a.table([]string{"RULE", "ACTION", "WHEN", "CONSTRAINTS", "MATCHES"}, rows)
	}
	return nil
}

// ruleMatches says whether a rule matches; possibly, if fields are missing or of the wrong type.
func ruleMatches(t leash.TraceRule) string {
	if t.PossibleMatch {
		return "possibly"
	}
	return tick(t.FinalMatch)
}

func tick(b bool) string {
	if b {
		return "✓"
	}
	return "·"
}
