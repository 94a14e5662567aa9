package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
)

func keysCommand(a *app) *cobra.Command {
	return noun("keys", "The server's signing keys: list, rotate, revoke", keysList(a), keysRotate(a), keysRevoke(a))
}

func keysList(a *app) *cobra.Command {
	var public bool
	c := &cobra.Command{Use: "list", Short: "List the keys, newest first; --public prints what counterparties verify with", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if public {
				return ask(cmd.Context(), a, http.MethodGet, "/v1/public-keys", nil, func(keys struct {
					Keys []proof.PublicKey `json:"keys"`
				}) error {
					return a.printJSON(keys)
				})
			}
			return ask(cmd.Context(), a, http.MethodGet, "/v1/admin/keys", nil, func(p page[leash.KeyView]) error {
				var rows [][]string
				for _, k := range p.Items {
					rows = append(rows, []string{k.KID, string(k.Purpose), keyStatus(k), when(k.CreatedAt)})
				}
				a.table([]string{"KID", "PURPOSE", "STATUS", "SINCE"}, rows)
				return nil
			})
		}}
	c.Flags().BoolVar(&public, "public", false, "print the public keys as GET /v1/public-keys gives them")
	return c
}

func keyStatus(k leash.KeyView) string {
	switch {
	case k.RevokedAt != nil:
		return "REVOKED"
	case k.Active:
		return "ACTIVE"
	}
	return "retired" // verifies what it signed
}

func keysRotate(a *app) *cobra.Command {
	var purpose string
	c := &cobra.Command{Use: "rotate", Short: "Put a new key in force; tokens of the old one stay valid until they expire", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), a, http.MethodPost, "/v1/admin/keys/rotate", map[string]string{"purpose": purpose}, func(k leash.KeyView) error {
				a.say("%s signs %s tokens now. Counterparties that keep a copy of the public keys need a new one.", a.paint.bold(k.KID), k.Purpose)
				return nil
			})
		}}
	c.Flags().StringVar(&purpose, "purpose", "proof", "proof, approval, user_session or log")
	return c
}

func keysRevoke(a *app) *cobra.Command {
	return &cobra.Command{Use: "revoke KID", Short: "Make all tokens of a key invalid at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodPost, "/v1/admin/keys/"+url.PathEscape(args[0])+"/revoke", empty{}, func(struct{}) error {
				a.say("%s is revoked, and so is every token that it signed.", args[0])
				return nil
			})
		}}
}
