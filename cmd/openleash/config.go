package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func configCommand(a *app, all *pflag.FlagSet) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the settings in force, and where each comes from",
		Long: `A setting is a flag, else a variable, else a key of the configuration file, else its default. This prints
them all as they are for this command line; the flags are those of ` + "`openleash start`" + `.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.asJSON {
				return a.printJSON(a.inForce)
			}
			var rows [][]string
			for _, s := range a.inForce {
				rows = append(rows, []string{s.Name, orDash(s.Value), s.Source})
			}
			a.table([]string{"SETTING", "VALUE", "FROM"}, rows)
			return nil
		},
	}
	addSettings(c, all)
	return c
}
