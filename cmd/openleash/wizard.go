package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"charm.land/huh/v2"
	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/policies"
	"github.com/openleash/openleash-go/rego"
)

func wizardCommand(a *app) *cobra.Command {
	var env string
	c := &cobra.Command{
		Use:   "wizard",
		Short: "Set up a data folder, by asking",
		Long: `Asks your name, a passphrase, the first agent and how much it may do at first; creates everything; and shows
three sample decisions. The agent's environment, with its private key, goes into a file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkUnused(); err != nil {
				return err
			}
			w := wishes{agentID: "my-agent", profile: "balanced"}
			if err := a.askWishes(cmd.Context(), &w); err != nil {
				return err
			}
			w.env = cmp.Or(env, w.agentID+".env")
			s, err := a.setUp(cmd.Context(), w)
			if err != nil {
				return err
			}
			if err := a.showSetUp(s, w); err != nil || a.asJSON {
				return err
			}
			if err := a.showSamples(cmd.Context(), w.profile); err != nil {
				return err
			}
			a.sayNext()
			return nil
		},
	}
	c.Flags().StringVar(&env, "output-env", "", "file for the agent's environment, with its private key (default: the agent's id and .env)")
	return c
}

// profiles are the first policies to choose from.
func profiles() []choice {
	return []choice{
		{"conservative", "nearly everything asks you first"},
		{"balanced", "small things pass, larger ones ask, the largest are refused"},
		{"autonomous", "most things pass, within limits"},
		{"none", "write your own; everything is denied until then"},
	}
}

type choice struct{ name, meaning string }

func checkProfile(name string) error {
	var names []string
	for _, p := range profiles() {
		if p.name == name {
			return nil
		}
		names = append(names, p.name)
	}
	return fmt.Errorf("want one of %s", strings.Join(names, ", "))
}

// askWishes asks on a terminal with a form, and elsewhere line by line.
func (a *app) askWishes(ctx context.Context, w *wishes) error {
	if a.interactive {
		return a.askByForm(ctx, w)
	}
	return a.askByLine(w)
}

func (a *app) askByForm(ctx context.Context, w *wishes) error {
	var again string
	var options []huh.Option[string]
	for _, p := range profiles() {
		options = append(options, huh.NewOption(p.name+" – "+p.meaning, p.name))
	}
	form := huh.NewForm(
		huh.NewGroup(
			huh.NewInput().Title("Your name").Description("as agents and the portal show it").Value(&w.name).Validate(plainly(leash.CheckName)),
			huh.NewInput().Title("Passphrase").Description("for the portal; at least 8 characters").EchoMode(huh.EchoModePassword).
				Value(&w.passphrase).Validate(checkChosenPassphrase),
			huh.NewInput().Title("Once more").EchoMode(huh.EchoModePassword).Value(&again).Validate(func(s string) error {
				if s != w.passphrase {
					return errors.New("it is not the same")
				}
				return nil
			}),
		),
		huh.NewGroup(
			huh.NewInput().Title("Your first agent").Description("its id, unique on this server").Value(&w.agentID).Validate(plainly(leash.CheckAgentID)),
			huh.NewSelect[string]().Title("What may it do at first?").Options(options...).Value(&w.profile),
		),
	).WithInput(a.in).WithOutput(a.err)
	if err := form.RunWithContext(ctx); errors.Is(err, huh.ErrUserAborted) {
		return errors.New("nothing was set up")
	} else if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	return nil
}

// askByLine asks where there is no terminal: one answer a line, an empty line takes the default.
func (a *app) askByLine(w *wishes) error {
	lines := bufio.NewReader(a.in)
	var names []string
	for _, p := range profiles() {
		names = append(names, p.name)
	}
	for _, q := range []struct {
		question string
		answer   *string
		check    func(string) error
	}{
		{"Your name", &w.name, plainly(leash.CheckName)},
		{"Passphrase, at least 8 characters", &w.passphrase, checkChosenPassphrase},
		{"Your first agent", &w.agentID, plainly(leash.CheckAgentID)},
		{"Policy profile: " + strings.Join(names, ", "), &w.profile, checkProfile},
	} {
		if err := a.askLine(lines, q.question, q.answer, q.check); err != nil {
			return err
		}
	}
	a.note("")
	return nil
}

// askLine asks until the answer is one.
func (a *app) askLine(lines *bufio.Reader, question string, answer *string, check func(string) error) error {
	for {
		if *answer != "" {
			question = strings.TrimSuffix(question, " ["+*answer+"]") + " [" + *answer + "]"
		}
		fmt.Fprintf(a.err, "%s: ", question) // the result alone goes to standard output
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return advise(errors.New("the answers ended too early; nothing was set up"), "without a terminal, `openleash init` takes flags")
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading an answer: %w", err)
		}
		given := strings.TrimRight(line, "\r\n")
		if given == "" {
			given = *answer
		}
		if err := check(given); err == nil {
			*answer = given
			return nil
		} else {
			a.note("  %v", err)
		}
	}
}

// newPassphrase asks for one on a terminal, twice.
func (a *app) newPassphrase(ctx context.Context) (string, error) {
	var first, again string
	if !a.interactive {
		return "", misuse("there is no terminal to ask on: give --passphrase-file, or OPENLEASH_PASSPHRASE")
	}
	form := huh.NewForm(huh.NewGroup(
		huh.NewInput().Title("New passphrase").EchoMode(huh.EchoModePassword).Value(&first).Validate(checkChosenPassphrase),
		huh.NewInput().Title("Once more").EchoMode(huh.EchoModePassword).Value(&again).Validate(func(s string) error {
			if s != first {
				return errors.New("it is not the same")
			}
			return nil
		}),
	)).WithInput(a.in).WithOutput(a.err)
	if err := form.RunWithContext(ctx); err != nil {
		return "", fmt.Errorf("asking for the passphrase: %w", err)
	}
	return first, nil
}

// showSamples shows what the first policy decides.
func (a *app) showSamples(ctx context.Context, profile string) error {
	if profile == "none" {
		return nil
	}
	text, err := policies.Profile(profile)
	if err != nil {
		return err
	}
	a.say("\nThree samples of what the policy %s decides:\n", a.paint.bold(profile))
	subject := rego.Subject{AgentID: "my-agent", PrincipalID: "agt_sample", OwnerID: localOwner, OwnerType: "HUMAN"}
	var rows [][]string
	for _, amount := range []int64{45, 250, 600} {
		action, err := json.Marshal(map[string]any{"action_type": "purchase.order",
			"payload": map[string]any{"amount": amount, "amount_minor": amount * 100, "currency": "USD"}})
		if err != nil {
			return err
		}
		answer, err := leash.Try(ctx, string(text), action, subject, a.clock())
		if err != nil {
			return err
		}
		rows = append(rows, []string{"purchase.order", fmt.Sprintf("%d USD", amount), string(answer.Result), answer.Reason})
	}
	a.table([]string{"ACTION", "AMOUNT", "DECISION", "BECAUSE"}, rows)
	return nil
}
