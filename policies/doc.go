// Package policies is the starter policies, embedded: the profiles that set-up offers, a library that
// people start from, and the scenarios of the playground, which show them.
//
// Each policy has its test beside it, which reaches every line of it. Their ids differ, so that any of them
// can be in force together.
package policies
