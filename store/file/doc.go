// Package file keeps everything in one folder that people can read, back up by copying, and put under
// version control.
//
//	owners/ agents/ invites/ approvals/ drafts/ keys/   one JSON file for each record
//	policies/                    as owners write them; read from the disk each time
//	active/                      what the log last said about each policy file, with its last good text
//	state.yaml                   sessions, challenges, deliveries and the installation's state
//	audit.log.jsonl              the log; full segments are audit.log.000001.jsonl and so on
//	checkpoints/                 signed checkpoints of the log, to be kept elsewhere too
//	journal.json                 the change that is under way, if it touches several files
//	cache/                       index, snapshot of the ledger, recent nonces; never needs a backup
//	lock                         says which process owns the folder
//
// It promises that what returned without an error is on disk, and that what returned
// store.ErrUnavailable did not happen; after kill -9 at any moment as well. (One case nobody can
// decide: the disk takes a line, refuses to sync it and to cut it off again, and then the process
// dies. The line may be there at the next start: charged, and never answered with a yes.) While the disk is full or
// read-only nothing is recorded, charged or consumed, and it goes on by itself when there is room.
//
// It refuses to open a folder that another process owns, that holds a record it cannot read, or whose
// log does not hold in the middle; it says where, and changes nothing. A torn last line is cut off,
// and the log says so: it was never answered.
//
// # Why
//
// Group commit. Check, charge and place in the log are one step under a short mutex, in which nothing
// is written or encoded. One goroutine then writes all that is queued with one write and one fsync,
// while the next entries queue up behind. If that fails, what was queued is undone in memory, latest
// first, so the ledger is always the fold of what is in the log or about to be.
//
// An intent journal. A change to several files and the log is written to the journal first, then its
// entries are appended, then the files follow. Whether the log has the entries decides whether it
// happened (without entries, whether there is a journal); from there on memory is ahead of the files
// and they catch up, at the latest when the folder is opened again.
//
// An index beside the log. Each entry has a record of 56 bytes, and in memory 16 bytes for its two
// hashes (its decision; agent and action_id), which lead to it by sequence number; the line itself
// settles a collision. The index is written behind the log and rebuilt from it where it does not fit,
// so reading and start-up are fast, and deciding never waits for them. A snapshot copies the ledger
// a few accounts at a time, each with the number of the last entry in it, so that no decision waits
// for that either.
//
// Redaction logs a signed ENTRY_REDACTED first, and then replaces a sealed segment by a copy without
// the values. If the entry is in the segment being written, that is sealed first. What a crash between
// the two left undone, the next start finishes.
package file
