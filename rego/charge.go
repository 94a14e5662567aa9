package rego

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// currencyPath is where an action says its currency.
var currencyPath = compiler.Path{"payload", "currency"}

// Charge is what the decided action takes from a budget: 1 if it counts actions, else the whole number
// of minor units (0 or more) at the budget's amount, in the budget's currency. What cannot be counted
// is an error that says why.
func (d Decision) Charge(b compiler.Budget) (int64, error) {
	switch currency, ok := lookup(d.document, currencyPath).(ast.String); {
	case d.document == nil:
		return 0, errors.New("the action could not be read")
	case b.Measure == "count":
		return 1, nil
	case !ok:
		return 0, fmt.Errorf("%s is missing", currencyPath)
	case string(currency) != b.Currency:
		return 0, fmt.Errorf("%s is not %s", currencyPath, b.Currency)
	}
	if p := problem(d.document, compiler.FieldRef{Path: b.Amount, Type: "amount"}); p != "" {
		return 0, errors.New(p)
	}
	n, _ := lookup(d.document, b.Amount).(ast.Number).Int64()
	return n, nil
}
