// Package rego owns the embedded OPA: it turns the policy files of an owner into an immutable engine,
// and an action request into a decision.
//
// An Engine holds the policies of one owner. Each policy is compiled by itself, with no others beside
// it, so it can read its input and nothing else; and one that did not change is taken over by the next
// engine as it is. A Set holds the engine of every owner behind an atomic pointer: Try
// compiles one file, Next makes an engine with and without some policies, and Swap makes it the active
// one. Which version of which file is active is decided by leash/policybook.
//
// # Decisions
//
// Layers are the policies as they apply to one agent, in order. Decide asks the guardrails and then
// the layers, each until the first that decides, and keeps the stricter outcome. Evaluation has a
// deadline. Whatever goes wrong on the way, a missed deadline, an error of a built-in, a result of the
// wrong shape, is a DENY with the reason policy_error and its cause in Decision.Err.
//
// # What policies may call
//
// Built-in functions are those that depend on their arguments alone. Network, clock, random numbers,
// environment and tracing do not exist, so using one is a compile error. Time is in the input. In a
// policy written in Rego each call takes operands up to a limit, since OPA heeds a deadline only between
// expressions; an evaluation that does not heed it at all is left behind, and its policy denies until it
// ends. Data outside the policy itself cannot be looked at.
//
// # What a policy in Rego may take
//
// Three bounds stand behind one another. The text is looked at first: its length, how deep it nests, and how large
// its values can grow (growth.go). Then a Checker, if the program has set one, compiles it and asks it once in a child
// process with limits on processor time and memory; only what passes is compiled here. Both have time-outs besides.
//
// Evaluation stays in this process, for it must be fast. It is bounded by what a policy can call (capabilities.go), by
// the size of what it gives to a call (bounds.go), by the growth of its values, and by the deadline, which OPA
// looks at between expressions. So no single step is long, and an evaluation ends soon after its deadline.
//
// # Why
//
// A policy written in YAML is asked for its set match alone and the outcome is looked up in Go: a third
// of the time of asking for its decision, which is the same and is what stock OPA and the bundle use. A
// test holds the two together.
//
// Queries run through topdown directly, with the input built as OPA's values in one pass over the
// canonical JSON of the action. Package rego of OPA would convert it twice.
package rego
