// Package policybook owns the policies of every owner: which are active, how they change, and what the log
// says about each change.
//
// There is one road for a change, and every writer takes it: portal, API, admin, an approved draft, and the
// file system. [Book.Apply] compiles the changed files, outside of any lock and at the cost of those files;
// then one transaction writes the files and their log entries; then exactly the compiled policies become
// active. [Book.Sync] compares the files on disk with what the log last said about them and applies the
// differences in the same way.
//
// # Promises
//
// Apply returns nil only when what it wrote is what decides. Nothing that the book has not seen is
// overwritten or deleted: a file that was changed on disk in the meantime is a [ConflictError].
//
// Each file counts by itself. A file that does not compile, cannot be read, or uses another file's id is
// reported and holds up no other file; its last good version stays active until it is fixed or deleted,
// also after a restart. A folder that cannot be read, was unmounted, or was replaced by an empty one keeps
// what was active in it.
//
// The last good text is kept in a store record, which is written in the same transaction as the log entry.
// If that record is lost, the text is taken from the log; if neither has it, the owner's agents are denied
// everything until the file is fixed.
//
// # Why
//
// The records, not the revision of the whole set, say what the log knows. So a deletion while the program
// was down is logged, and an untouched file is not logged again.
package policybook
