// Package store owns the records, the durable log and the budget ledger: what they are, and the
// arithmetic that every implementation shares. store/file keeps them in a folder.
package store
