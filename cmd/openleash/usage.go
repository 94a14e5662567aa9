package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pathFlags are the flags that name a file or a folder. One that is given and empty, as by a shell variable that is not
// set, is wrong usage: what was meant to be read or checked would not be.
var pathFlags = []string{"action", "checkpoint", "config", "data", "env", "keys", "log", "output", "output-env", "passphrase-file",
	"policy", "save-action", "signing-key", "tls-cert", "tls-key"}

// speakPlainly makes a command and those below it say what is wrong with a command line in our words.
func speakPlainly(c *cobra.Command) {
	if check := c.Args; check != nil && c.Runnable() {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err != nil && (strings.HasPrefix(err.Error(), "accepts ") || strings.HasPrefix(err.Error(), "requires at least") || strings.HasPrefix(err.Error(), "unknown command")) {
				return fmt.Errorf("%s given: want `%s`", plural(len(args), "argument was", "arguments were"), cmd.UseLine())
			}
			return err
		}
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		var invalid *pflag.InvalidValueError
		if errors.As(err, &invalid) {
			return fmt.Errorf("--%s is %q: want %s", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid.GetFlag()))
		}
		return err
	})
	for _, sub := range c.Commands() {
		speakPlainly(sub)
	}
}

// wanted says what values a flag takes.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "a duration such as 30s, 10m or 24h"
	case "bool":
		return "true or false"
	case "int", "int64", "uint", "uint64":
		return "a whole number"
	case "float64":
		return "a number"
	}
	return "a " + f.Value.Type()
}

// checkFlags refuses a command line that leaves out a flag that is needed, or names no path where it should.
func checkFlags(cmd *cobra.Command) error {
	var missing []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if len(f.Annotations[cobra.BashCompOneRequiredFlag]) > 0 && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
	})
	if len(missing) > 0 {
		return misuse("give %s", strings.Join(missing, " and "))
	}
	return refuseEmpty(cmd, pathFlags...)
}

// noCommand says that a word is not a command of cmd, and which command may be meant: one of its own, or one anywhere.
func noCommand(cmd *cobra.Command, word string) error {
	err := fmt.Errorf("there is no command %q", word)
	if cmd.HasParent() {
		err = fmt.Errorf("there is no command %q under `%s`", word, cmd.CommandPath())
	}
	var exact, near []string
	visit(cmd.Root(), func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && c != cmd && strings.EqualFold(sub.Name(), word) {
				exact = append(exact, sub.CommandPath())
			}
		}
		if c != cmd && c.HasSubCommands() {
			for _, name := range c.SuggestionsFor(word) {
				near = append(near, c.CommandPath()+" "+name)
			}
		}
	})
	var own []string
	for _, name := range cmd.SuggestionsFor(word) {
		own = append(own, cmd.CommandPath()+" "+name)
	}
	for _, found := range [][]string{exact, own, near} {
		if len(found) > 0 {
			return advise(err, "did you mean `%s`?", strings.Join(found[:min(len(found), 3)], "` or `"))
		}
	}
	return err
}

func visit(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		visit(sub, f)
	}
}

// jsonFault says what is wrong with a JSON text, without the words of Go.
func jsonFault(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s, after %d characters", strings.TrimPrefix(syntax.Error(), "json: "), max(0, syntax.Offset-1))
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s is a %s, which does not fit", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("it is a %s", kind.Value)
	}
	return err
}
