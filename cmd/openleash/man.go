package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the man pages into a folder", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // G301: man pages are for everybody
				return fmt.Errorf("writing man pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the date would make every build another
			return doc.GenManTree(root, &doc.GenManHeader{Title: "OPENLEASH", Section: "1", Source: "OpenLeash " + version()}, args[0])
		},
	}
}
