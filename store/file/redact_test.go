package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/openleash/openleash-go/store"
)

// TestPromise38_RedactionsByHandAreFound takes a payload out by hand, in all the ways that leave the chain whole. Each
// is found at its line, by the verification and by the next start.
func TestPromise38_RedactionsByHandAreFound(t *testing.T) {
	ctx, dir, signer := context.Background(), t.TempDir(), fixedSigner()
	s := openStore(t, dir, Options{Signer: signer, Redact: []string{"$.payload.currency"}})
	fill(t, s, 1, 6)
	if _, err := s.Redact(ctx, "dec_2", []string{"$.payload.email"}, "admin"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 7, 9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify := func(dir string) (VerifyReport, error) {
		return Verify(ctx, dir, VerifyOptions{PublicKeys: keysOf(signer)})
	}
	if r, err := verify(dir); err != nil || r.Redacted != 1 || r.Withheld != 9 {
		t.Fatalf("%+v, %v", r, err)
	}
	byHand := func(n int, path string) func([][]byte) [][]byte {
		return func(l [][]byte) [][]byte {
			line, removed, err := store.RedactLine(bytes.TrimSuffix(l[n], []byte("\n")), []string{path})
			if err != nil || len(removed) == 0 {
				t.Fatal(removed, err)
			}
			l[n] = append(line, '\n')
			return l
		}
	}
	// forged appends an ENTRY_REDACTED to a log that was cut behind line n, with a chain that holds.
	forged := func(n int, said store.Redaction) func([][]byte) [][]byte {
		return func(l [][]byte) [][]byte {
			l = byHand(n, "$.payload.email")(l)
			first, err := store.DecodeLine(l[0])
			if err != nil {
				t.Fatal(err)
			}
			chain := store.Chain{Seq: first.Seq - 1}
			if chain.Hash, err = store.ParseHash(first.Prev); err != nil {
				t.Fatal(err)
			}
			for _, line := range l[:len(l)-1] {
				if err := chain.Next(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
					t.Fatal(err)
				}
			}
			e, err := store.DecodeLine(l[n])
			if err != nil {
				t.Fatal(err)
			}
			if said.Seq == 0 {
				said = store.Redaction{EventID: e.ID, Seq: e.Seq, Hash: e.Hash, Paths: e.Redacted}
				if err := said.Sign(testSigner(t)); err != nil { // with a key of his own
					t.Fatal(err)
				}
			}
			data, err := json.Marshal(&said)
			if err != nil {
				t.Fatal(err)
			}
			x, err := store.Encode(&store.Entry{ID: "evt_forged", Type: store.EntryRedacted, Data: data, Time: e.Time}, nil, bytes.NewReader(nil))
			if err != nil {
				t.Fatal(err)
			}
			line, _ := x.Append(nil, chain.Seq+1, chain.Hash)
			return append(l[:len(l)-1], line)
		}
	}
	for _, c := range []struct {
		name, file string
		line       int
		tamper     func([][]byte) [][]byte
	}{
		{"another entry", sealedLog(1), 4, byHand(3, "$.payload.email")},
		{"the whole payload", sealedLog(1), 4, byHand(3, "$.payload")},
		{"what was withheld, and more", sealedLog(1), 6, byHand(5, "$.payload.amount_minor")},
		{"more than the redaction says", sealedLog(1), 2, byHand(1, "$.payload.amount_minor")},
		{"behind the redaction", activeLog, 2, byHand(1, "$.payload.email")},
		{"with a redaction that another key signed", activeLog, 0, forged(1, store.Redaction{})},
		{"with a redaction without a signature", activeLog, 0, forged(1, store.Redaction{Seq: 1, EventID: "evt_1"})},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := filepath.Join(t.TempDir(), "d")
			if err := os.CopyFS(d, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(d, c.file)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, bytes.Join(c.tamper(bytes.SplitAfter(b, []byte("\n"))), nil), 0o600); err != nil {
				t.Fatal(err)
			}
			var wrong *VerifyError
			if _, err := verify(d); !errors.As(err, &wrong) || wrong.File != c.file || c.line != 0 && wrong.Line != c.line {
				t.Errorf("verification: %v", err)
			}
			os.RemoveAll(filepath.Join(d, cacheFolder))
			if s, err := Open(ctx, d, Options{Clock: start().Now, Log: quiet, Signer: signer}); !errors.Is(err, store.ErrBroken) {
				t.Errorf("start: %v", err)
				if s != nil {
					s.Close()
				}
			}
		})
	}
}

// A crash between the entry and the rewritten line leaves a redaction that is pending, and the next start finishes it.
func TestPromise38_ACrashLeavesARedactionPending(t *testing.T) {
	ctx, dir, signer := context.Background(), t.TempDir(), fixedSigner()
	var failing bool
	s := openStore(t, dir, Options{Signer: signer, disk: faultyRename{osDisk{}, &failing}})
	fill(t, s, 1, 3)
	failing = true
	if _, err := s.Redact(ctx, "dec_2", []string{"$.payload.email"}, "admin"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("the line cannot be rewritten: %v", err)
	}
	failing = false
	if r, err := Verify(ctx, dir, VerifyOptions{PublicKeys: keysOf(signer)}); err != nil || r.Pending != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{Signer: signer})
	if e, err := s.Decision(ctx, "dec_2"); err != nil || contains(string(e.Action), "a@example.com") {
		t.Errorf("%s, %v", e.Action, err)
	}
	if r, err := Verify(ctx, dir, VerifyOptions{PublicKeys: keysOf(signer)}); err != nil || r.Pending != 0 || r.Redacted != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// faultyRename is a disk that renames nothing over a segment while it fails.
type faultyRename struct {
	disk
	failing *bool
}

func (d faultyRename) Rename(from, to string) error {
	if *d.failing {
		return errors.New("the disk fails")
	}
	return d.disk.Rename(from, to)
}
