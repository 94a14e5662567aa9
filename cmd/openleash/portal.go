package main

import (
	"net/http"

	"github.com/openleash/openleash-go/gui"
	"github.com/openleash/openleash-go/policies"
)

// portal is the owner's pages.
func portal(a *app, n *node) http.Handler {
	return gui.New(gui.Config{Service: n.service, Log: n.log, Clock: a.clock, PublicURL: a.settings.url(), Version: version(),
		Scenarios: scenarios()})
}

// scenarios are what the portal's playground offers; they are part of the program, and a test reads them.
func scenarios() []gui.Scenario {
	all, _ := policies.Scenarios()
	out := make([]gui.Scenario, len(all))
	for i, s := range all {
		out[i] = gui.Scenario{Name: s.Name, Shows: s.Shows, Policy: s.Policy, Action: s.Action, Now: s.Now}
	}
	return out
}
