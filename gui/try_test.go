package gui

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestTryTakesAmounts: an amount is typed in its own unit, and the request has it in minor units.
func TestTryTakesAmounts(t *testing.T) {
	for _, c := range []struct{ amount, payload, want string }{
		{"45.00 USD", `{"item":"pen"}`, `"payload":{"amount_minor":4500,"currency":"USD","item":"pen"}`},
		{"4,500 JPY", ``, `"payload":{"amount_minor":4500,"currency":"JPY"}`},
		{"", `{"amount":45.10}`, `"payload":{"amount":45.10}`},
		{"45.001 USD", `{}`, "! at most 2 digits"},
		{"45", `{}`, "! such as 50.00 EUR"},
		{"45 USD", `{"currency":"EUR"}`, "! leave one of them out"},
		{"45 USD", `[1]`, "! JSON object"},
		{"45 USD", `null`, "! JSON object"},
	} {
		got, err := tryView{Type: "buy", Amount: c.amount, Payload: c.payload}.action()
		if problem, bad := strings.CutPrefix(c.want, "! "); bad {
			if err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%v: %v", c, err)
			}
		} else if err != nil || !strings.Contains(string(got), c.want) || !json.Valid(got) {
			t.Errorf("%v: %s, %v", c, got, err)
		}
	}
	var v tryView
	v.takePayload(json.RawMessage(`{"amount_minor":5000,"currency":"KWD","n":1e2}`))
	if v.Amount != "5.000 KWD" || v.Payload != "{\n  \"n\": 1e2\n}" {
		t.Errorf("taken as %+v", v)
	}
	v.takePayload(json.RawMessage(`{"amount":5,"currency":"USD"}`))
	if v.Amount != "" || !strings.Contains(v.Payload, `"amount": 5`) {
		t.Errorf("taken as %+v", v)
	}
}
