package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// adjustable are the settings that may change while the server runs. All others need a restart.
var adjustable = map[string]bool{"hosts": true, "tls_cert": true, "tls_key": true, "trusted_proxies": true,
	"allow_private_webhooks": true, "proof_ttl": true, "approval_ttl": true, "approval_token_ttl": true,
	"invite_ttl": true, "session_ttl": true, "log_level": true}

// reloadOn reloads the configuration for each signal, until ctx ends or the terminal of the server is closed. Closing a
// terminal sends the same signal, and ends the server as it does other programs.
func (a *app) reloadOn(ctx context.Context, hangUps <-chan os.Signal, n *node, stop func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangUps:
		}
		if in, ok := a.in.(*os.File); ok && a.interactive && !isTerminal(in) {
			stop()
			return nil
		}
		notifyReloading()
		changed, waiting, err := a.reload(n)
		if err != nil {
			n.log.Error("reloading the configuration; the one before stays active", "err", err)
			notify("READY=1\nSTATUS=the configuration cannot be used: " + oneLine(err.Error()))
			continue
		}
		if len(waiting) > 0 {
			n.log.Warn("these settings need a restart to change", "settings", strings.Join(waiting, ", "))
		}
		n.log.Info("the configuration was reloaded", "changed", strings.Join(changed, ", "))
		if !a.asJSON {
			a.say("%s", reloaded(changed, waiting))
		}
		notify("READY=1\nSTATUS=" + reloaded(changed, waiting))
	}
}

// reloaded says what a reload changed.
func reloaded(changed, waiting []string) string {
	text := "Reloaded the configuration and certificates; no setting changed."
	if len(changed) > 0 {
		text = "Reloaded the configuration and certificates; changed: " + strings.Join(changed, ", ") + "."
	}
	if len(waiting) > 0 {
		text += " These need a restart: " + strings.Join(waiting, ", ") + "."
	}
	return text
}

// reload reads the settings again and makes what may change active, all of it or nothing. It returns the names of the
// settings that changed, and of those whose change waits for a restart.
func (a *app) reload(n *node) (changed, waiting []string, err error) {
	next, all, inForce, err := a.settings.again(a.flags, a.lookup)
	if err != nil {
		return nil, nil, err
	}
	if (next.tlsCert == "") != (a.settings.tlsCert == "") {
		return nil, nil, fmt.Errorf("tls_cert and tls_key: a server starts or stops speaking TLS only with a restart")
	}
	before, after := values(n.settings()), values(inForce)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		switch {
		case before[name] == after[name]:
		case adjustable[name]:
			changed = append(changed, name)
		default:
			waiting = append(waiting, name)
		}
	}
	for i, s := range inForce {
		if adjustable[s.Name] {
			continue
		}
		inForce[i] = n.settings()[i] // still active; flags have one order
		flag := flagOf(s.Name)
		if err := copyFlag(all.Lookup(flag), a.flags.Lookup(flag)); err != nil {
			return nil, nil, err
		}
	}
	cfg, err := next.server(n, a, inForce)
	if err != nil {
		return nil, nil, err
	}
	if err := n.server.Adjust(cfg); err != nil {
		return nil, nil, err
	}
	n.service.Adjust(next.service(a, n))
	n.inForce.Store(&inForce)
	n.level.Set(next.level())
	a.settings = *next
	return changed, waiting, nil
}

func values(settings []setting) map[string]string {
	out := map[string]string{}
	for _, s := range settings {
		out[s.Name] = s.Value
	}
	return out
}

// again resolves the settings anew, with the flags of the same command line. all are the flags of next.
func (s *settings) again(given *pflag.FlagSet, lookup func(string) (string, bool)) (next *settings, all *pflag.FlagSet, inForce []setting, err error) {
	next = &settings{file: s.file}
	all = next.flags()
	given.VisitAll(func(f *pflag.Flag) {
		if !f.Changed || err != nil {
			return
		}
		g := all.Lookup(f.Name)
		err = copyFlag(g, f)
		g.Changed = true
	})
	if err == nil {
		inForce, err = next.resolve(all, s.fileGiven, lookup)
	}
	return next, all, inForce, err
}

// copyFlag gives a flag the value of another one, made by the same function.
func copyFlag(to, from *pflag.Flag) error {
	if list, ok := from.Value.(pflag.SliceValue); ok {
		return to.Value.(pflag.SliceValue).Replace(list.GetSlice())
	}
	return to.Value.Set(from.Value.String())
}

// level is the least level of the program's log.
func (s *settings) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(s.logLevel)) // checked when the settings were resolved
	return level
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
