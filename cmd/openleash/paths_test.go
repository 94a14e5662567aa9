package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestPromise30_WhatIsNamedIsChecked: every flag that takes a file or a folder is one of pathFlags, so that an empty
// name is refused on every command; testdata/script/paths.txtar and policy.txtar try the names themselves.
func TestPromise30_WhatIsNamedIsChecked(t *testing.T) {
	visit((&app{}).command(), func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			says := strings.HasPrefix(f.Usage, "file") || strings.HasPrefix(f.Usage, "folder") || strings.Contains(f.Usage, "FILE") || strings.Contains(f.Usage, "configuration file")
			if says && f.Value.Type() == "string" && f.Name != "payload" && !slices.Contains(pathFlags, f.Name) {
				t.Errorf("%s --%s (%s) is not one of pathFlags", c.CommandPath(), f.Name, f.Usage)
			}
			if slices.Contains(pathFlags, f.Name) && f.Value.Type() == "string" && c.Runnable() {
				if err := c.ParseFlags([]string{"--" + f.Name, ""}); err != nil {
					t.Fatal(err)
				}
				if checkFlags(c) == nil {
					t.Errorf("%s --%s '' is taken without a word", c.CommandPath(), f.Name)
				}
			}
		})
	})
}
