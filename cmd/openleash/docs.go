package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/docs"
)

func docsCommand(a *app) *cobra.Command {
	var addr string
	c := &cobra.Command{
		Use:   "docs [PAGE]",
		Short: "Read the documentation, here or in a browser, offline",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return pageNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case addr != "":
				return a.serveDocs(cmd, addr)
			case len(args) == 1:
				text, err := fs.ReadFile(docs.Files, path.Base(args[0])+".md")
				if err != nil {
					return misuse("there is no page %q; the pages are %s", args[0], strings.Join(pageNames(), ", "))
				}
				a.say("%s", strings.TrimRight(string(text), "\n"))
				return nil
			}
			a.say("Pages, each read with `openleash docs PAGE`; all of them in a browser with `openleash docs --serve 127.0.0.1:8788`:\n")
			var rows [][]string
			for _, name := range pageNames() {
				rows = append(rows, []string{name, docs.Title(name)})
			}
			a.table([]string{"PAGE", "ABOUT"}, rows)
			return nil
		},
	}
	c.Flags().StringVar(&addr, "serve", "", "address to serve them on, for a browser")
	return c
}

func pageNames() []string {
	names, _ := fs.Glob(docs.Files, "*.md") // a fixed pattern
	for i, n := range names {
		names[i] = strings.TrimSuffix(n, ".md")
	}
	return names
}

func (a *app) serveDocs(cmd *cobra.Command, addr string) error {
	l, err := listen(cmd.Context(), "serve", addr)
	if err != nil {
		return err
	}
	a.say("The documentation is at http://%s; Ctrl-C stops it.", l.Addr())
	s := &http.Server{Handler: docs.Handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-cmd.Context().Done()
		_ = s.Close() // nothing there is worth waiting for
	}()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return fmt.Errorf("serving the documentation: %w", err)
	}
	return nil
}
