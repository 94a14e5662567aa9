package policybook

import (
	"strings"

	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// keeper prepares the records and log entries of one transaction.
type keeper struct {
	book    *Book
	was     map[string]*file
	engines map[string]*rego.Engine
	changes map[string]Change // by path

	puts    []store.PolicyRecord
	deletes []string
	entries []store.Entry
	refused []string
}

// write puts what was prepared into a transaction.
func (k *keeper) write(tx store.Tx) error {
	for _, key := range k.deletes {
		if err := tx.Delete(store.KindPolicyRecord, key); err != nil {
			return err
		}
	}
	for _, r := range k.puts {
		if err := tx.Put(r); err != nil {
			return err
		}
	}
	for _, e := range k.entries {
		tx.Append(e)
	}
	return nil
}

// keep records how the files stand that are not steady, and puts them with their records into next.
func (k *keeper) keep(next map[string]*file, out map[string]outcome) {
	for path, o := range out {
		next[path] = k.file(next[path], o)
	}
	for path, f := range k.was {
		if next[path] == nil {
			k.gone(f)
		}
	}
}

// file records how one file stands.
func (k *keeper) file(f *file, o outcome) *file {
	now := *f
	now.active, now.owner, now.problems = o.active, o.owner, o.problems
	was, is := f.record, f.record
	is.Path, is.Mounted = f.path, f.mounted
	if p := o.active; p != nil && p == f.policy {
		is.OwnerID, is.PolicyID, is.Sum, is.Text = o.owner, p.ID, p.Sum(), string(p.Text)
		now.good = p
		moved := was.Sum != "" && (was.OwnerID != is.OwnerID || was.PolicyID != is.PolicyID)
		if moved {
			k.deleted(was)
		}
		if moved || was.Sum != is.Sum {
			k.log(store.PolicyUpdated, is.OwnerID, f.path, map[string]any{"policy_id": is.PolicyID, "revision": k.revision(is.OwnerID),
				"text": is.Text, "old_sum": was.Sum, "new_sum": is.Sum})
		}
	}
	k.problems(f, o, &is)
	switch empty := is.Sum == "" && is.Refused == ""; {
	case empty && was == (store.PolicyRecord{}):
		return &now // never active, nothing to report
	case empty:
		k.deletes = append(k.deletes, is.Key())
		is = store.PolicyRecord{}
	case is != was:
		k.puts = append(k.puts, is)
	}
	now.record = is
	return &now
}

// problems logs that a file was refused, once for the same errors, and that it is well again.
func (k *keeper) problems(f *file, o outcome, is *store.PolicyRecord) {
	errs := o.problems.Errors()
	var said strings.Builder
	for _, d := range errs {
		said.WriteString(d.String() + "\n")
	}
	digest := ""
	if len(errs) > 0 {
		digest = store.PolicySum([]byte(said.String()))
	}
	if digest == is.Refused {
		return
	}
	is.Refused = digest
	if digest == "" {
		k.log(store.PolicyRecovered, o.owner, f.path, map[string]any{})
		return
	}
	k.refused = append(k.refused, f.path)
	k.book.cfg.Log.Warn("policy file refused; its last good version, if any, stays active", "file", f.path, "owner_id", o.owner, "err", errs.Err())
	k.log(store.PolicyRefused, o.owner, f.path, map[string]any{"errors": Problems(errs), "last_good_active": o.active != nil})
}

// gone records that a file was deleted.
func (k *keeper) gone(f *file) {
	if f.record == (store.PolicyRecord{}) {
		return
	}
	if f.record.Sum != "" {
		k.deleted(f.record)
	}
	if f.record.Refused != "" {
		k.log(store.PolicyRecovered, f.owner, f.path, map[string]any{"deleted": true})
	}
	k.deletes = append(k.deletes, f.record.Key())
}

func (k *keeper) deleted(r store.PolicyRecord) {
	k.log(store.PolicyDeleted, r.OwnerID, r.Path, map[string]any{"policy_id": r.PolicyID, "revision": k.revision(r.OwnerID), "old_sum": r.Sum})
}

func (k *keeper) revision(owner string) string {
	if e := k.engines[owner]; e != nil {
		return e.Revision()
	}
	return k.book.Engine(owner).Revision()
}

// log appends an entry about a file, with who changed it and by which way.
func (k *keeper) log(t store.EventType, owner, path string, data map[string]any) {
	data["path"], data["via"] = path, File
	if c, ok := k.changes[path]; ok {
		data["via"], data["by"] = c.Via, c.By
	}
	k.entries = append(k.entries, k.book.cfg.Entry(t, owner, data))
}
