package gui

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/openleash/openleash-go/internal/money"
)

// People type and read amounts in the unit of their currency, such as 50.00 EUR. A policy has them in minor units, and
// names the currency in a key of its own.

var (
	currencyPath   = at2("constraints.currency")
	budgetCurrency = []string{"currency"}
	budgetMeasure  = []string{"measure"}
)

// typedAmount reads an amount of one of several currencies; none is any currency. The currency may be left out where
// there is one to choose from.
func typedAmount(text string, currencies []string) (minor int64, currency string, err error) {
	if len(strings.Fields(text)) == 1 && len(currencies) == 1 {
		text += " " + currencies[0]
	}
	minor, currency, err = money.Parse(text)
	switch {
	case err != nil:
		return 0, "", err
	case len(currencies) > 0 && !slices.Contains(currencies, currency):
		return 0, "", fmt.Errorf("this is in %s, but the currency here is %s", currency, strings.Join(currencies, ", "))
	}
	return minor, currency, nil
}

// readMoney shows an amount of a rule, whose constraints name its currencies.
func readMoney(item *yaml.Node, path []string) (value string, shown bool) {
	n := look(item, path)
	if n == nil {
		return "", true
	}
	minor, ok := wholeNumber(n)
	if !ok {
		return "", false
	}
	currencies, ok := ruleCurrencies(item)
	if !ok || len(currencies) == 0 || !sameDecimals(currencies) {
		return money.Format(minor, ""), true
	}
	return money.Format(minor, currencies[0]), true
}

// writeMoney puts an amount into a rule. A rule without currencies is then for that of the amount.
func writeMoney(item *yaml.Node, path []string, text string) error {
	currencies, ok := ruleCurrencies(item)
	if !ok {
		return errors.New("the currencies of this rule are written in a way that only the text shows; edit the amount there")
	}
	if !sameDecimals(currencies) {
		return fmt.Errorf("%s do not have the same number of decimals; make a rule for each of them", strings.Join(currencies, " and "))
	}
	minor, currency, err := typedAmount(text, currencies)
	if err != nil {
		return err
	}
	set(item, path, numberNode(minor))
	if len(currencies) == 0 {
		set(item, currencyPath, &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{textNode(currency)}})
	}
	return nil
}

func ruleCurrencies(item *yaml.Node) ([]string, bool) {
	value, shown := formField{Path: currencyPath, Kind: "list"}.read(item)
	return splitList(value), shown
}

// sameDecimals says whether one number of minor units is the same amount in all of the currencies.
func sameDecimals(currencies []string) bool {
	return !slices.ContainsFunc(currencies, func(c string) bool {
		mine, known := money.Exponent(c)
		first, _ := money.Exponent(currencies[0])
		return !known || mine != first
	})
}

// readLimit shows what a budget limits: an amount and its currency, or a number of actions.
func readLimit(item *yaml.Node) (value string, shown bool) {
	n := look(item, []string{"limit"})
	currency, shown := formField{Path: budgetCurrency, Kind: "text"}.read(item)
	measure, known := formField{Path: budgetMeasure, Kind: "text"}.read(item)
	if !shown || !known {
		return "", false
	}
	if n == nil {
		return "", measure == "" && currency == ""
	}
	limit, ok := wholeNumber(n)
	switch {
	case !ok:
		return "", false
	case measure == "count":
		return plural(int(limit), "action"), currency == ""
	case measure == "" || measure == "amount":
		return money.Format(limit, currency), true
	}
	return "", false
}

// writeLimit puts a limit, its currency and what it counts into a budget.
func writeLimit(item *yaml.Node, text string) error {
	if words := strings.Fields(text); len(words) == 2 && (words[1] == "action" || words[1] == "actions") {
		n, err := strconv.ParseInt(strings.ReplaceAll(words[0], ",", ""), 10, 64)
		if err != nil || n < 0 || n > money.Max {
			return fmt.Errorf("%s is not a number of actions", strconv.Quote(words[0]))
		}
		set(item, []string{"limit"}, numberNode(n))
		set(item, budgetMeasure, textNode("count"))
		set(item, budgetCurrency, nil)
		return nil
	}
	minor, currency, err := typedAmount(text, nil)
	if err != nil {
		return fmt.Errorf("%w, or a number of actions, such as 20 actions", err)
	}
	set(item, []string{"limit"}, numberNode(minor))
	set(item, budgetCurrency, textNode(currency))
	if measure := look(item, budgetMeasure); measure != nil && measure.Value == "count" {
		set(item, budgetMeasure, nil)
	}
	return nil
}

// wholeNumber reads a number of minor units or actions.
func wholeNumber(n *yaml.Node) (int64, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	return v, err == nil && v >= 0 && v <= money.Max
}

func numberNode(n int64) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(n, 10)}
}
