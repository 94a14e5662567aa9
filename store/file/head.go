package file

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/openleash/openleash-go/store"
)

// headFile remembers how far the log of this folder has come, so that a log that was moved away, emptied, shortened
// or replaced is not taken for a young one.
const headFile = "log.head"

// headSlot is the size of one of the file's two slots, in bytes. They are written in turns, so that one of them is
// whole after a crash. The slots say the entry, its hash, and the inode of the file itself: in a copy of the folder
// that differs, and a copy may be of a log that was shorter when it was copied.
const headSlot = 128

// logHead is the open file. It belongs to the goroutine that writes the log.
type logHead struct {
	file  handle
	inode uint64
	turn  int64
}

// headPosition is what the file says.
type headPosition struct {
	seq   uint64
	hash  store.Hash
	inode uint64
}

func (p headPosition) String() string {
	text := fmt.Sprintf("%020d %s %020d", p.seq, hex.EncodeToString(p.hash[:]), p.inode)
	return fmt.Sprintf("%-*s\n", headSlot-1, fmt.Sprintf("%s %016x", text, xxhash.Sum64String(text)))
}

func parseHead(slot string) (p headPosition, ok bool) {
	text := strings.TrimRight(slot, " \n")
	var hash string
	var sum uint64
	if _, err := fmt.Sscanf(text, "%d %s %d %x", &p.seq, &hash, &p.inode, &sum); err != nil {
		return p, false
	}
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != len(p.hash) {
		return p, false
	}
	copy(p.hash[:], raw)
	return p, p.String() == slot
}

// readHead reads the file: the later of its slots. found is false if there is none.
func (s *Store) readHead() (p headPosition, found bool, err error) {
	text, err := os.ReadFile(filepath.Join(s.dir, headFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("reading %s: %w", headFile, err)
	}
	for at := 0; at+headSlot <= len(text); at += headSlot {
		if slot, ok := parseHead(string(text[at : at+headSlot])); ok && (!found || slot.seq >= p.seq) {
			p, found = slot, true
		}
	}
	if !found {
		return p, false, fmt.Errorf("%s is damaged; nothing was changed; restore it from a backup of the whole folder, or run `openleash audit adopt`", headFile)
	}
	return p, true, nil
}

// openHead opens the file for writing, and makes it if it is not there.
func (s *Store) openHead() error {
	name := filepath.Join(s.dir, headFile)
	f, err := s.disk.Open(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("opening %s: %w", headFile, err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.log.head = &logHead{file: f, inode: stampOf(info).Inode}
	return nil
}

// write says that the log has come to an entry that is durable. It does not wait for the disk: the file may lag
// behind the log, and never leads it.
func (h *logHead) write(seq uint64, hash store.Hash) error {
	slot := headPosition{seq, hash, h.inode}.String()
	h.turn = (h.turn + 1) % 2
	if _, err := h.file.WriteAt([]byte(slot), h.turn*headSlot); err != nil {
		return fmt.Errorf("writing %s: %w", headFile, err)
	}
	return nil
}

// isFresh reports whether the folder never had a log: nothing in it comes from one.
func (s *Store) isFresh() (bool, error) {
	for _, trace := range []string{headFile, stateFile, "audit.log*.jsonl", filepath.Join(checkpoints, "*"), filepath.Join(cacheFolder, snapshotFile)} {
		found, err := filepath.Glob(filepath.Join(globQuote(s.dir), trace))
		if err != nil || len(found) > 0 {
			return false, err
		}
	}
	return true, nil
}

// globQuote quotes what filepath.Glob would take for a pattern.
func globQuote(dir string) string {
	if filepath.Separator == '\\' {
		return dir // there a backslash does not quote
	}
	return strings.NewReplacer("\\", "\\\\", "*", "\\*", "?", "\\?", "[", "\\[").Replace(dir)
}

// LostLogError says that the log is not the one that this folder has written.
type LostLogError struct {
	Dir   string
	Ends  uint64 // the last entry of the log that is there
	Wrote uint64 // the last entry that this folder is known to have written
	Why   string
}

func (e *LostLogError) Error() string {
	return fmt.Sprintf("%s: %s. The log was moved, emptied, shortened or replaced; nothing was changed. Put the file back "+
		"(logrotate leaves it as %s.1), or restore a backup of the whole folder. To go on without the missing entries, with "+
		"budgets at their last known sums, run `openleash audit adopt`", filepath.Join(e.Dir, activeLog), e.Why, activeLog)
}

// checkHead compares the log that was replayed with what this folder has written before: its own record, and the
// newest checkpoint. trusted says that there is nothing to compare with: the folder is new, or its log is adopted.
func (s *Store) checkHead(chain store.Chain, trusted bool) error {
	if !trusted {
		if err := s.compareHead(chain); err != nil {
			return err
		}
	}
	if err := s.openHead(); err != nil {
		return err
	}
	return s.log.head.write(chain.Seq, chain.Hash)
}

func (s *Store) compareHead(chain store.Chain) error {
	lost := func(wrote uint64, format string, args ...any) error {
		return &LostLogError{Dir: s.dir, Ends: chain.Seq, Wrote: wrote, Why: fmt.Sprintf(format, args...)}
	}
	head, found, err := s.readHead()
	if err != nil {
		return err
	}
	if !found {
		return lost(0, "%s is missing, which says how far the log has come", headFile)
	}
	info, err := os.Stat(filepath.Join(s.dir, headFile))
	if err != nil {
		return err
	}
	copied := head.inode != stampOf(info).Inode // the folder is a copy, or was restored
	switch {
	case chain.Seq < head.seq && copied:
		s.opts.Log.Warn("the folder is a copy whose log ends before what was known when it was copied", "log", chain.Seq, "known", head.seq)
	case chain.Seq < head.seq:
		return lost(head.seq, "it ends with entry %d, and this folder has written entry %d", chain.Seq, head.seq)
	case head.seq > 0:
		if hash, err := s.hashAt(chain, head.seq); err != nil || hash != head.hash {
			return lost(head.seq, "its entry %d is not the one that this folder has written", head.seq)
		}
	}
	return s.checkNewestCheckpoint(chain, copied, lost)
}

// checkNewestCheckpoint holds the log against the newest checkpoint in the folder.
func (s *Store) checkNewestCheckpoint(chain store.Chain, copied bool, lost func(uint64, string, ...any) error) error {
	names, err := listCheckpoints(s.dir)
	if err != nil || len(names) == 0 {
		return err
	}
	text, err := os.ReadFile(names[len(names)-1])
	if err != nil {
		return fmt.Errorf("reading a checkpoint: %w", err)
	}
	c, err := store.ReadCheckpoint(text)
	if err != nil {
		return fmt.Errorf("reading %s: %w; nothing was changed; restore it from a backup, or remove it", filepath.Base(names[len(names)-1]), err)
	}
	if copied && c.Seq > chain.Seq {
		return nil
	}
	if c.Seq > chain.Seq {
		return lost(c.Seq, "it ends with entry %d, and the checkpoint %s is of entry %d", chain.Seq, filepath.Base(names[len(names)-1]), c.Seq)
	}
	if hash, err := s.hashAt(chain, c.Seq); err != nil || hash != c.Hash {
		return lost(c.Seq, "its entry %d is not that of the checkpoint %s", c.Seq, filepath.Base(names[len(names)-1]))
	}
	return nil
}

func (s *Store) hashAt(chain store.Chain, seq uint64) (store.Hash, error) {
	if seq == chain.Seq {
		return chain.Hash, nil
	}
	e, err := s.log.entry(seq)
	if err != nil {
		return store.Hash{}, err
	}
	return store.ParseHash(e.Hash)
}

// adoptedAtOnce is how many accounts one LOG_ADOPTED entry carries, so that it stays below store.MaxLine.
const adoptedAtOnce = 100

// Adopt makes a folder whose log was lost usable again: the log that is there goes on, or a new one begins, with
// entries that carry the budgets and redeemed approvals of the last snapshot, so that nothing that is known is
// forgiven. It returns what is wrong with the log; nil if nothing is, and then it changes nothing. No process may
// hold the folder.
func Adopt(ctx context.Context, dir string, opts Options, confirm func(*LostLogError) bool) (*LostLogError, error) {
	s, err := Open(ctx, dir, opts)
	if err == nil {
		return nil, s.Close()
	}
	var lost *LostLogError
	if !errors.As(err, &lost) || !confirm(lost) {
		return lost, err
	}
	saved, accounts, err := readSnapshot(dir)
	if err != nil {
		return lost, err
	}
	names, err := listCheckpoints(dir)
	for _, name := range names { // they are of the log that was lost
		err = errors.Join(err, os.Rename(name, name+".lost"))
	}
	for _, name := range []string{headFile, filepath.Join(cacheFolder, snapshotFile)} {
		err = errors.Join(err, ignoreMissing(os.Remove(filepath.Join(dir, name))))
	}
	if err != nil {
		return lost, fmt.Errorf("adopting the log: %w", err)
	}
	opts.adopts = true
	if s, err = Open(ctx, dir, opts); err != nil {
		return lost, err
	}
	return lost, errors.Join(s.adopt(lost, saved, accounts), s.Close())
}

// adopt records what is known of the entries that are missing.
func (s *Store) adopt(lost *LostLogError, saved snapshotHead, accounts []store.SavedAccount) error {
	var entries []store.Entry
	for first := true; first || len(accounts) > 0; first = false {
		n := min(len(accounts), adoptedAtOnce)
		some, err := json.Marshal(accounts[:n])
		if err != nil {
			return fmt.Errorf("encoding what is adopted: %w", err)
		}
		a := store.Adopted{LastKnown: max(lost.Wrote, saved.Through), Why: lost.Why, Accounts: string(some)}
		if first {
			a.Consumed, a.Names = saved.Consumed, saved.Names
		}
		data, err := json.Marshal(&a)
		if err != nil {
			return fmt.Errorf("encoding what is adopted: %w", err)
		}
		e := store.Entry{Type: store.LogAdopted, Data: data}
		s.complete(&e)
		entries, accounts = append(entries, e), accounts[n:]
	}
	return s.log.append(entries)
}

// readSnapshot reads the snapshot of a folder without holding it against the log; empty if there is none.
func readSnapshot(dir string) (snapshotHead, []store.SavedAccount, error) {
	content, err := os.ReadFile(filepath.Join(dir, cacheFolder, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return snapshotHead{}, nil, nil
	}
	if err != nil {
		return snapshotHead{}, nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	head, accounts, err := parseSnapshot(content)
	if err != nil {
		return snapshotHead{}, nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	return head, accounts, nil
}
