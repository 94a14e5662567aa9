package gui

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/policies"
)

// playgroundView is a policy, an action, and what the one says of the other.
type playgroundView struct {
	Scenarios []policies.Scenario
	Chosen    string
	Shows     string
	Policies  []leash.PolicyView // of the owner, to begin with
	Text      string
	Try       tryView
}

func playgroundPage(v *visit) error {
	out := playgroundView{Text: blank["blank"], Try: v.suggestTry("")}
	if id := v.query("policy"); id != "" {
		p, err := v.svc.Policy(v.ctx(), v.caller, id)
		if err != nil {
			return err
		}
		out.Text, out.Try = p.Text, v.suggestTry(id)
	}
	name := v.query("scenario")
	if name == "" && v.query("policy") == "" && len(v.scenarios) > 0 {
		name = v.scenarios[0].Name
	}
	for _, s := range v.scenarios {
		if s.Name == name {
			out.take(s)
		}
	}
	return v.showPlayground(http.StatusOK, out)
}

// take puts a scenario into the fields.
func (p *playgroundView) take(s policies.Scenario) {
	p.Chosen, p.Shows, p.Text, p.Try = s.Name, s.Shows, s.Policy, tryView{}
	var a struct {
		Type         string          `json:"action_type"`
		Payload      json.RawMessage `json:"payload"`
		Context      json.RawMessage `json:"context"`
		RelyingParty struct {
			Domain string `json:"domain"`
		} `json:"relying_party"`
	}
	if json.Unmarshal(s.Action, &a) != nil {
		return
	}
	if a.Payload == nil {
		a.Payload = a.Context
	}
	p.Try.Type, p.Try.Domain = a.Type, a.RelyingParty.Domain
	p.Try.takePayload(json.RawMessage(cmp.Or(string(a.Payload), "{}")))
	if !s.Now.IsZero() {
		p.Try.Now = s.Now.UTC().Format("2006-01-02T15:04")
	}
}

func (v *visit) showPlayground(status int, p playgroundView) error {
	p.Scenarios = v.scenarios
	all, err := v.svc.Policies(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	p.Policies = all[:min(len(all), maxTier)]
	return v.render(status, "playground", "Playground", p)
}

func playground(v *visit) error {
	text := newlines(v.r.PostFormValue("text"))
	out := playgroundView{Text: text, Chosen: v.form("scenario"), Try: v.try(text)}
	if v.fragment() {
		return v.part("playground", "played", out)
	}
	return v.showPlayground(http.StatusOK, out)
}
