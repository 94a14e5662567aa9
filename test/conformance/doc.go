// Package conformance holds the policy language to what it says: cases as data, and what each must be
// decided as, for every suite to run through its own door (engine, bundle, HTTP, command line).
//
// A case is a set of policies, an agent, a time and an action, with the result, the policy and the rule
// that decide, and what the decision owes. Load returns them all.
//
// Reference decides a case by walking the parsed policy, with none of OPA beneath it and no regard for
// speed. Tests hold the engine against it, also for policies that no person wrote.
//
// # Why
//
// Four ways lead from a policy to a decision: the engine's fast one, the decision rule of the compiled
// module, the bundle in stock OPA, and the server. They must not differ, and only cases that stand apart
// from all of them can say so.
package conformance
