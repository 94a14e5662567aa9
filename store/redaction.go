package store

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Redaction is the data of an ENTRY_REDACTED entry: what was taken out of which entry. The entry comes before the
// line is rewritten, so a crash between the two leaves a redaction that is pending.
type Redaction struct {
	EventID string            `json:"event_id"`
	Seq     uint64            `json:"seq"`
	Hash    string            `json:"hash"`  // of the entry
	Paths   map[string]string `json:"paths"` // to the commitments that the line has in their place
	By      string            `json:"by,omitempty"`
	Note    string            `json:"note"` // the above, signed like a checkpoint
}

const redactionOrigin = "openleash redaction"

// text is what is signed.
func (r *Redaction) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n%s\nby %q\n", redactionOrigin, r.Seq, r.Hash, r.EventID, r.By)
	for _, path := range slices.Sorted(maps.Keys(r.Paths)) {
		fmt.Fprintf(&b, "%s %s\n", r.Paths[path], path)
	}
	return b.String()
}

// Sign fills Note: a signed note (golang.org/x/mod/sumdb/note).
func (r *Redaction) Sign(s Signer) error {
	signed, err := signNote(r.text(), s)
	if err != nil {
		return fmt.Errorf("signing a redaction: %w", err)
	}
	r.Note = string(signed)
	return nil
}

// RedactionOf reads what an ENTRY_REDACTED entry says, if one of the keys, by kid, has signed it. What is wrong wraps
// ErrBroken.
func RedactionOf(e *Entry, keys map[string]ed25519.PublicKey) (r Redaction, err error) {
	if err := json.Unmarshal(e.Data, &r); err != nil {
		return r, fmt.Errorf("%w: data of a redaction: %w", ErrBroken, err)
	}
	text, err := openNote([]byte(r.Note), keys)
	if err == nil && text != r.text() {
		err = errors.New("another one was signed")
	}
	if err != nil {
		return r, fmt.Errorf("%w: a redaction that nobody who is known has signed: %w", ErrBroken, err)
	}
	if r.Seq >= e.Seq {
		return r, fmt.Errorf("%w: a redaction of entry %d stands before it", ErrBroken, r.Seq)
	}
	return r, nil
}

// Redactions checks that what was taken out of entries is what signed ENTRY_REDACTED entries behind them say. What the
// settings withheld when an entry was written needs none.
type Redactions struct {
	keys  map[string]ed25519.PublicKey
	first uint64 // redactions of entries before it are not checked
	lines map[uint64]*redactedLine
	// pending are redactions whose line still has what was to be taken out.
	pending []uint64
}

// redactedLine is an entry from which something was taken out after it was written.
type redactedLine struct {
	id, hash  string
	redacted  map[string]string
	unmatched map[string]bool // paths that no redaction has named yet
}

// NewRedactions returns a check of the entries from first on. The keys, by kid, sign redactions. Entries without
// redacted values that are no ENTRY_REDACTED need not be shown.
func NewRedactions(first uint64, keys map[string]ed25519.PublicKey) *Redactions {
	return &Redactions{keys: keys, first: first, lines: make(map[uint64]*redactedLine)}
}

// Next looks at the next entry, whose line held in the chain. What is wrong with it wraps ErrBroken.
func (r *Redactions) Next(e *Entry) error {
	var l *redactedLine
	for path := range e.Redacted {
		if slices.Contains(e.Withheld, path) {
			continue
		}
		if l == nil {
			l = &redactedLine{id: e.ID, hash: e.Hash, redacted: e.Redacted, unmatched: make(map[string]bool)}
			r.lines[e.Seq] = l
		}
		l.unmatched[path] = true
	}
	if e.Type != EntryRedacted {
		return nil
	}
	said, err := RedactionOf(e, r.keys)
	if err != nil {
		return err
	}
	return r.match(&said, e.Seq)
}

func (r *Redactions) match(said *Redaction, seq uint64) error {
	if said.Seq < r.first {
		return nil
	}
	l := r.lines[said.Seq]
	if l == nil { // nothing was taken out yet
		r.pending = append(r.pending, seq)
		return nil
	}
	if l.id != said.EventID || l.hash != said.Hash {
		return fmt.Errorf("%w: this redaction is of another entry %d", ErrBroken, said.Seq)
	}
	pending := false
	for path, sum := range said.Paths {
		have, gone := l.redacted[path]
		switch {
		case gone && have != sum:
			return fmt.Errorf("%w: entry %d has another commitment to %s than this redaction", ErrBroken, said.Seq, path)
		case gone:
			delete(l.unmatched, path)
		default:
			pending = pending || !slices.ContainsFunc(slices.Collect(maps.Keys(l.redacted)), func(p string) bool { return below(p, path) })
		}
	}
	if pending {
		r.pending = append(r.pending, seq)
	}
	return nil
}

// Redacted is the number of entries from which something was taken out after they were written.
func (r *Redactions) Redacted() uint64 { return uint64(len(r.lines)) }

// Pending are the sequence numbers of the redactions whose line still has what was to be taken out.
func (r *Redactions) Pending() []uint64 { return r.pending }

// Unmatched returns the first entry from which something was taken out that no redaction names, and what is wrong
// with it, which wraps ErrBroken; nil if there is none. It is asked at the end of the log.
func (r *Redactions) Unmatched() (seq uint64, err error) {
	for _, seq := range slices.Sorted(maps.Keys(r.lines)) {
		if l := r.lines[seq]; len(l.unmatched) > 0 {
			return seq, fmt.Errorf("%w: %s was taken out, and no signed ENTRY_REDACTED behind it says so", ErrBroken,
				strings.Join(slices.Sorted(maps.Keys(l.unmatched)), ", "))
		}
	}
	return 0, nil
}
