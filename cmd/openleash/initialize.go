package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/sdk"
)

func initCommand(a *app) *cobra.Command {
	var w wishes
	var passphraseFile string
	c := &cobra.Command{
		Use:   "init --owner-name NAME --agent-id ID",
		Short: "Set up a data folder without questions",
		Long: `Creates the data folder with its owner, its signing keys, a first policy and a first agent. A folder that
is set up already is left as it is.

The passphrase is the first line of --passphrase-file ("-" is standard input), else OPENLEASH_PASSPHRASE,
else it is generated and printed once.`,
		Example: `  openleash init --owner-name Ann --agent-id shopper --output-env agent.env
  openleash start`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if w.passphrase, err = a.passphrase(passphraseFile); err != nil {
				return err
			}
			s, err := a.setUp(cmd.Context(), w)
			if err != nil {
				return err
			}
			if err := a.showSetUp(s, w); err != nil {
				return err
			}
			a.sayNext()
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&w.name, "owner-name", "", "display name of the owner")
	f.StringVar(&w.agentID, "agent-id", "", "id of the first agent")
	f.StringVar(&passphraseFile, "passphrase-file", "", "file whose first line is the owner's passphrase")
	f.StringVar(&w.profile, "policy-profile", "balanced", "first policy: conservative, balanced, autonomous or none")
	f.StringVar(&w.env, "output-env", "", "file for the agent's environment, with its private key (mode 0600)")
	_ = c.MarkFlagRequired("owner-name") // the flag exists
	_ = c.MarkFlagRequired("agent-id")
	_ = c.RegisterFlagCompletionFunc("policy-profile", cobra.FixedCompletions(
		[]string{"conservative", "balanced", "autonomous", "none"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// wishes are what init and the wizard ask.
type wishes struct {
	name, agentID, profile, passphrase string
	env                                string // file for the agent's environment; empty prints it
}

// setUp is what they made.
type setUp struct {
	Data       string             `json:"data"`
	Owner      leash.OwnerProfile `json:"owner"`
	Agent      *sdk.Registration  `json:"agent"`
	Passphrase string             `json:"passphrase,omitempty"` // if it was generated
	Env        map[string]string  `json:"agent_env,omitempty"`  // if it went to no file
}

// passphrase returns the owner's passphrase from where it is given, or "".
func (a *app) passphrase(file string) (string, error) {
	var text []byte
	var err error
	switch file {
	case "":
		p, _ := a.lookup("OPENLEASH_PASSPHRASE")
		return p, nil
	case "-":
		text, err = io.ReadAll(io.LimitReader(a.in, 4096))
	default:
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("reading the passphrase: the first line of %s is empty", file)
	}
	return line, nil
}

// generatePassphrase makes one of 26 letters and digits, 130 bits, in groups that can be copied by hand.
func generatePassphrase() string {
	t := strings.ToLower(rand.Text())
	return t[:6] + "-" + t[6:13] + "-" + t[13:19] + "-" + t[19:]
}

// setUp creates the owner, the first policy and the first agent.
func (a *app) setUp(ctx context.Context, w wishes) (*setUp, error) {
	if err := a.checkWishes(w); err != nil {
		return nil, err
	}
	var env *secret
	if w.env != "" {
		var err error
		if env, err = newSecret(w.env); err != nil {
			return nil, err
		}
		defer env.drop()
	}
	n, err := a.open(ctx, false)
	if err != nil {
		return nil, err
	}
	s, err := n.setUp(ctx, w)
	if err := errors.Join(err, n.close()); err != nil {
		return nil, err
	}
	s.Data = a.settings.data
	if env != nil {
		return s, env.keep(s.Agent.Env())
	}
	return s, nil
}

// checkWishes refuses what would fail half-way: an owner whose generated passphrase was never shown is locked out.
func (a *app) checkWishes(w wishes) error {
	if err := leash.CheckName(w.name); err != nil {
		return err
	}
	if err := leash.CheckAgentID(w.agentID); err != nil {
		return err
	}
	if err := checkProfile(w.profile); err != nil {
		return misuse("--policy-profile is %q: %w", w.profile, err)
	}
	if w.passphrase != "" {
		if err := leash.CheckPassphrase(w.passphrase); err != nil {
			return err
		}
	}
	return a.checkUnused()
}

// checkUnused refuses a folder that is set up already.
func (a *app) checkUnused() error {
	there, err := a.settings.hasOwner()
	if err != nil {
		return fmt.Errorf("looking for the data folder: %w", err)
	}
	if there {
		return advise(fmt.Errorf("%s is set up already; it was left as it is", a.settings.data),
			"add agents with `openleash agent invite`, or name another folder with --data")
	}
	return nil
}

// setUp creates the owner, the first policy and the first agent.
func (n *node) setUp(ctx context.Context, w wishes) (*setUp, error) {
	s := &setUp{}
	if w.passphrase == "" {
		s.Passphrase = generatePassphrase()
		w.passphrase = s.Passphrase
	}
	var err error
	s.Owner, err = n.service.CreateFirst(ctx, leash.FirstOwner{DisplayName: w.name, Passphrase: w.passphrase, Profile: w.profile})
	if err != nil {
		return nil, err
	}
	key, err := sdk.GenerateKeyPair()
	if err != nil {
		return nil, fmt.Errorf("making the agent's key: %w", err)
	}
	caller := leash.Caller{OwnerID: s.Owner.ID, Admin: true}
	invite, err := n.service.CreateInvite(ctx, caller, leash.InviteInput{})
	if err != nil {
		return nil, err
	}
	r, err := n.service.RedeemInvite(ctx, leash.RedeemInput{InviteID: invite.InviteID, InviteToken: invite.InviteToken,
		AgentID: w.agentID, PublicKeyB64: key.PublicKeyB64()})
	if err != nil {
		return nil, err
	}
	s.Agent = &sdk.Registration{AgentPrincipalID: r.PrincipalID, AgentID: r.AgentID, OwnerType: r.OwnerType, OwnerID: r.OwnerID,
		Status: string(r.Status), CreatedAt: r.CreatedAt, URL: r.OpenLeashURL, KeyPair: key}
	return s, nil
}

// secret is a new file for an agent's environment, which only its owner may read. It is made before the key, since
// a key that cannot be kept has used up the invite and the agent's id.
type secret struct {
	f    *os.File
	kept bool
}

// newSecret makes the file. It replaces none.
func newSecret(name string) (*secret, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, advise(fmt.Errorf("%s exists already; nothing was done", name), "it may hold an agent's only key: name another file with --output-env")
	}
	if err != nil {
		return nil, advise(fmt.Errorf("making the agent's environment: %w", err), "nothing was done: name another file with --output-env")
	}
	return &secret{f: f}, nil
}

// keep writes the environment into the file.
func (s *secret) keep(text string) error {
	s.kept = true
	_, err := s.f.WriteString(text)
	if err := errors.Join(err, s.f.Sync(), s.f.Close()); err != nil {
		return fmt.Errorf("writing the agent's environment: %w", err)
	}
	return nil
}

// drop takes the file away again, unless it was kept.
func (s *secret) drop() {
	if !s.kept {
		_ = s.f.Close() // it is empty
		_ = os.Remove(s.f.Name())
	}
}

func (a *app) showSetUp(s *setUp, w wishes) error {
	if a.asJSON {
		if w.env == "" {
			s.Env = parseEnv(s.Agent.Env())
		}
		return a.printJSON(s)
	}
	policy := "none: everything is denied until you add one"
	if w.profile != "none" {
		policy = filepath.Join(s.Data, "policies", w.profile+".yaml")
	}
	a.say("%s is set up.\n", a.paint.bold(s.Data))
	a.say("  Owner       %s (%s)", printable(s.Owner.DisplayName), s.Owner.ID)
	if s.Passphrase != "" {
		a.say("  Passphrase  %s   %s", a.paint.bold(s.Passphrase), a.paint.yellow("shown this once; the portal asks for it"))
	}
	a.say("  Policy      %s", policy)
	a.say("  Agent       %s (%s)", s.Agent.AgentID, s.Agent.AgentPrincipalID)
	if w.env != "" {
		a.say("  Its key     %s", w.env)
	} else {
		a.say("\nThe agent's environment, with its private key, shown this once:\n\n%s", strings.TrimRight(s.Agent.Env(), "\n"))
	}
	return nil
}

// sayNext says how to go on after the set-up.
func (a *app) sayNext() {
	if !a.asJSON {
		a.say("\nNext: %s", a.paint.bold("openleash start"))
	}
}
