package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

func agentCommand(a *app) *cobra.Command {
	return forOwner(a, noun("agent", "Agents: list, invite, accept, revoke, group; register and authorize as one",
		agentList(a), agentInvite(a),
		agentStatus(a, "accept", store.Active, "Accept an agent that registered without an invite"),
		agentStatus(a, "revoke", store.Revoked, "End an agent at once"),
		agentGroup(a), agentRegister(a), agentAuthorize(a)))
}

func agentList(a *app) *cobra.Command {
	var status string
	c := &cobra.Command{Use: "list", Short: "List the agents, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/v1/owner/agents?" + url.Values{"status": {strings.ToUpper(status)}}.Encode()
			return askAll(cmd.Context(), a, path, func(p leash.AgentPage) error {
				if len(p.Items) == 0 {
					a.say("No agents. Invite one with `openleash agent invite`.")
					return nil
				}
				var rows [][]string
				for _, g := range p.Items {
					rows = append(rows, []string{g.AgentID, string(g.Status), orDash(strings.Join(g.Groups, ", ")), when(g.CreatedAt), g.PrincipalID})
				}
				a.table([]string{"AGENT", "STATUS", "GROUPS", "SINCE", "PRINCIPAL"}, rows)
				return nil
			})
		}}
	c.Flags().StringVar(&status, "status", "", "only PENDING, ACTIVE or REVOKED ones")
	return c
}

func agentInvite(a *app) *cobra.Command {
	var in leash.InviteInput
	c := &cobra.Command{Use: "invite", Short: "Make an invite with which one agent can join, once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), a, http.MethodPost, "/v1/owner/agent-invites", in, func(g leash.InviteGrant) error {
				a.say("Invite for one agent, until %s. It is shown this once:\n\n  %s\n\nNext: openleash agent register --invite '%s' --agent-id NAME --output-env agent.env",
					when(g.ExpiresAt), g.InviteURL, g.InviteURL)
				return nil
			})
		}}
	c.Flags().StringSliceVar(&in.Groups, "group", nil, "group that the agent will be in; may be repeated")
	c.Flags().StringVar(&in.ReplaceAgentID, "replace", "", "let the invite replace the key of this agent")
	return c
}

func agentStatus(a *app, verb string, status store.Status, short string) *cobra.Command {
	return &cobra.Command{Use: verb + " AGENT", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeAgent(cmd, args[0], map[string]any{"status": status})
		}}
}

func agentGroup(a *app) *cobra.Command {
	return &cobra.Command{Use: "group AGENT [GROUP…]", Short: "Put an agent into exactly these groups", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeAgent(cmd, args[0], map[string]any{"groups": args[1:]})
		}}
}

func (a *app) changeAgent(cmd *cobra.Command, id string, change map[string]any) error {
	return ask(cmd.Context(), a, http.MethodPut, "/v1/owner/agents/"+url.PathEscape(id), change, func(g leash.AgentView) error {
		a.say("%s is %s%s.", g.AgentID, a.paint.verdict(string(g.Status)), inGroups(g.Groups))
		return nil
	})
}

func inGroups(groups []string) string {
	if len(groups) == 0 {
		return ""
	}
	return " in " + strings.Join(groups, ", ")
}
