package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
)

func healthCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Say whether the server that holds the data folder is well",
		Long: `Asks through the admin socket whether the server can decide, and what is wrong with the policy files. Policy files
that do not compile are told, and are no failure: the policies before them stay in force.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, running := a.running(cmd.Context())
			if !running {
				return advise(fmt.Errorf("no server holds %s", a.settings.data), "start one with `openleash start`")
			}
			if err := c.call(cmd.Context(), http.MethodGet, "/readyz", nil, nil); err != nil {
				return err
			}
			return ask(cmd.Context(), a, http.MethodGet, "/v1/admin/health", nil, func(h leash.Health) error {
				a.say("%s", h.Status)
				for _, problems := range h.Errors {
					a.showProblems(problems)
				}
				return nil
			})
		},
	}
}

// showProblems lists what keeps policy files from being in force.
func (a *app) showProblems(problems []leash.Problem) {
	for _, p := range problems {
		a.say("%s %s:%d:%d: %s: %s", a.paint.yellow("not in force:"), printable(p.File), p.Line, p.Column, p.Code, printable(p.Message))
	}
}
