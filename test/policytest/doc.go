// Package policytest runs the tests of policies: tables in *_test.yaml and Rego in *_test.rego, against
// the compiled policies, without a server.
//
// Run finds the tests below the paths it is given, compiles the policies that they name, asks each
// what it asks, and reports what passed, what failed and why, and which lines of the policies were
// evaluated. A policy that does not compile is told apart from a test that fails: Report.ExitCode is 2
// for the one and 1 for the other.
//
// # What it promises
//
// A table is decided by the same engine that decides requests, so a test that passes says what the
// server would answer. Budgets are seeded by the test and checked as the server would, with nothing
// recorded. The same *_test.rego passes under "opa test" on what rego.WriteModules writes.
//
// # Why
//
// Coverage comes from the locations of the compiled modules, which are YAML positions, so that a rule
// that no test reaches is named by its line in the owner's own file, and no second model of the language
// is needed to count it.
package policytest
