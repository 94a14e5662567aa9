package gui

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/openleash/openleash-go/internal/money"
)

// action is what a page says of an action request.
type action struct {
	Type     string
	Amount   string // for reading; empty if the action has none
	Minor    int64  // in minor units of Currency, if Counts
	Currency string
	Counts   bool
	To       string // whom it concerns: a domain, a merchant, a recipient
	Facts    []fact // everything else of the payload
}

// fact is one member of a payload. Long is JSON or a long text, shown by itself.
type fact struct {
	Name, Value string
	Long        bool
}

// recipients are members of a payload that say whom an action concerns.
var recipients = []string{"merchant_domain", "domain", "merchant", "vendor", "recipient", "to", "url"}

// readAction reads a recorded action. What it cannot read stays out: the whole is shown beside it.
func readAction(raw json.RawMessage) action {
	var in struct {
		Type     string                     `json:"action_type"`
		Payload  map[string]json.RawMessage `json:"payload"`
		Context  map[string]json.RawMessage `json:"context"`
		RP       struct{ Domain string }    `json:"relying_party"`
		Resource struct {
			ID   string `json:"resource_id"`
			Type string `json:"resource_type"`
		} `json:"resource"`
	}
	if json.Unmarshal(raw, &in) != nil {
		return action{}
	}
	payload := in.Payload
	if payload == nil {
		payload = in.Context
	}
	a := action{Type: in.Type, To: in.RP.Domain}
	a.readAmount(payload)
	told := a.told()
	for _, name := range recipients {
		if s, ok := stringOf(payload[name]); ok && (a.To == "" || a.To == s) {
			a.To, told[name] = s, true
		}
	}
	if in.Resource.ID != "" {
		a.Facts = append(a.Facts, fact{Name: "Resource", Value: strings.TrimSpace(in.Resource.Type + " " + in.Resource.ID)})
	}
	for name := range told {
		delete(payload, name)
	}
	a.addFacts("", payload)
	return a
}

// told are the members of the payload that the amount says already.
func (a *action) told() map[string]bool {
	if a.Counts {
		return map[string]bool{"amount_minor": true, "amount": true, "currency": true}
	}
	return map[string]bool{}
}

// maxFlat bounds the objects whose members are shown as facts of their own.
const maxFlat = 8

// addFacts adds the members of an object, in order, and those of small objects in it.
func (a *action) addFacts(prefix string, members map[string]json.RawMessage) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var inner map[string]json.RawMessage
		if prefix == "" && json.Unmarshal(members[name], &inner) == nil && len(inner) > 0 && len(inner) <= maxFlat {
			a.addFacts(name+" ", inner)
			continue
		}
		a.Facts = append(a.Facts, factOf(prefix+name, members[name]))
	}
}

func factOf(name string, raw json.RawMessage) fact {
	if s, ok := stringOf(raw); ok {
		return fact{name, s, len(s) > maxShown || strings.Contains(s, "\n")}
	}
	text := strings.TrimSpace(string(raw))
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return fact{name, indented(raw), true}
	}
	return fact{name, text, len(text) > maxShown}
}

func stringOf(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// readAmount finds how much money an action is about: amount_minor in minor units, or amount in the
// currency's own unit.
func (a *action) readAmount(payload map[string]json.RawMessage) {
	a.Currency, _ = stringOf(payload["currency"])
	if minor, err := strconv.ParseInt(string(payload["amount_minor"]), 10, 64); err == nil {
		a.Minor, a.Counts, a.Amount = minor, a.Currency != "", amount(minor, a.Currency)
		return
	}
	text := string(payload["amount"])
	if _, err := strconv.ParseFloat(text, 64); err != nil || len(text) > 40 {
		return
	}
	a.Amount = strings.TrimSpace(text + " " + a.Currency)
	if minor, err := money.ParseIn(text, a.Currency); err == nil {
		a.Minor, a.Counts, a.Amount = minor, true, amount(minor, a.Currency)
	}
}
