package rego

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// currencyPath is where an action says its currency.
var currencyPath = compiler.Path{"payload", "currency"}

// charges is what the decided action takes from those budgets of one policy that match it: 1 from each that
// counts actions, and the whole number of minor units (0 or more) at its amount from each of the action's own
// currency. The error says why the action cannot be counted.
func (d Decision) charges(budgets []LayerBudget) ([]LayerCharge, error) {
	if d.document == nil {
		return nil, errors.New("the action could not be read")
	}
	currency, given := lookup(d.document, currencyPath).(ast.String)
	var out []LayerCharge
	var others []string // currencies of the budgets that do not count this action
	counted := false
	for _, b := range budgets {
		switch {
		case b.Measure == "count":
			out = append(out, LayerCharge{b, 1})
			continue
		case !given || string(currency) != b.Currency:
			if !slices.Contains(others, b.Currency) {
				others = append(others, b.Currency)
			}
			continue
		}
		if p := problem(d.document, compiler.FieldRef{Path: b.Amount, Type: "amount"}); p != "" {
			return nil, fmt.Errorf("the budget %s cannot count this action: %s", b.ID, p)
		}
		n, _ := lookup(d.document, b.Amount).(ast.Number).Int64()
		out = append(out, LayerCharge{b, n})
		counted = true
	}
	if len(others) > 0 && !counted {
		return nil, fmt.Errorf("the budgets of policy %s count %s, and %s is %s",
			budgets[0].PolicyID, strings.Join(others, " and "), currencyPath, quoted(currency, given))
	}
	return out, nil
}

// quoted writes a currency for a reason.
func quoted(currency ast.String, given bool) string {
	if !given {
		return "missing"
	}
	return strconv.Quote(string(currency))
}
