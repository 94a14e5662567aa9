// Package money writes amounts of money for people, and reads what people type.
//
// An amount is a whole number of minor units, such as cents, and the code of its currency. How many digits
// the minor unit has (the exponent) is taken from ISO 4217: 2 for USD, 0 for JPY, 3 for KWD. The package
// only converts between that and text; it does no arithmetic and knows no rates.
//
// # Why
//
// The exponents come from github.com/bojanz/currency, which generates them from the list that the ISO 4217
// maintenance agency publishes. The currency package of golang.org/x/text uses those of CLDR, which differ
// for several currencies in use (IQD, LBP and PKR, for example).
package money
