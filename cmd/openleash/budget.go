package main

import (
	"cmp"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
)

func budgetCommand(a *app) *cobra.Command {
	return forOwner(a, noun("budget", "Budgets: list", &cobra.Command{
		Use: "list", Short: "Say what is spent and left, for each budget and subject", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), a, http.MethodGet, "/v1/owner/budgets", nil, func(p page[leash.BudgetView]) error {
				if len(p.Items) == 0 {
					a.say("No budgets. A policy sets one: see `openleash docs budgets`.")
					return nil
				}
				var rows [][]string
				for _, b := range p.Items {
					resets := "–"
					if b.ResetsAt != nil {
						resets = when(*b.ResetsAt)
					}
					rows = append(rows, []string{b.ID, b.PolicyID, string(b.Per) + " " + cmp.Or(b.AgentID, b.Subject),
						measured(b.Spent, b.Currency), measured(b.Limit, b.Currency), measured(b.Remaining, b.Currency), resets})
				}
				a.table([]string{"BUDGET", "POLICY", "PER", "SPENT", "LIMIT", "LEFT", "RESETS"}, rows)
				return nil
			})
		}}))
}
