package rego

import (
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// currencyPath is where an action says its currency.
var currencyPath = compiler.Path{"payload", "currency"}

// ChargeAmount is what one action takes from a budget: 1 if it counts actions, else the whole number
// of minor units (0 or more) at the budget's amount, in the budget's currency. action is canonical
// JSON, with context renamed payload. What cannot be counted is an error that says why.
func ChargeAmount(b compiler.Budget, action json.RawMessage) (int64, error) {
	if b.Measure == "count" {
		return 1, nil
	}
	doc, err := decode(action)
	if err != nil {
		return 0, fmt.Errorf("decoding the action: %w", err)
	}
	currency, ok := lookup(doc, currencyPath).(ast.String)
	if !ok {
		return 0, fmt.Errorf("%s is missing", currencyPath)
	}
	if string(currency) != b.Currency {
		return 0, fmt.Errorf("%s is not %s", currencyPath, b.Currency)
	}
	amount := compiler.FieldRef{Path: b.Amount, Type: "amount"}
	if p := problem(doc.(ast.Object), amount); p != "" {
		return 0, fmt.Errorf("%s", p)
	}
	n, _ := lookup(doc, b.Amount).(ast.Number).Int64()
	return n, nil
}
