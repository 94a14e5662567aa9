package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells the service manager of a change, as sd_notify(3) does; without one it does nothing.
func notify(state string) { _, _ = daemon.SdNotify(false, state) } // there is nobody else to tell

func notifyReloading() { notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec()) }

// pingWatchdog tells the service manager twice in each of its intervals that the server can decide. If it cannot, the
// pings stay away, and the service manager restarts it.
func (n *node) pingWatchdog(ctx context.Context) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		return nil
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if n.ready(ctx) {
			notify(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ready asks what /readyz says.
func (n *node) ready(ctx context.Context) bool {
	answer := httptest.NewRecorder()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", nil)
	if err != nil {
		return false
	}
	n.server.Admin().ServeHTTP(answer, request)
	return answer.Code == http.StatusOK
}
