package file

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/openleash/openleash-go/store"
)

const snapshotFile = "snapshot"

// snapshotHead is the first line of a snapshot. Then follow the accounts, one a line, and the
// SHA-256 of all that in hex. A snapshot is a cache: a bad one is passed over.
type snapshotHead struct {
	Version int `json:"version"`
	// Seq is the last entry that every account has seen; some have seen more, up to Through.
	Seq         uint64   `json:"seq"`
	Hash        string   `json:"hash"` // of the entry Seq
	Through     uint64   `json:"through"`
	ThroughHash string   `json:"through_hash"`
	Consumed    []string `json:"consumed"`
	// Names are the classes of budgets that were renamed.
	Names [][]store.BudgetKey `json:"names,omitempty"`
}

// snapshot saves the ledger. It holds the mutex for a few accounts at a time, so that no decision
// waits for it; each account says how far it has come.
func (s *Store) snapshot() error {
	l := s.log
	l.mu.Lock()
	failures := l.failures
	head := snapshotHead{Version: 1, Seq: l.durable}
	keys := l.ledger.Keys()
	l.mu.Unlock()
	if head.Seq == 0 {
		return nil
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	for len(keys) > 0 {
		n := min(len(keys), 256)
		saved := make([]store.SavedAccount, n)
		l.mu.Lock()
		for i, key := range keys[:n] {
			saved[i] = l.ledger.Save(key)
		}
		l.mu.Unlock()
		keys = keys[n:]
		for i := range saved {
			if err := enc.Encode(&saved[i]); err != nil {
				return fmt.Errorf("encoding the snapshot: %w", err)
			}
		}
	}
	l.mu.Lock()
	head.Consumed, head.Names = l.ledger.ConsumedApprovals(), l.ledger.Names()
	pending := l.queue
	if len(pending.items) == 0 {
		pending = l.writing
	}
	l.mu.Unlock()
	if pending != nil {
		<-pending.done // what the accounts have seen must be on disk
	}
	l.mu.Lock()
	head.Through = l.durable
	undone := l.failures != failures
	l.mu.Unlock()
	if undone {
		return nil // some of it never was; the next one will do
	}
	if err := l.flushIndex(); err != nil {
		return err
	}
	for _, at := range []struct {
		seq  uint64
		hash *string
	}{{head.Seq, &head.Hash}, {head.Through, &head.ThroughHash}} {
		e, err := l.entry(at.seq)
		if err != nil {
			return err
		}
		*at.hash = e.Hash
	}
	first, err := json.Marshal(&head)
	if err != nil {
		return fmt.Errorf("encoding the snapshot: %w", err)
	}
	content := append(append(first, '\n'), body.Bytes()...)
	sum := sha256.Sum256(content)
	content = append(hex.AppendEncode(content, sum[:]), '\n')
	if err := replaceFile(s.disk, filepath.Join(s.dir, cacheFolder, snapshotFile), content); err != nil {
		return err
	}
	s.snapshotAt = head.Seq
	return nil
}

// loadSnapshot fills the ledger and says from where the log goes on. Without a good snapshot that is
// the beginning.
func (s *Store) loadSnapshot() (store.Chain, error) {
	name := filepath.Join(s.dir, cacheFolder, snapshotFile)
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return store.Chain{}, nil
	}
	if err != nil {
		return store.Chain{}, fmt.Errorf("reading the snapshot: %w", err)
	}
	head, accounts, err := parseSnapshot(content)
	if err == nil {
		err = s.fits(head)
	}
	if err != nil {
		s.opts.Log.Warn("the snapshot is passed over; reading the whole log", "err", err)
		return store.Chain{}, nil
	}
	if err := restore(s.log.ledger, head, accounts); err != nil {
		s.opts.Log.Warn("the snapshot is passed over; reading the whole log", "err", err)
		s.log.ledger = store.NewLedger()
		return store.Chain{}, nil
	}
	chain := store.Chain{Seq: head.Seq}
	_, err = hex.Decode(chain.Hash[:], []byte(head.Hash))
	s.snapshotAt = head.Seq
	return chain, err
}

// restore puts what a snapshot holds into a ledger.
func restore(l *store.Ledger, head snapshotHead, accounts []store.SavedAccount) error {
	for i := range accounts {
		if err := l.Load(accounts[i]); err != nil {
			return err
		}
	}
	for _, class := range head.Names {
		if err := l.LoadNames(class); err != nil {
			return err
		}
	}
	for _, id := range head.Consumed {
		l.LoadConsumed(id)
	}
	return nil
}

func parseSnapshot(content []byte) (head snapshotHead, accounts []store.SavedAccount, err error) {
	at := len(content) - 2*sha256.Size - 1
	if at < 0 {
		return head, nil, errors.New("too short")
	}
	if sum := sha256.Sum256(content[:at]); hex.EncodeToString(sum[:])+"\n" != string(content[at:]) {
		return head, nil, errors.New("its checksum is wrong")
	}
	dec := json.NewDecoder(bufio.NewReader(bytes.NewReader(content[:at])))
	if err := dec.Decode(&head); err != nil {
		return head, nil, err
	}
	if head.Version != 1 {
		return head, nil, fmt.Errorf("version %d is unknown", head.Version)
	}
	for dec.More() {
		var a store.SavedAccount
		if err := dec.Decode(&a); err != nil {
			return head, nil, err
		}
		accounts = append(accounts, a)
	}
	return head, accounts, nil
}

// fits says whether a snapshot is of this log.
func (s *Store) fits(head snapshotHead) error {
	for seq, hash := range map[uint64]string{head.Seq: head.Hash, head.Through: head.ThroughHash} {
		e, err := s.log.entry(seq)
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		if e.Hash != hash || len(hash) != 2*sha256.Size {
			return fmt.Errorf("entry %d is another than that of the snapshot", seq)
		}
	}
	return nil
}

// flushIndex writes what the index files lack.
func (l *auditLog) flushIndex() error {
	l.segmentsMu.RLock()
	segments := append([]*segment(nil), l.segments...)
	l.segmentsMu.RUnlock()
	var errs []error
	for _, g := range segments {
		errs = append(errs, g.flush())
	}
	return errors.Join(errs...)
}
