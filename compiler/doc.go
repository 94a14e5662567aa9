// Package compiler turns the YAML of a policy into a checked Policy, and that into an OPA module.
//
// It is pure: no files, no clock, no network. Parse reads one file and reports everything that is
// wrong with it at once, each with its line and column. Compile builds the module of the policy, whose
// node locations are the YAML positions, so that OPA's errors and coverage point into the YAML. Format
// prints the same module as Rego for people and for stock OPA.
//
// # Unknown is never a yes
//
// A comparison on a field that is missing or of the wrong type is unknown (Kleene's strong logic of
// three values). Each expression can be emitted in two forms: certain, which holds only where the
// expression is true, and possible, which holds where it is true or unknown. A rule that allows uses
// the certain form, and a rule that denies the possible one. A rule that allows and asks for something has
// both: what it asks for is owed where it only possibly matches, too (see Compile). possible(e) is not
// certain(not e), and a negation is pushed down to the comparisons, so nothing is decided at run time but
// the comparisons themselves.
//
// # What it refuses
//
// Unknown and duplicate keys, words that are nearly right (with a suggestion), anchors and aliases,
// explicit tags, several documents, numbers that canonical JSON would change, and files beyond the
// limits: MaxFile in bytes, MaxConditions in a rule, MaxParts in all rules, and the others beside them. The
// costliest policy within them is read, linted, compiled and prepared by OPA in about half a second of one
// core. A policy with an error is no policy.
//
// # Why
//
// The module is built as a syntax tree and never as text: what an owner or an agent writes into a YAML
// value stays a value. The nodes of the YAML are walked by hand, because decoding into structs loses
// columns and turns words such as "on" into booleans.
package compiler
