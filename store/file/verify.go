package file

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/store"
)

// VerifyOptions say what a log is held against.
type VerifyOptions struct {
	// Checkpoint is a signed checkpoint that was kept elsewhere.
	Checkpoint []byte
	// FromCheckpoint skips what came before Checkpoint, taking its signer's word for it.
	FromCheckpoint bool
	// PublicKeys sign checkpoints, by kid; nil are those in the folder's own keys/. Whoever can
	// write the folder can write those too, so an auditor brings the keys along.
	PublicKeys map[string]ed25519.PublicKey
	// Progress is told of bytes done and bytes in all, now and then.
	Progress func(done, total int64)
}

// VerifyReport is what a verification has shown.
type VerifyReport struct {
	Segments int    `json:"segments"`
	Entries  uint64 `json:"entries"` // checked
	LastSeq  uint64 `json:"last_seq"`
	LastHash string `json:"last_hash"`
	Redacted uint64 `json:"redacted"` // entries from which something was taken out
	Withheld uint64 `json:"withheld"` // entries from which the settings kept something when they were written
	// Pending are redactions that the log says and whose entry still has the values; the next start finishes them.
	Pending     int `json:"pending_redactions"`
	Checkpoints int `json:"checkpoints"`
	// SignedThrough is the last entry that a valid checkpoint covers; what comes after could have
	// been cut off unnoticed.
	SignedThrough uint64 `json:"signed_through"`
}

// VerifyError names the first line that is wrong.
type VerifyError struct {
	File string // "" if it is about the log as a whole
	Line int    // from 1
	Seq  uint64 // that belongs there
	Err  error
}

func (e *VerifyError) Error() string {
	if e.File == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s line %d (entry %d): %v", e.File, e.Line, e.Seq, e.Err)
}

func (e *VerifyError) Unwrap() error { return e.Err }

// Verify checks the log of a data folder, offline, without changing or locking anything. An error
// that is a *VerifyError says what is wrong with the log; any other, why it could not be read.
func Verify(ctx context.Context, dir string, o VerifyOptions) (VerifyReport, error) {
	v := &verification{ctx: ctx, dir: dir, opts: o, expected: make(map[uint64]claim)}
	if v.opts.PublicKeys == nil {
		keys, err := logKeys(dir)
		if err != nil {
			return v.report, err
		}
		v.opts.PublicKeys = keys
	}
	if err := v.collect(); err != nil {
		return v.report, err
	}
	v.redactions = store.NewRedactions(v.skip, v.opts.PublicKeys)
	paths, err := listSegments(dir)
	if errors.Is(err, store.ErrBroken) {
		return v.report, &VerifyError{Err: err}
	}
	if err != nil {
		return v.report, err
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			v.total += info.Size()
		}
	}
	for _, path := range paths {
		if err := v.segment(path); err != nil {
			return v.report, err
		}
	}
	v.report.Redacted, v.report.Pending = v.redactions.Redacted(), len(v.redactions.Pending())
	if seq, err := v.redactions.Unmatched(); err != nil {
		at := v.starts[0]
		for _, s := range v.starts {
			if s.first <= seq {
				at = s
			}
		}
		return v.report, &VerifyError{File: at.file, Line: int(seq - at.first + 1), Seq: seq, Err: err}
	}
	return v.report, v.end()
}

type verification struct {
	ctx         context.Context
	dir         string
	opts        VerifyOptions
	report      VerifyReport
	chain       store.Chain
	skip        uint64           // entries before this are not checked
	expected    map[uint64]claim // what checkpoints say, by entry, as far as not yet seen
	redactions  *store.Redactions
	starts      []segmentStart
	recent      [1 << 14]store.Hash
	done, total int64
}

// segmentStart is where a file of the log begins.
type segmentStart struct {
	file  string
	first uint64
}

// claim is what a checkpoint says of an entry, and where it came from.
type claim struct {
	store.Checkpoint
	from string
}

// collect reads the checkpoints that are kept outside the log.
func (v *verification) collect() error {
	if len(v.opts.Checkpoint) > 0 {
		c, err := store.OpenCheckpoint(v.opts.Checkpoint, v.opts.PublicKeys)
		if err != nil {
			return &VerifyError{Err: err}
		}
		v.expected[c.Seq] = claim{c, "the checkpoint given"}
		if v.opts.FromCheckpoint {
			v.skip = c.Seq
		}
	}
	names, err := listCheckpoints(v.dir)
	if err != nil {
		return fmt.Errorf("reading the checkpoints: %w", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading the checkpoints: %w", err)
		}
		c, err := store.OpenCheckpoint(b, v.opts.PublicKeys)
		if err != nil {
			return &VerifyError{Err: fmt.Errorf("%s: %w", filepath.Base(name), err)}
		}
		if given, ok := v.expected[c.Seq]; ok && given.Hash != c.Hash {
			return &VerifyError{Err: fmt.Errorf("%s and %s contradict each other", filepath.Base(name), given.from)}
		}
		v.expected[c.Seq] = claim{c, filepath.Base(name)}
	}
	return nil
}

func (v *verification) segment(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing logged yet
	}
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	defer f.Close()
	v.report.Segments++
	v.starts = append(v.starts, segmentStart{filepath.Base(path), v.chain.Seq + 1})
	br := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := readLine(br)
		v.done += int64(len(line))
		if n%4096 == 0 || errors.Is(err, io.EOF) {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			if v.opts.Progress != nil {
				v.opts.Progress(v.done, v.total)
			}
		}
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("it has no end: a crash tore it, which the next start mends, or it was changed")
		} else if err == nil {
			err = v.line(line[:len(line)-1])
		}
		if err != nil {
			return &VerifyError{File: filepath.Base(path), Line: n, Seq: v.chain.Seq + 1, Err: err}
		}
	}
}

func (v *verification) line(line []byte) error {
	if v.chain.Seq+1 < v.skip {
		v.chain.Seq++
		return nil
	}
	if v.chain.Seq+1 == v.skip { // the entry that the checkpoint is about: it must have that hash
		e, err := store.DecodeLine(line)
		if err != nil {
			return err
		}
		if v.chain.Hash, err = store.ParseHash(e.Prev); err != nil {
			return err
		}
	}
	if err := v.chain.Next(line); err != nil {
		return err
	}
	v.recent[v.chain.Seq%uint64(len(v.recent))] = v.chain.Hash
	v.report.Entries++
	v.report.LastSeq, v.report.LastHash = v.chain.Seq, v.chain.Hash.String()
	if c, ok := v.expected[v.chain.Seq]; ok {
		if c.Hash != v.chain.Hash {
			return fmt.Errorf("%w: %s was signed over another entry in this place: the log was written anew", store.ErrBroken, c.from)
		}
		delete(v.expected, v.chain.Seq)
		v.covered(c.Seq)
	}
	return v.inside(line)
}

// telling is what a line contains if it is more than one link of the chain.
var telling = [][]byte{[]byte(`"redacted":`), []byte(`"` + store.EntryRedacted + `"`), []byte(`"` + store.LogCheckpoint + `"`)}

// inside checks what an entry says about the chain or about itself.
func (v *verification) inside(line []byte) error {
	if !slices.ContainsFunc(telling, func(b []byte) bool { return bytes.Contains(line, b) }) {
		return nil // spares decoding all but a few
	}
	e, err := store.DecodeLine(line)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrBroken, err)
	}
	if len(e.Withheld) > 0 {
		v.report.Withheld++
	}
	if err := v.redactions.Next(&e); err != nil {
		return err
	}
	if e.Type != store.LogCheckpoint {
		return nil
	}
	var said store.Checkpointed
	if err := json.Unmarshal(e.Data, &said); err != nil {
		return fmt.Errorf("%w: data of a checkpoint: %w", store.ErrBroken, err)
	}
	c, err := store.OpenCheckpoint([]byte(said.Note), v.opts.PublicKeys)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrBroken, err)
	}
	if c.Seq >= v.chain.Seq {
		return fmt.Errorf("%w: a checkpoint of entry %d stands before it", store.ErrBroken, c.Seq)
	}
	if c.Seq > v.skip && v.chain.Seq-c.Seq < uint64(len(v.recent)) && v.recent[c.Seq%uint64(len(v.recent))] != c.Hash {
		return fmt.Errorf("%w: this checkpoint was signed over another entry %d", store.ErrBroken, c.Seq)
	}
	v.covered(c.Seq)
	return nil
}

func (v *verification) covered(seq uint64) {
	v.report.Checkpoints++
	v.report.SignedThrough = max(v.report.SignedThrough, seq)
}

// end checks that the log goes as far as the checkpoints do.
func (v *verification) end() error {
	for seq, c := range v.expected {
		if seq > v.chain.Seq {
			return &VerifyError{Err: fmt.Errorf("%w: the log ends with entry %d, but %s was signed when it had entry %d: its end was cut off",
				store.ErrBroken, v.chain.Seq, c.from, seq)}
		}
	}
	return nil
}

// logKeys reads the public keys that sign checkpoints, revoked ones too: they signed before.
func logKeys(dir string) (map[string]ed25519.PublicKey, error) {
	keys := make(map[string]ed25519.PublicKey)
	folder := filepath.Join(dir, string(store.KindKey))
	files, err := os.ReadDir(folder)
	if err != nil {
		return keys, ignoreMissing(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		rec, err := readRecord(store.KindKey, filepath.Join(folder, f.Name()))
		if err != nil {
			return nil, err
		}
		key := rec.(store.Key)
		if key.Purpose != "log" {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(key.PublicKeyB64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		pub, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		ed, ok := pub.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("%s: not an Ed25519 key", f.Name())
		}
		keys[key.KID] = ed
	}
	return keys, nil
}
