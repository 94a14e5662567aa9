package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// command defines the command line: the program's, its completion's and its man pages' only source.
func (a *app) command() *cobra.Command {
	all := a.settings.flags()
	a.flags = all
	root := &cobra.Command{
		Use:   "openleash",
		Short: "Authorization and proof for AI agents",
		Long: `OpenLeash answers AI agents that ask before they act: ALLOW, DENY or REQUIRE_APPROVAL, by the policies
of their owner. Every ALLOW comes with a signed proof that anyone can check offline, and everything asked
and answered is in a log that cannot be rewritten unnoticed.

Begin with ` + "`openleash demo`" + ` (shows everything on a scratch folder) or ` + "`openleash wizard`" + ` (sets up your own).

A setting is a flag, else a variable OPENLEASH_*, else a key of the configuration file, else its default;
` + "`openleash config`" + ` says which.`,
		Args: knownCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:                    version(),
		SuggestionsMinimumDistance: 2, SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFlags(cmd); err != nil {
				return err
			}
			a.started = true
			return a.settle(cmd, all)
		},
	}
	root.SetVersionTemplate(versionLine() + "{{println}}")
	global := root.PersistentFlags()
	global.SortFlags = false
	global.AddFlag(all.Lookup("data"))
	global.StringVar(&a.settings.file, "config", "./config.yaml", "configuration file")
	global.BoolVar(&a.asJSON, "json", false, "print JSON, for programs")

	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Set up and run", []*cobra.Command{wizardCommand(a), initCommand(a), startCommand(a, all), healthCommand(a), demoCommand(a), configCommand(a, all)}},
		{"Policies", []*cobra.Command{policyCommand(a), testCommand(a), playgroundCommand(a), bundleCommand(a), budgetCommand(a)}},
		{"Owners, agents and approvals", []*cobra.Command{ownerCommand(a), agentCommand(a), approvalCommand(a), draftCommand(a)}},
		{"Proofs and records", []*cobra.Command{verifyCommand(a), auditCommand(a), keysCommand(a), importCommand(a)}},
		{"About the program", []*cobra.Command{benchCommand(a), docsCommand(a), manCommand(), versionCommand(a)}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("About the program")
	root.SetCompletionCommandGroupID("About the program")
	beStrict(root)
	speakPlainly(root)
	a.completeIDs(root)
	return root
}

// beStrict makes the commands that cobra brings refuse words that are no command, as ours do.
func beStrict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				topic, rest, err := root.Find(args)
				if err != nil {
					return err
				}
				return knownCommand(topic, rest)
			}
		case "completion":
			c.Args, c.RunE = knownCommand, needsCommand
		}
	}
}

// settle fixes the settings before a command runs.
func (a *app) settle(cmd *cobra.Command, all *pflag.FlagSet) (err error) {
	switch cmd.Name() {
	case "help", "completion", "bash", "zsh", "fish", "powershell", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
		return nil // a broken configuration is no reason to refuse help
	}
	a.inForce, err = a.settings.resolve(all, cmd.Flags().Changed("config"), a.lookup)
	return err
}

// noun makes a command that only holds others.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: knownCommand, SuggestionsMinimumDistance: 2, RunE: needsCommand}
	c.AddCommand(verbs...)
	return c
}

func needsCommand(cmd *cobra.Command, _ []string) error {
	return misuse("give one of the commands of `%s`", cmd.CommandPath())
}

// knownCommand refuses a word that is no command, and says which one may be meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return noCommand(cmd, args[0])
}
