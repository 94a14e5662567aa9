package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/internal/money"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

func verifyCommand(a *app) *cobra.Command {
	var keys, action string
	var amount amountFlags
	want := sdk.Expect{AllowReplay: true} // a look at a proof does not use it up
	c := &cobra.Command{
		Use:   "verify TOKEN",
		Short: "Verify a proof token, offline",
		Long: `Checks a proof with nothing but the public keys: those of --keys (a file, or the URL of a server), or else of
the data folder. What you know of the action is compared: always name at least --action or --audience, lest
a proof for one thing pays for another. Prints the claims, or the reason.`,
		Example: `  openleash keys list --public > keys.json
  openleash verify --keys keys.json --audience shop.example.com v4.public.eyJ…`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refuseEmpty(cmd, "keys", "action", "audience", "agent", "amount", "currency"); err != nil {
				return err
			}
			var err error
			if want.AmountMinor, err = amount.value(cmd); err != nil {
				return err
			}
			want.Currency = amount.currency
			if action != "" {
				hash, err := hashAction(action)
				if err != nil {
					return err
				}
				want.ActionHash = hash
			}
			v, err := a.verifier(cmd.Context(), keys)
			if err != nil {
				return err
			}
			claims, err := v.Verify(cmd.Context(), strings.TrimSpace(args[0]), want)
			return a.showVerification(claims, err, want != (sdk.Expect{}))
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&keys, "keys", "", "file with the public keys, or URL of a server (default: the data folder)")
	f.StringVar(&action, "action", "", "file with the action request that the proof must be for")
	f.StringVar(&want.Audience, "audience", "", "your own domain, which the proof must be for")
	f.StringVar(&want.AgentID, "agent", "", "agent that the proof must be of")
	amount.add(c, "amount that the proof must be for")
	return c
}

// refuseEmpty refuses flags that are given without a word, as by a shell variable that is not set: what was meant to
// be compared would not be.
func refuseEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return misuse("--%s is empty; leave it out if nothing is expected", name)
		}
	}
	return nil
}

func hashAction(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the action: %w", err)
	}
	parsed, err := proof.ParseAction(text)
	if err != nil {
		return "", fmt.Errorf("reading the action: %w", err)
	}
	return parsed.Hash, nil
}

// verifier knows the keys of a file, of a server or of the data folder.
func (a *app) verifier(ctx context.Context, keys string) (*sdk.Verifier, error) {
	if strings.HasPrefix(keys, "http://") || strings.HasPrefix(keys, "https://") {
		return sdk.NewVerifierConfig(sdk.Config{URL: strings.TrimSuffix(keys, "/v1/public-keys"), Clock: a.clock})
	}
	var text json.RawMessage
	var err error
	if keys != "" {
		text, err = os.ReadFile(keys)
	} else {
		err = a.with(ctx, func(c *api) error { return c.call(ctx, http.MethodGet, "/v1/public-keys", nil, &text) })
	}
	if err != nil {
		return nil, fmt.Errorf("reading the public keys: %w", err)
	}
	set, err := proof.ParsePublicKeys(text)
	if err != nil {
		return nil, fmt.Errorf("reading the public keys: %w", err)
	}
	return sdk.NewOfflineVerifier(set), nil
}

// showVerification prints the claims or the reason. compared: something was expected of the proof.
func (a *app) showVerification(c proof.Claims, err error, compared bool) error {
	var invalid *proof.VerifyError
	if err != nil && !errors.As(err, &invalid) {
		return err
	}
	if a.asJSON {
		out := map[string]any{"valid": err == nil, "compared": compared}
		if err != nil {
			out["reason"], out["message"] = invalid.Reason, invalid.Message
		} else {
			out["claims"] = c
		}
		if e := a.printJSON(out); e != nil || err == nil {
			return e
		}
		return exitCode(refused)
	}
	if err != nil {
		a.note("%s  %s: %s", a.paint.bold(a.paint.red("NOT VALID")), invalid.Reason, invalid.Message)
		return exitCode(refused)
	}
	a.say("%s  %s may do %s", a.paint.bold(a.paint.green("VALID")), printable(c.AgentID), a.paint.bold(printable(c.ActionType)))
	a.say("  owner     %s", c.OwnerID)
	if c.AmountMinor != nil {
		a.say("  amount    %s", money.Format(*c.AmountMinor, printable(c.Currency)))
	}
	if c.Audience != "" {
		a.say("  audience  %s", printable(c.Audience))
	}
	a.say("  action    %s", c.ActionHash)
	a.say("  decision  %s", c.DecisionID)
	a.say("  until     %s", when(c.ExpiresAt))
	if !compared {
		a.note("%s nothing was compared: the proof may be for another shop or another action. Name what you expect with --audience, --action, --agent or --amount.",
			a.paint.yellow("Careful:"))
	}
	return nil
}
