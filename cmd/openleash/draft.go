package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
)

func draftCommand(a *app) *cobra.Command {
	return forOwner(a, noun("draft", "Policies that agents propose: list, show, approve, deny",
		draftList(a), draftShow(a), draftApprove(a), draftDeny(a)))
}

const drafts = "/v1/owner/policy-drafts"

func draftPath(id string) string { return drafts + "/" + url.PathEscape(id) }

func draftList(a *app) *cobra.Command {
	var status string
	c := &cobra.Command{Use: "list", Short: "List the drafts, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := drafts + "?" + url.Values{"status": {strings.ToUpper(status)}}.Encode()
			return ask(cmd.Context(), a, http.MethodGet, path, nil, func(p leash.DraftPage) error {
				if len(p.Items) == 0 {
					a.say("No drafts.")
					return nil
				}
				var rows [][]string
				for _, d := range p.Items {
					rows = append(rows, []string{d.ID, string(d.Status), d.AgentID, orDash(d.Name), when(d.CreatedAt), orDash(d.PolicyID)})
				}
				a.table([]string{"ID", "STATUS", "AGENT", "NAME", "PROPOSED", "POLICY"}, rows)
				return nil
			})
		}}
	c.Flags().StringVar(&status, "status", "", "only PENDING, APPROVED or DENIED ones")
	return c
}

func draftShow(a *app) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show one draft with its text", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodGet, draftPath(args[0]), nil, func(d leash.DraftView) error {
				a.say("%s  %s proposes %s", a.paint.bold(a.paint.verdict(string(d.Status))), printable(d.AgentID), a.paint.bold(orDash(printable(d.Name))))
				a.say("  for       %s, unless you approve it with --scope", printable(d.AgentID))
				a.say("  it says   %s\n", orDash(printable(d.Justification)))
				a.say("%s", printableText(d.PolicyYAML))
				return nil
			})
		}}
}

func draftApprove(a *app) *cobra.Command {
	var in leash.ApproveDraftInput
	c := &cobra.Command{Use: "approve ID", Short: "Put a draft in force as a new policy", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodPost, draftPath(args[0])+"/approve", in, func(d leash.DraftView) error {
				a.say("%s; in force as %s.", a.paint.verdict(string(d.Status)), d.PolicyID)
				return nil
			})
		}}
	c.Flags().StringVar(&in.Name, "name", "", "name of the policy (default: the draft's)")
	c.Flags().StringVar(&in.Scope, "scope", "", `"all" agents, or one (default: the one that proposed it)`)
	return c
}

func draftDeny(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{Use: "deny ID", Short: "Refuse a draft", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodPost, draftPath(args[0])+"/deny", map[string]string{"reason": reason}, func(d leash.DraftView) error {
				a.say("%s.", a.paint.verdict(string(d.Status)))
				return nil
			})
		}}
	c.Flags().StringVar(&reason, "reason", "", "why, for the agent to read")
	return c
}
