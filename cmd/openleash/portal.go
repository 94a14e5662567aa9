package main

import (
	"net/http"

	"github.com/openleash/openleash-go/gui"
)

// portal is the owner's pages.
func portal(a *app, n *node) http.Handler {
	return gui.New(gui.Config{Service: n.service, Log: n.log, Clock: a.clock, PublicURL: a.settings.url(), Version: version(),
		LogStatus: n.watch.Status})
}
