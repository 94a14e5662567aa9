package main

import (
	"net/http"

	"github.com/openleash/openleash-go/docs"
	"github.com/openleash/openleash-go/gui"
)

// portal is the owner's pages, and the documentation under /gui/docs/.
func portal(a *app, n *node) http.Handler {
	inForce := func() []gui.Setting {
		var out []gui.Setting
		for _, s := range n.settings() {
			out = append(out, gui.Setting(s))
		}
		return out
	}
	mux := http.NewServeMux()
	mux.Handle("/gui/docs/", http.StripPrefix("/gui/docs", docs.Handler()))
	mux.Handle("/", gui.New(gui.Config{Service: n.service, Log: n.log, Clock: a.clock, PublicURL: a.settings.url(), Version: version(),
		AdminToken: a.settings.adminToken, Settings: inForce, LogStatus: n.watch.Status}))
	return mux
}
