package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

func importCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "import DIR",
		Short: "Take over the data folder of an existing OpenLeash (Node.js)",
		Long: `Reads owners, agents, policies with what they are bound to, and keys, into a new data folder; DIR is only read.
Ids stay, so agents talk to this server unchanged, with the keys that they have. The old proof keys verify
what they signed; new proofs are signed by a new key. Passphrases cannot be taken over: set one with
` + "`openleash owner passwd`" + `. The old log stays where it is: keep it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := readLegacy(args[0])
			if err != nil {
				return err
			}
			if there, err := a.settings.hasOwner(); err != nil || there {
				return errors.Join(err, advise(fmt.Errorf("%s is set up already; it was left as it is", a.settings.data), "name a new folder with --data"))
			}
			n, err := a.open(cmd.Context(), false)
			if err != nil {
				return err
			}
			taken, err := n.takeOver(cmd.Context(), old)
			if err == nil {
				_, err = n.service.SyncPolicies(cmd.Context())
			}
			if err := errors.Join(err, n.close()); err != nil {
				return err
			}
			return a.showImport(taken)
		},
	}
}

// imported counts what was taken over.
type imported struct {
	Owners   int      `json:"owners"`
	Agents   int      `json:"agents"`
	Policies int      `json:"policies"`
	Keys     int      `json:"keys"`
	Warnings []string `json:"warnings"`
	ids      []string // of the owners
}

// takeOver writes an old folder into the store, in one transaction.
func (n *node) takeOver(ctx context.Context, old *legacyFolder) (out imported, err error) {
	err = n.store.Update(ctx, func(tx store.Tx) error {
		out = imported{Warnings: slices.Clone(old.Warnings)}
		return errors.Join(n.takeOwners(tx, old, &out), n.takeAgents(tx, old, &out), takeKeys(tx, old, &out), n.takePolicies(ctx, tx, old, &out))
	})
	return out, err
}

func (n *node) takeOwners(tx store.Tx, old *legacyFolder, out *imported) error {
	for _, o := range old.Owners {
		owner := store.Owner{ID: o.id(), Type: "HUMAN", DisplayName: o.Name, Status: store.Active, CreatedAt: o.Created.UTC(), UpdatedAt: n.service.Now()}
		if o.Type == "ORG" || o.OrgID != "" {
			owner.Type = "ORG"
		}
		if o.Status != "ACTIVE" {
			owner.Status = store.Revoked
		}
		if err := tx.Insert(owner); err != nil {
			return fmt.Errorf("owner %s: %w", owner.ID, err)
		}
		tx.Append(store.Entry{Type: store.OwnerCreated, Time: n.service.Now(), OwnerID: owner.ID, Data: []byte(`{"by":"import"}`)})
		out.ids = append(out.ids, owner.ID)
		out.Owners++
	}
	return nil
}

func (n *node) takeAgents(tx store.Tx, old *legacyFolder, out *imported) error {
	for _, g := range old.Agents {
		if _, err := proof.ParsePublicKeyB64(g.PublicKey); err != nil || !slices.Contains(out.ids, g.owner()) {
			out.Warnings = append(out.Warnings, fmt.Sprintf("agent %s: without a usable key or an owner; left out", g.AgentID))
			continue
		}
		agent := store.Agent{PrincipalID: g.PrincipalID, AgentID: g.AgentID, OwnerID: g.owner(), PublicKeyB64: g.PublicKey,
			Status: store.Revoked, CreatedAt: g.Created.UTC(), UpdatedAt: n.service.Now()}
		if g.Status == "ACTIVE" {
			agent.Status = store.Active
		}
		if g.WebhookURL != "" {
			agent.Webhook = &store.Webhook{URL: g.WebhookURL, Secret: g.Secret, AuthToken: g.AuthToken}
		}
		if err := tx.Insert(agent); errors.Is(err, store.ErrExists) {
			out.Warnings = append(out.Warnings, fmt.Sprintf("agent %s (%s): its id is another's already; left out", g.AgentID, g.PrincipalID))
			continue
		} else if err != nil {
			return fmt.Errorf("agent %s: %w", g.AgentID, err)
		}
		tx.Append(store.Entry{Type: store.AgentRegistered, Time: n.service.Now(), OwnerID: agent.OwnerID, AgentID: agent.AgentID,
			AgentPrincipalID: agent.PrincipalID, Data: []byte(`{"by":"import"}`)})
		out.Agents++
	}
	return nil
}

// takeKeys keeps the old keys for verifying. They sign nothing more: they signed every kind of token.
func takeKeys(tx store.Tx, old *legacyFolder, out *imported) error {
	for _, k := range old.Keys {
		if _, err := proof.ParsePrivateKeyB64(k.Private); err != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("key %s: %v; left out", k.KID, err))
			continue
		}
		err := tx.Insert(store.Key{KID: k.KID, Purpose: string(proof.PurposeProof), PrivateKeyB64: k.Private, PublicKeyB64: k.Public,
			CreatedAt: k.Created.UTC(), RevokedAt: k.Revoked})
		if err != nil {
			return fmt.Errorf("key %s: %w", k.KID, err)
		}
		out.Keys++
	}
	return nil
}

// takePolicies writes the bindings into the policies. One that this engine refuses is kept beside
// them, out of force, under a name that is no policy's.
func (n *node) takePolicies(ctx context.Context, tx store.Tx, old *legacyFolder, out *imported) error {
	byPrincipal := map[string]string{}
	for _, g := range old.Agents {
		byPrincipal[g.PrincipalID] = g.AgentID
	}
	for _, p := range old.Policies {
		edits := map[string]any{"id": p.ID}
		if len(out.ids) > 1 {
			edits["owner"] = p.Owner
		}
		if p.Name != "" {
			edits["name"] = p.Name
		}
		if !p.All {
			var agents []string
			for _, principal := range p.Agents {
				agents = append(agents, byPrincipal[principal])
			}
			edits["applies_to"] = map[string]any{"agents": agents}
		}
		path := "imported/" + p.ID + ".yaml"
		text, err := compiler.SetHeader(p.Text, edits)
		if err == nil {
			_, ds := rego.Compile(ctx, p.Owner, out.ids, []rego.File{{Path: path, Text: text}}, rego.Options{})
			err = ds.Err()
		}
		if err != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("policy %s is not in force; mend policies/%s.refused and rename it: %v", p.ID, path, err))
			path, text = path+".refused", p.Text
		} else {
			out.Policies++
		}
		if err := tx.Put(store.PolicyFile{Path: path, Text: text}); err != nil {
			return fmt.Errorf("policy %s: %w", p.ID, err)
		}
	}
	return nil
}

func (a *app) showImport(i imported) error {
	if a.asJSON {
		return a.printJSON(i)
	}
	a.say("Taken over: %s, %s, %s, %s.", plural(i.Owners, "owner", "owners"), plural(i.Agents, "agent", "agents"),
		plural(i.Policies, "policy", "policies"), plural(i.Keys, "key", "keys"))
	for _, w := range i.Warnings {
		a.say("  %s %s", a.paint.yellow("!"), indent(printableText(w), "    "))
	}
	a.say("\nNext, for each owner: openleash owner passwd --owner ID")
	return nil
}
