package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/internal/money"
)

// amountFlags are the flags of a command that takes an amount of money: in the currency's own unit, or in minor
// units, and the currency.
type amountFlags struct {
	amount   string
	minor    int64
	currency string
}

// add makes the flags; of says what the amount is, such as "amount of the action".
func (f *amountFlags) add(c *cobra.Command, of string) {
	c.Flags().StringVar(&f.amount, "amount", "", of+", such as 45.00; needs --currency")
	c.Flags().Int64Var(&f.minor, "amount-minor", 0, of+", in minor units such as cents")
	c.Flags().StringVar(&f.currency, "currency", "", "its currency, such as USD")
}

// value is the amount in minor units; nil if neither flag was given.
func (f *amountFlags) value(c *cobra.Command) (*int64, error) {
	switch {
	case c.Flags().Changed("amount-minor") && c.Flags().Changed("amount"):
		return nil, misuse("give --amount or --amount-minor, not both")
	case c.Flags().Changed("amount-minor"):
		return &f.minor, nil
	case !c.Flags().Changed("amount"):
		return nil, nil
	case f.currency == "":
		return nil, misuse("--amount needs --currency, such as --amount 45.00 --currency USD")
	}
	minor, err := money.ParseIn(f.amount, f.currency)
	if err != nil {
		return nil, misuse("--amount: %w", err)
	}
	return &minor, nil
}

// plain is the amount as a JSON number in the currency's own unit, such as 45 for --amount 45.00; empty without
// --amount.
func (f *amountFlags) plain() string {
	if f.amount == "" {
		return ""
	}
	number := strings.TrimLeft(strings.ReplaceAll(f.amount, ",", ""), "0")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	if number == "" || number[0] == '.' {
		number = "0" + number
	}
	return number
}

// measured says what a budget counts: money, or actions where it has no currency.
func measured(n int64, currency string) string {
	switch {
	case currency != "":
		return money.Format(n, printable(currency))
	case n == 1:
		return "1 action"
	}
	return fmt.Sprintf("%s actions", money.Group(n))
}
