// Package policytest runs the tests of policies: tables in *_test.yaml, and tests in Rego in
// *_test.rego. It needs no server.
//
// # Tables
//
// A table names policy files, relative to itself, in the order in which they apply, and lists actions
// with what is to be decided of each. What an action leaves out is filled with what every request has:
// an id, a type, a time, its agent and owner, an empty payload. Without an agent, the test is made by one
// to whom all the policies apply; with one, the policies bind as in a server, and a table that lists
// them in another order fails. Budgets are as the table seeds them, and are charged as a server would.
//
// # Tests in Rego
//
// A file is run by OPA's own test runner beside the policies of its folder, compiled, of which
// data.openleash.policy.<id>.decision is what is asked. `opa test` runs the same file on the output of
// `openleash policy compile -o DIR`.
//
// # Coverage
//
// Lines count: those of rules, and those of conditions and constraints. A rule is covered if it decided
// a test, or matched in a test in Rego; a condition, if it was evaluated. In policies written in Rego,
// lines are counted as OPA does.
//
// # Why
//
// A table is decided by the engine that decides in a server (rego.Layers), and budgets refuse by the same
// functions. A test runner with an evaluator of its own would test itself.
package policytest
