package policybook

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// settleAfter is how old a file must be for an unchanged stamp to mean an unchanged text: two edits within
// the resolution of a file system's clock look the same.
const settleAfter = 2 * time.Second

// Report says what a Sync or Apply did.
type Report struct {
	Changed []string // owners whose policies changed
	Refused []string // files that were newly refused
}

// Sync makes the policies on disk active and logs what changed. Files that cannot be used are no error; see
// Status. It costs one stat per file if nothing changed.
func (b *Book) Sync(ctx context.Context) (Report, error) {
	b.syncing.Lock()
	defer b.syncing.Unlock()
	owners, err := b.activeOwners(ctx, b.cfg.Store)
	if err != nil {
		return Report{}, err
	}
	scan, err := b.cfg.Store.ScanPolicies(ctx)
	if err != nil {
		return Report{}, err
	}
	before := b.pages.Load()
	l := &look{book: b, known: before.files, before: before, seen: make(map[string]*file, len(before.files)),
		folders: map[string]store.PolicyName{}, faults: map[string]string{}, now: b.cfg.Now()}
	if err := l.at(ctx, scan); err != nil {
		return Report{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := *b.pages.Load()
	next, same := l.merge(now.files)
	now.folders, now.ignored, now.faults = l.folders, l.ignored, l.faults
	if same {
		now.files = next
	}
	b.publish(now)
	if same && b.began && slices.Equal(owners, now.owners) {
		return Report{}, nil
	}
	report, err := b.commit(ctx, next, owners, nil, nil)
	if err == nil {
		b.began = true
	}
	return report, err
}

// look is one comparison of the folder with what is known.
type look struct {
	book   *Book
	now    time.Time
	known  map[string]*file
	before *pages

	seen    map[string]*file
	folders map[string]store.PolicyName
	faults  map[string]string
	ignored []string
}

func (l *look) at(ctx context.Context, scan store.PolicyScan) error {
	filled := map[string]bool{} // folders with something in them
	for _, n := range scan.Names {
		if n.Path != "." {
			filled[path.Dir(n.Path)] = true
		}
	}
	for _, n := range scan.Names {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := rego.NameOf(n.Path)
		if n.Folder {
			l.folder(n, filled[n.Path])
			if name != rego.PolicyName || n.Path == "." {
				continue
			}
			n.Problem = "it is a folder, not a file"
		}
		switch name {
		case rego.PolicyName:
			if err := l.file(ctx, n); err != nil {
				return err
			}
		case rego.IgnoredName:
			if n.Linked && n.Problem != "" {
				l.folder(n, false) // it may have been a folder of policies
				continue
			}
			l.ignored = append(l.ignored, n.Path)
		}
	}
	return l.missing(ctx)
}

// folder notes a folder whose files must not be taken for deleted.
func (l *look) folder(n store.PolicyName, filled bool) {
	l.folders[n.Path] = n
	before, known := l.before.folders[n.Path]
	replaced := known && (before.Stamp.Device != n.Stamp.Device || before.Stamp.Inode != n.Stamp.Inode)
	switch {
	case n.Problem != "":
		l.faults[n.Path] = "it cannot be read: " + n.Problem + "; the policies in it stay as they were. Fix it, or remove it"
	case !filled && (replaced || l.before.faults[n.Path] == emptied):
		if l.had(n.Path) {
			l.faults[n.Path] = emptied
		}
	}
}

const emptied = "this folder was replaced by an empty one, or its file system was unmounted; its policies stay as they were. " +
	"Put the files back, or delete the policies through the portal or `openleash policy delete`"

// had says whether active policies are known in a folder.
func (l *look) had(folder string) bool {
	for p, f := range l.known {
		if f.record.Sum != "" && within(p, folder) {
			return true
		}
	}
	return false
}

func within(p, folder string) bool { return folder == "." || strings.HasPrefix(p, folder+"/") }

// file looks at one policy file, and reads it if it may have changed.
func (l *look) file(ctx context.Context, n store.PolicyName) error {
	old := l.known[n.Path]
	if old != nil && old.settled && old.stamp == n.Stamp && n.Problem == "" && old.linked == n.Linked {
		l.seen[n.Path] = old
		return nil
	}
	if old == nil {
		old = &file{path: n.Path}
	}
	f := &file{path: n.Path, linked: n.Linked, mounted: n.Mounted, record: old.record, good: old.good}
	var text store.PolicyFile
	problem := n.Problem
	if problem == "" {
		var err error
		text, f.stamp, err = l.book.cfg.Store.ReadPolicy(n.Path)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil // taken away since
		case err != nil:
			problem = err.Error()
		}
	}
	switch {
	case problem != "":
		f.found = compiler.Diagnostics{atTop(n.Path, "unreadable_file", "this file cannot be read: "+problem+"; fix it or remove it")}
	case old.sum != "" && old.sum == store.PolicySum(text.Text):
		f.sum, f.policy, f.named, f.found = old.sum, old.policy, old.named, old.found
		f.restarts = old.restarts
	default:
		l.book.compile(f, text.Text)
	}
	f.settled = problem == "" && l.now.UnixNano()-max(f.stamp.Changed, f.stamp.Modified) > int64(settleAfter)
	if sameFile(f, old) && l.known[n.Path] != nil {
		f.active, f.owner, f.problems = old.active, old.owner, old.problems
	}
	l.seen[n.Path] = f
	return l.book.recall(ctx, f)
}

// sameFile reports whether two looks at a file found the same.
func sameFile(a, b *file) bool {
	return a.sum == b.sum && a.linked == b.linked && a.mounted == b.mounted && a.policy == b.policy && slices.Equal(a.found, b.found)
}

// missing keeps the files that are not known to be deleted.
func (l *look) missing(ctx context.Context) error {
	for p, f := range l.known {
		if l.seen[p] != nil {
			continue
		}
		kept := false
		for folder := range l.faults {
			kept = kept || within(p, folder)
		}
		if !kept && f.record.Sum != "" && f.mounted && !l.onMount(p) {
			l.faults[path.Dir(p)] = emptied
			kept = true
		}
		if !kept {
			continue
		}
		l.seen[p] = f
		if f.good == nil || f.active == nil { // at start-up
			f := *f
			if err := l.book.recall(ctx, &f); err != nil {
				return err
			}
			l.seen[p] = &f
		}
	}
	return nil
}

// onMount says whether the nearest folder that exists above a path is on another file system than the data.
func (l *look) onMount(p string) bool {
	for p != "." {
		p = path.Dir(p)
		if n, there := l.folders[p]; there {
			return n.Mounted
		}
	}
	return false
}

// merge is what was seen, without what Apply changed while it was looked at; the next Sync sees that.
func (l *look) merge(now map[string]*file) (next map[string]*file, same bool) {
	next, same = make(map[string]*file, len(l.seen)), true
	for p, f := range l.seen {
		if now[p] == l.known[p] {
			next[p] = f
			same = same && l.known[p] != nil && sameFile(f, l.known[p])
		}
	}
	for p, f := range now {
		switch {
		case f != l.known[p]:
			next[p] = f
		case l.seen[p] == nil:
			same = false
		}
	}
	return next, same
}

// compile fills in what a text means.
func (b *Book) compile(f *file, text []byte) {
	f.sum = store.PolicySum(text)
	f.policy, f.found = b.cfg.Set.Try(rego.File{Path: f.path, Text: text})
	if f.policy == nil {
		f.named = namedOwners(text)
	}
}

// recall makes the last good version of a file ready, in case it is needed.
func (b *Book) recall(ctx context.Context, f *file) error {
	switch {
	case f.policy != nil && f.sum == f.record.Sum:
		f.good = f.policy
		return nil
	case f.good != nil:
		return nil
	case f.record.Sum == "" && f.policy != nil:
		return nil
	case f.record.Sum == "" && b.began:
		return nil // a new file; what the log knew is known since the start
	}
	if f.record.Sum != "" && store.PolicySum([]byte(f.record.Text)) == f.record.Sum {
		if f.good, _ = b.cfg.Set.Try(rego.File{Path: f.path, Text: []byte(f.record.Text)}); f.good != nil {
			return nil
		}
	}
	logged, err := b.logged(ctx, f.path)
	if err != nil || logged.PolicyID == "" && f.record.Sum == "" {
		return err
	}
	if logged.PolicyID != "" {
		logged.Refused, logged.Mounted = f.record.Refused, f.record.Mounted
		f.record = logged
	}
	if f.good, _ = b.cfg.Set.Try(rego.File{Path: f.path, Text: []byte(f.record.Text)}); f.good != nil && f.good.ID == f.record.PolicyID {
		return nil
	}
	b.cfg.Log.ErrorContext(ctx, "the last good version of a policy file is lost; its owner's agents are denied everything until the file is fixed",
		"file", f.path, "owner_id", f.record.OwnerID)
	if f.good, err = rego.DenyAll(f.path, f.record.PolicyID, f.record.OwnerID); err != nil {
		return fmt.Errorf("policy %s: %w", f.path, err)
	}
	return nil
}
