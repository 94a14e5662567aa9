// Package leash holds the use cases of OpenLeash: an agent asks and is answered, an owner sets up,
// logs in, invites, approves, writes policies and reads what happened.
//
// It knows nothing of HTTP, of files or of the command line. Its callers decode, call one method of
// Service, and encode what comes back; the types that methods take and return carry the names of the
// wire. What it needs of a store it says in the interface Store.
//
// # Promises
//
// Authorize is the heart and fits one screen: resolve layers, decide, record, mint. A decision is in
// the durable log before its proof exists. Whatever fails on the way is an error and never an ALLOW.
//
// Every change of state is one store transaction together with its log entry, so a change that the
// log does not know cannot be. Secrets that callers hold (invite tokens, passphrases, recovery codes)
// are kept only as hashes.
//
// # Errors
//
// What a caller may be told is an *Error with a stable Code. Any other error is a fault of ours; its
// text is for the operator's log.
//
// # Why
//
// An agent is prepared once and kept while its record and its owner's engine stay the same: parsed
// key, resolved layers, budgets. A request then parses neither keys nor policies.
//
// Approval tokens are not stored. They are signed over the stored approval alone, and Ed25519 is
// deterministic, so each poll yields the same token.
package leash
