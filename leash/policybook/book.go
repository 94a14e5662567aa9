package policybook

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// Store is what the book needs of a store.
type Store interface {
	store.Reader
	// Update runs fn as one serialisable transaction.
	Update(ctx context.Context, fn func(tx store.Tx) error) error
	// ScanPolicies looks at the policies folder without reading the files.
	ScanPolicies(ctx context.Context) (store.PolicyScan, error)
	// ReadPolicy reads one file, or store.ErrNotFound.
	ReadPolicy(path string) (store.PolicyFile, store.Stamp, error)
	// Audit reads a page of the log, newest first.
	Audit(ctx context.Context, q store.AuditQuery) (store.AuditPage, error)
	// Budgets says how budgets stand at now.
	Budgets(ctx context.Context, budgets []store.Budget, now time.Time) ([]store.BudgetState, error)
	// Accounts returns the budgets of an owner to which something was ever charged.
	Accounts(ctx context.Context, ownerID string) ([]store.BudgetKey, error)
	// Unclaimed returns an owner's accounts that have no name among the declared ones, which have no subject.
	Unclaimed(ctx context.Context, ownerID string, declared map[store.BudgetKey]bool) ([]store.BudgetKey, error)
}

// Config says what a Book works with. All fields are required.
type Config struct {
	Store Store
	Set   *rego.Set
	Log   *slog.Logger
	Now   func() time.Time
	// Entry makes a log entry about an owner ("" is nobody).
	Entry func(t store.EventType, ownerID string, data map[string]any) store.Entry
}

// Book is the policies of all owners. It is safe for concurrent use.
type Book struct {
	cfg Config

	syncing sync.Mutex // one Sync at a time
	began   bool       // a Sync has finished

	mu    sync.Mutex // one change at a time, from its transaction to its swap
	pages atomic.Pointer[pages]
}

// pages are what the book knows. They are immutable.
type pages struct {
	files   map[string]*file // by path
	owners  []string
	folders map[string]store.PolicyName // of the last scan
	faults  map[string]string           // by folder: why its files stay as they were
	ignored []string
	status  Status
}

// publish makes pages what readers see.
func (b *Book) publish(p pages) {
	p.status = Status{Ignored: p.ignored}
	for path, why := range p.faults {
		p.status.Broken = append(p.status.Broken, Broken{File: path, Problems: compiler.Diagnostics{atTop(path, "unreadable_folder", why)}})
	}
	for path, f := range p.files {
		if errs := f.problems.Errors(); len(errs) > 0 {
			p.status.Broken = append(p.status.Broken, Broken{path, f.owner, f.linked, f.active != nil, errs})
		}
	}
	slices.SortFunc(p.status.Broken, func(a, b Broken) int { return cmp.Compare(a.File, b.File) })
	b.pages.Store(&p)
}

// file is one policy file: what is on disk, what the log last said about it, and what follows from both.
// It is immutable; a change replaces it.
type file struct {
	path            string
	linked, mounted bool
	stamp           store.Stamp
	settled         bool // old enough for an unchanged stamp to mean an unchanged file

	sum    string               // of the text on disk; empty if it was not read
	named  []string             // owners that a broken text seems to name
	policy *rego.Policy         // compiled from it; nil if it has errors
	found  compiler.Diagnostics // about it, or why it was not read

	record store.PolicyRecord
	good   *rego.Policy // the version of the record; nil if there is none

	active   *rego.Policy // what decides; nil if nothing
	owner    string       // whose it is; empty if nobody's
	problems compiler.Diagnostics
	restarts []restart // budgets that started at 0 with this text
}

// Open returns the book with the policies of the store active.
func Open(ctx context.Context, cfg Config) (*Book, error) {
	b := &Book{cfg: cfg}
	files := map[string]*file{}
	records, err := store.Find[store.PolicyRecord](ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		files[r.Path] = &file{path: r.Path, record: r, mounted: r.Mounted}
	}
	b.publish(pages{files: files})
	_, err = b.Sync(ctx)
	return b, err
}

// Engine returns an owner's active policies.
func (b *Book) Engine(owner string) *rego.Engine { return b.cfg.Set.Engine(owner) }

func (b *Book) activeOwners(ctx context.Context, r store.Reader) ([]string, error) {
	owners, err := store.Find[store.Owner](ctx, r, store.ByStatus(store.Active))
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(owners))
	for i, o := range owners {
		ids[i] = o.ID
	}
	return ids, nil
}

// Broken is a policy file that cannot be used as it is.
type Broken struct {
	File     string
	OwnerID  string // empty if it is nobody's
	ReadOnly bool   // behind a link
	Active   bool   // its last good version is active
	Problems compiler.Diagnostics
}

// Status says which files are not active as they are on disk.
type Status struct {
	Broken  []Broken // by file
	Ignored []string // files that are not policies, and that nobody hides
}

// Status returns what is wrong with the policies folder now. The caller must not change it.
func (b *Book) Status() Status { return b.pages.Load().status }

// SoleOwner reports whether there is at most one owner, so that policies need not name theirs.
func (b *Book) SoleOwner() bool { return len(b.pages.Load().owners) <= 1 }

// ReadOnly reports whether a policy file is behind a link.
func (b *Book) ReadOnly(path string) bool {
	f := b.pages.Load().files[path]
	return f != nil && f.linked
}

// Text returns the text of a policy file as it is on disk; empty if there is no such file.
func (b *Book) Text(path string) (string, error) {
	f, _, err := b.cfg.Store.ReadPolicy(path)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return string(f.Text), err
}

func atTop(path, code, message string) compiler.Diagnostic {
	return compiler.Diagnostic{Code: code, Pos: compiler.Position{File: path, Line: 1, Column: 1}, Message: message}
}
