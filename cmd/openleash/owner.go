package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
)

// forOwner gives a noun the flag --owner, for installations with several owners.
func forOwner(a *app, c *cobra.Command) *cobra.Command {
	c.PersistentFlags().StringVar(&a.owner, "owner", "", "owner to act for (default: the only one)")
	return c
}

func ownerCommand(a *app) *cobra.Command {
	return noun("owner", "Owners: list, add, invite, passwd, revoke",
		ownerList(a), ownerAdd(a), ownerInvite(a), ownerPasswd(a), ownerRevoke(a))
}

func ownerList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the owners", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), a, http.MethodGet, "/v1/admin/owners", nil, func(p page[leash.OwnerProfile]) error {
				var rows [][]string
				for _, o := range p.Items {
					rows = append(rows, []string{o.ID, o.DisplayName, o.Type, string(o.Status), yes(o.SetUp), yes(o.TOTPEnabled)})
				}
				a.table([]string{"ID", "NAME", "TYPE", "STATUS", "PASSPHRASE", "TOTP"}, rows)
				return nil
			})
		}}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func ownerAdd(a *app) *cobra.Command {
	var kind string
	c := &cobra.Command{Use: "add NAME", Short: "Add an owner, who sets a passphrase with `owner invite`", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]string{"display_name": args[0], "owner_type": kind}
			return ask(cmd.Context(), a, http.MethodPost, "/v1/admin/owners", in, func(o leash.OwnerProfile) error {
				a.say("Added %s (%s).\nNext: openleash owner invite %s", printable(o.DisplayName), o.ID, o.ID)
				return nil
			})
		}}
	c.Flags().StringVar(&kind, "type", "HUMAN", "HUMAN or ORG")
	return c
}

func ownerInvite(a *app) *cobra.Command {
	return &cobra.Command{Use: "invite ID", Short: "Let an owner set a passphrase, also one who lost it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/v1/admin/owners/" + url.PathEscape(args[0]) + "/setup-invite"
			return ask(cmd.Context(), a, http.MethodPost, path, empty{}, func(g leash.InviteGrant) error {
				a.say("Open this address within its life, until %s. It works once, and is shown this once:\n\n  %s", when(g.ExpiresAt), g.InviteURL)
				return nil
			})
		}}
}

func ownerPasswd(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{Use: "passwd", Short: "Set an owner's passphrase, and end all log-ins", Args: cobra.NoArgs,
		Long: `Sets the passphrase of the only owner, or of the one that --owner names. It is the first line of
--passphrase-file ("-" is standard input), else OPENLEASH_PASSPHRASE, else it is asked for.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.passphrase(file)
			if err == nil && p == "" {
				p, err = a.newPassphrase(cmd.Context())
			}
			if err != nil {
				return err
			}
			return ask(cmd.Context(), a, http.MethodPut, "/v1/owner/profile", map[string]string{"passphrase": p}, func(o leash.OwnerProfile) error {
				a.say("The passphrase of %s is set; whoever was logged in no longer is.", printable(o.DisplayName))
				return nil
			})
		}}
	c.Flags().StringVar(&file, "passphrase-file", "", "file whose first line is the passphrase")
	return forOwner(a, c)
}

func ownerRevoke(a *app) *cobra.Command {
	return &cobra.Command{Use: "revoke ID", Short: "End an owner: log-ins end, and the agents can do nothing more", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodDelete, "/v1/admin/owners/"+url.PathEscape(args[0]), nil, func(struct{}) error {
				a.say("%s is revoked.", args[0])
				return nil
			})
		}}
}
