// Package store owns the records, the durable log and the budget ledger: what they are, and the
// arithmetic that every implementation shares. It reads no files and no clock. store/file keeps
// everything in a folder.
//
// It promises that a [Ledger] is never over a limit unless its owner approved that or an agent
// settled for more than it was charged; that forgetting (it is bounded in memory) never forgives;
// and that a [Chain] finds every change to a line of the log, every line that is missing, added or
// out of order.
//
// It refuses what it cannot count: a charge in a broken window, at a time before what it remembers,
// or beyond what an int64 adds up to, does not fit.
//
// # The log
//
// One JSON object a line, in canonical form (RFC 8785). hash is the SHA-256 of the line's chained
// form, prev that of the line before, and seq counts from 1. The chained form is the line without its
// members hash, redacted, salt and salts, and with the value of action.payload replaced by the text
// "sha256:<commitment>". The commitment is the root of a tree:
//
//	leaf   = SHA-256(0x00 ‖ salt of the leaf ‖ canonical value)
//	object = SHA-256(0x01 ‖ for each member, by path: SHA-256(path) ‖ commitment)
//	salt of a leaf = first 16 bytes of SHA-256(salt ‖ path)
//
// Objects are nodes, all other values leaves; paths are $.payload.a.b, or $.payload["a b"]. A payload
// of more than 256 values, objects included, or of more than 64 KiB of paths is a single leaf, and so
// is an object nested deeper than 32. A value that was taken out leaves its commitment under its path
// in redacted; salt then gives way to salts, which has those of the leaves that are left.
//
// Whatever is redacted has a reason that the chain covers: its path is in withheld, if the settings
// kept it from being written, or a signed ENTRY_REDACTED entry after it names the entry, the path and
// the commitment. [Redactions] finds what has none.
//
// # Why
//
// The ledger is a fold over the log, so there is no second truth to be kept in step with the first.
// An account is named by what an owner cannot edit without meaning another budget, and is seen
// through every window that it had: so neither an edited limit, nor a removed and restored budget, nor
// an edited window forgives what was spent.
//
// The chain runs over commitments because an owner may have to delete a customer's address from a log
// that must still prove that nothing else was touched. The action_hash remains, and it is no salted
// one: whoever can guess a whole request can still tell that it was this one.
package store
