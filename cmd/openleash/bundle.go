package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/rego"
)

func bundleCommand(a *app) *cobra.Command {
	var output, key string
	signing := rego.Signing{}
	c := &cobra.Command{Use: "bundle -o FILE", Short: "Write the policies in force as a bundle for stock OPA", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var engine *rego.Engine
			err := a.with(cmd.Context(), func(c *api) (err error) {
				engine, err = c.engine(cmd)
				return err
			})
			if err != nil {
				return err
			}
			if len(engine.Policies()) == 0 {
				return errors.New("there are no policies to bundle")
			}
			var how *rego.Signing
			if key != "" {
				pem, err := os.ReadFile(key)
				if err != nil {
					return fmt.Errorf("reading the signing key: %w", err)
				}
				signing.Key, how = string(pem), &signing
			}
			var b bytes.Buffer
			if err := rego.WriteBundle(&b, engine, how); err != nil {
				return fmt.Errorf("making the bundle: %w", err)
			}
			if err := os.WriteFile(output, b.Bytes(), 0o600); err != nil {
				return fmt.Errorf("writing the bundle: %w", err)
			}
			if a.asJSON {
				return a.printJSON(map[string]any{"file": output, "revision": engine.Revision(), "policies": len(engine.Policies())})
			}
			a.say("wrote %s with %s, revision %s", output, plural(len(engine.Policies()), "policy", "policies"), engine.Revision())
			return nil
		}}
	c.Flags().StringVarP(&output, "output", "o", "bundle.tar.gz", "file to write")
	c.Flags().StringVar(&key, "signing-key", "", "file with the PEM private key, or the secret, that signs the bundle")
	c.Flags().StringVar(&signing.Algorithm, "signing-alg", "ES256", "its JWS algorithm, such as ES256, RS256, EdDSA or HS256")
	c.Flags().StringVar(&signing.KeyID, "signing-key-id", "", "its name, for OPA to choose by")
	return forOwner(a, c)
}

// engine compiles the owner's policies from their texts.
func (c *api) engine(cmd *cobra.Command) (*rego.Engine, error) {
	ctx := cmd.Context()
	var owner leash.OwnerProfile
	if err := c.call(ctx, http.MethodGet, "/v1/owner/profile", nil, &owner); err != nil {
		return nil, err
	}
	var list page[leash.PolicyView]
	if err := c.call(ctx, http.MethodGet, policiesPath, nil, &list); err != nil {
		return nil, err
	}
	var files []rego.File
	for _, item := range list.Items {
		var p leash.PolicyView
		if err := c.call(ctx, http.MethodGet, policyPath(item.ID), nil, &p); err != nil {
			return nil, err
		}
		files = append(files, rego.File{Path: p.File, Text: []byte(p.Text)})
	}
	engine, ds := rego.Compile(ctx, owner.ID, []string{owner.ID}, files, rego.Options{})
	return engine, ds.Err()
}
