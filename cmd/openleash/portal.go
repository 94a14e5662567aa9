package main

import (
	"net/http"

	"github.com/openleash/openleash-go/gui"
	"github.com/openleash/openleash-go/policies"
)

// portal is the owner's pages.
func portal(a *app, n *node) (http.Handler, error) {
	all, err := policies.Scenarios()
	if err != nil {
		return nil, err
	}
	var scenarios []gui.Scenario
	for _, s := range all {
		scenarios = append(scenarios, gui.Scenario{Name: s.Name, Shows: s.Shows, Policy: s.Policy, Action: s.Action, Now: s.Now})
	}
	return gui.New(gui.Config{Service: n.service, Log: n.log, Clock: a.clock, PublicURL: a.settings.url(), Version: version(),
		Scenarios: scenarios, LogStatus: n.watch.Status}), nil
}
