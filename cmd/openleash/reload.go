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
	next, inForce, err := a.settings.again(a.flags, a.lookup)
	if err != nil {
		return nil, nil, err
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
		if !adjustable[s.Name] {
			inForce[i] = n.settings()[i] // still active; flags have one order
		}
	}
	live := a.settings // what needs a restart stays as it is
	live.hosts, live.tlsCert, live.tlsKey, live.trustedProxies = next.hosts, next.tlsCert, next.tlsKey, next.trustedProxies
	live.privateWebhooks, live.logLevel = next.privateWebhooks, next.logLevel
	live.proofTTL, live.approvalTTL, live.tokenTTL = next.proofTTL, next.approvalTTL, next.tokenTTL
	live.inviteTTL, live.sessionTTL = next.inviteTTL, next.sessionTTL
	if (live.tlsCert == "") != (a.settings.tlsCert == "") {
		return nil, nil, fmt.Errorf("tls_cert and tls_key: a server starts or stops speaking TLS only with a restart")
	}
	cfg, err := live.server(n, a, inForce)
	if err != nil {
		return nil, nil, err
	}
	if err := n.server.Adjust(cfg); err != nil {
		return nil, nil, err
	}
	n.service.Adjust(live.service(a, n))
	n.inForce.Store(&inForce)
	n.level.Set(live.level())
	a.settings = live
	return changed, waiting, nil
}

func values(settings []setting) map[string]string {
	out := map[string]string{}
	for _, s := range settings {
		out[s.Name] = s.Value
	}
	return out
}

// again resolves the settings anew, with the flags of the same command line.
func (s *settings) again(given *pflag.FlagSet, lookup func(string) (string, bool)) (settings, []setting, error) {
	next := settings{file: s.file}
	all := next.flags()
	var err error
	given.VisitAll(func(f *pflag.Flag) {
		if !f.Changed || err != nil {
			return
		}
		g := all.Lookup(f.Name)
		if list, ok := f.Value.(pflag.SliceValue); ok {
			err = g.Value.(pflag.SliceValue).Replace(list.GetSlice()) // the same flag, made by the same function
		} else {
			err = g.Value.Set(f.Value.String())
		}
		g.Changed = true
	})
	if err != nil {
		return next, nil, err
	}
	inForce, err := next.resolve(all, s.fileGiven, lookup)
	return next, inForce, err
}

// level is the least level of the program's log.
func (s *settings) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(s.logLevel)) // checked when the settings were resolved
	return level
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
