package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
)

func healthCommand(a *app) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "health",
		Short: "Say whether the server that holds the data folder is well",
		Long: `Asks through the admin socket whether the server can decide, and what is wrong with the policy files. Policy files
that cannot be used are listed and are not a failure: their last good versions stay active. Files that are not
policies are listed too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, running := a.running(cmd.Context())
			if !running {
				return a.noServer()
			}
			ready := c.call(cmd.Context(), http.MethodGet, "/readyz", nil, nil)
			return errors.Join(ask(cmd.Context(), a, http.MethodGet, "/v1/admin/health", nil, func(h leash.Health) error {
				a.say("%s", h.Status)
				if h.Fault != "" {
					a.say("%s %s", a.paint.red("cannot decide:"), printable(h.Fault))
				}
				a.showPolicyFiles(h)
				if ready == nil && strict && h.Status != "ok" {
					return exitCode(refused)
				}
				return nil
			}), ready)
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "fail if the server is degraded, too")
	return c
}

// noServer says why no server answers on the admin socket: there is none, or this user may not open it.
func (a *app) noServer() error {
	conn, err := net.Dial("unix", a.settings.socket()) //nolint:noctx // a local socket answers at once
	if err == nil {
		return conn.Close()
	}
	if errors.Is(err, fs.ErrPermission) {
		return advise(fmt.Errorf("this user may not open %s", a.settings.socket()), "run the command as the user that runs the server")
	}
	return advise(fmt.Errorf("no server holds %s", a.settings.data), "start one with `openleash start`")
}

// showPolicyFiles lists the policy files that are not active as they are on disk.
func (a *app) showPolicyFiles(h leash.Health) {
	for _, owner := range slices.Sorted(maps.Keys(h.Errors)) {
		a.showProblems(h.Errors[owner])
	}
	a.showIgnored(h.Ignored)
}

// showProblems lists what keeps policy files from being active.
func (a *app) showProblems(problems []leash.Problem) {
	for _, p := range problems {
		a.say("%s policies/%s:%d:%d: %s: %s", a.paint.yellow("not active:"), printable(p.File), p.Line, p.Column, p.Code, printable(p.Message))
	}
}

// showIgnored lists the files in the policies folder that are not policies.
func (a *app) showIgnored(files []string) {
	for _, file := range files {
		a.say("%s policies/%s: not a policy: those end in .yaml, .yml, .json or .rego", a.paint.yellow("ignored:"), printable(file))
	}
}
