// Package policies is the starter policies, embedded: the profiles that set-up offers, and a library
// that people start from. Each has its test beside it.
package policies
