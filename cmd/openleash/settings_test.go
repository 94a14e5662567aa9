package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openleash/openleash-go/docs"
)

// TestSettingsAreDocumented: docs/operations.md names every setting.
func TestSettingsAreDocumented(t *testing.T) {
	page, err := docs.Files.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	new(settings).flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(string(page), "`"+fileKey(f.Name)+"`") {
			t.Errorf("docs/operations.md says nothing of %s", fileKey(f.Name))
		}
	})
}

// TestEveryCommandSaysWhatItDoes: help, man pages and completions are made of these.
func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	seen := map[string]bool{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" && !c.Hidden {
			t.Errorf("%s says nothing of itself", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") || len(c.Short) > 110 {
			t.Errorf("%s: %q is no half a line", c.CommandPath(), c.Short)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing of itself", c.CommandPath(), f.Name)
			}
		})
		if seen[c.CommandPath()] {
			t.Errorf("%s is there twice", c.CommandPath())
		}
		seen[c.CommandPath()] = true
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).command())
	if len(seen) < 50 {
		t.Errorf("only %d commands", len(seen))
	}
}

func TestSettingsURL(t *testing.T) {
	for _, c := range []struct {
		s    settings
		want string
	}{
		{settings{addr: "127.0.0.1:8787"}, "http://127.0.0.1:8787"},
		{settings{addr: "0.0.0.0:80"}, "http://localhost:80"},
		{settings{addr: ":80"}, "http://localhost:80"},
		{settings{addr: "[::]:80"}, "http://localhost:80"},
		{settings{addr: "[::1]:80"}, "http://[::1]:80"},
		{settings{addr: "10.0.0.1:443", tlsCert: "c.pem"}, "https://10.0.0.1:443"},
		{settings{addr: "127.0.0.1:1", publicURL: "https://leash.example.com/"}, "https://leash.example.com"},
	} {
		if got := c.s.url(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.s.addr, got, c.want)
		}
	}
}

// FuzzSettings: a configuration file is settings or an error, whatever stands in it.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"", "addr: 127.0.0.1:1", "hosts: [a, b]", "a: b", "- a", "addr: {}", "addr: &a x\nhosts: [*a]", "proof_ttl: 1h", "\x00", "addr: 1\naddr: 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := &settings{}
		known := s.flags()
		entries, err := parseSettings("config.yaml", []byte(text), known)
		if err != nil {
			return
		}
		for key, e := range entries {
			if known.Lookup(strings.ReplaceAll(key, "_", "-")) == nil {
				t.Errorf("%q is no setting", key)
			}
			_ = fmt.Sprint(e.line)
		}
	})
}
