package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
)

func startCommand(a *app, all *pflag.FlagSet) *cobra.Command {
	c := &cobra.Command{
		Use: "start", SuggestFor: []string{"serve", "server", "run", "up"},
		Short: "Serve agents, the portal and the API",
		Long: `Serves until SIGINT or SIGTERM, then finishes what is in flight. SIGHUP reloads the configuration and certificates,
and says which settings need a restart. A policy file that is saved while it runs is active at once. On an empty
folder the portal's first page sets up the owner, with the code that start prints.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context()) },
	}
	addSettings(c, all)
	return c
}

// addSettings makes the settings flags of a command. The data folder is a flag of all of them.
func addSettings(c *cobra.Command, all *pflag.FlagSet) {
	c.Flags().SortFlags = false
	all.VisitAll(func(f *pflag.Flag) {
		if f.Name != "data" {
			c.Flags().AddFlag(f)
		}
	})
}

// gcPercent is the server's garbage collection target, unless GOGC sets another. A decision leaves much
// garbage beside a small heap, so collecting half as often as Go's default saves CPU. GOMEMLIMIT, which
// the runtime honours, bounds the memory.
const gcPercent = 200

// serve runs the server until ctx ends.
func (a *app) serve(ctx context.Context) (err error) {
	if _, set := a.lookup("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	public, err := listen(ctx, "addr", a.settings.addr)
	if err != nil {
		return err
	}
	defer public.Close()
	var metrics net.Listener
	if a.settings.metricsAddr != "" {
		if metrics, err = listen(ctx, "metrics_addr", a.settings.metricsAddr); err != nil {
			return err
		}
		defer metrics.Close()
	}
	a.settings.addr = public.Addr().String() // which port, if any would do
	n, err := a.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	socket, err := listenSocket(ctx, a.settings.socket())
	if err != nil {
		return err
	}
	defer socket.Close()
	if err := a.announce(ctx, n); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return n.run(ctx, public, socket) })
	all.Go(func() error { return a.reloadOn(ctx, hangUps, n, stop) })
	all.Go(func() error { return n.pingWatchdog(ctx) })
	if metrics != nil {
		all.Go(func() error { return serveMetrics(ctx, metrics, n.server.Admin()) })
	}
	notify(daemon.SdNotifyReady)
	context.AfterFunc(ctx, func() { notify(daemon.SdNotifyStopping) })
	if err := all.Wait(); err != nil {
		return err
	}
	if !a.asJSON {
		a.say("Stopped.")
	}
	return nil
}

// run runs everything that a server consists of, until ctx or one of them ends.
func (n *node) run(ctx context.Context, listeners ...net.Listener) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return n.server.Serve(ctx, listeners...) })
	all.Go(func() error { return n.server.DeliverWebhooks(ctx) })
	all.Go(func() error { return n.watch.run(ctx) })
	all.Go(func() error { return n.expireApprovals(ctx) })
	all.Go(func() error {
		return n.store.WatchPolicies(ctx, n.policyScan, func() {
			if err := n.server.SyncPolicies(ctx); err != nil && ctx.Err() == nil {
				n.log.Error("reading the policies", "err", err)
			}
		})
	})
	if err := all.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// expireEvery is how long an approval request may have run out before the log says so.
const expireEvery = time.Second

// expireApprovals records approval requests that run out, until ctx ends.
func (n *node) expireApprovals(ctx context.Context) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := n.service.ExpireApprovals(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("recording approval requests that have expired", "err", err)
		}
	}
}

// maxSocketPath is what every system takes as the path of a Unix socket, in bytes.
const maxSocketPath = 103

// listenSocket opens the admin plane. Who holds the folder's lock may remove an old socket.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, advise(fmt.Errorf("the path of the admin socket, %s, is longer than %d bytes", path, maxSocketPath),
			"choose a shorter --data, for example relative to the working directory")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing the old admin socket: %w", err)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the admin socket: %w", err)
	}
	// Until then the folder, 0700, keeps others out.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the admin socket: %w", err), l.Close())
	}
	return l, nil
}

// serveMetrics serves the parts of the admin plane that a scraper and an orchestrator need.
func serveMetrics(ctx context.Context, l net.Listener, admin http.Handler) error {
	mux := http.NewServeMux()
	for _, path := range []string{"/metrics", "/livez", "/readyz"} {
		mux.Handle("GET "+path, admin)
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // nothing there is worth waiting for
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

// announce says what is served and where.
func (a *app) announce(ctx context.Context, n *node) error {
	s := &a.settings
	code, err := n.service.SetupCode(ctx)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(map[string]any{"url": s.url(), "socket": s.socket(), "data": s.data, "pid": os.Getpid(), "setup_code": code})
	}
	a.say("%s %s serves %s\n", a.paint.bold("OpenLeash"), version(), s.data)
	a.say("  API       %s   reference at %s/reference", s.url(), s.url())
	if !s.noGUI {
		a.say("  Portal    %s/gui", s.url())
	}
	a.say("  Policies  %s   a file saved there is active at once", filepath.Join(s.data, "policies"))
	if s.metricsAddr != "" {
		a.say("  Metrics   http://%s/metrics", s.metricsAddr)
	}
	health, err := n.service.PolicyHealth(ctx)
	if err != nil {
		return err
	}
	if len(health.Errors)+len(health.Ignored) > 0 {
		a.say("")
	}
	a.showPolicyFiles(health)
	if code != "" {
		a.say("\nNothing is set up yet. Open the portal and enter this code, which works once:\n\n  %s\n\nor stop, and run `openleash wizard`.", a.paint.bold(code))
	}
	if host, _, _ := net.SplitHostPort(s.addr); s.tlsCert == "" && !loopback(host) {
		a.say("\n%s other machines reach this address, and it speaks no TLS. Set tls_cert and tls_key, or put a proxy before it.", a.paint.yellow("Careful:"))
	}
	a.say("\nCtrl-C stops it.")
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
