package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/openleash/openleash-go/store"
)

// keptCheckpoints is how many files checkpoints/ holds; the log holds all of them.
const keptCheckpoints = 1000

const checkpointSuffix = ".note"

// SetSigner makes the store sign checkpoints from now on: by count, by time and on Close. Its keys
// are often records of this very store, hence no earlier.
func (s *Store) SetSigner(signer store.Signer) {
	s.signerMu.Lock()
	defer s.signerMu.Unlock()
	s.signer = signer
}

func (s *Store) currentSigner() store.Signer {
	s.signerMu.Lock()
	defer s.signerMu.Unlock()
	return s.signer
}

// recallCheckpoint finds out what the last checkpoint covers.
func (s *Store) recallCheckpoint() error {
	s.checkpointTime = s.opts.Clock()
	last := s.log.last()
	if last == 0 {
		return nil
	}
	e, err := s.log.entry(last)
	if err != nil {
		return err
	}
	if e.Type == store.LogCheckpoint {
		s.checkpointAt = last
		return nil
	}
	names, err := listCheckpoints(s.dir)
	if err != nil || len(names) == 0 {
		return err
	}
	number := strings.TrimSuffix(filepath.Base(names[len(names)-1]), checkpointSuffix)
	s.checkpointAt, err = strconv.ParseUint(number, 10, 64)
	return err
}

// due says whether a checkpoint is.
func (s *Store) due() bool {
	last := s.log.last()
	if last <= s.checkpointAt {
		return false
	}
	return last-s.checkpointAt >= uint64(s.opts.CheckpointEvery) ||
		s.opts.Clock().Sub(s.checkpointTime) >= s.opts.CheckpointInterval ||
		s.opts.Clock().Before(s.checkpointTime)
}

// checkpoint signs the log up to its last entry: into the log, and as a file of its own that can be
// kept elsewhere.
func (s *Store) checkpoint() error {
	signer := s.currentSigner()
	seq := s.log.last()
	if signer == nil || seq <= s.checkpointAt {
		return nil // nothing came after the last one, itself apart
	}
	e, err := s.log.entry(seq)
	if err != nil {
		return err
	}
	c := store.Checkpoint{Seq: seq, Time: s.opts.Clock()}
	if c.Hash, err = store.ParseHash(e.Hash); err != nil {
		return err
	}
	note, err := store.SignCheckpoint(c, signer)
	if err != nil {
		return err
	}
	data, err := json.Marshal(store.Checkpointed{Seq: seq, Hash: e.Hash, Note: string(note)})
	if err != nil {
		return fmt.Errorf("encoding a checkpoint: %w", err)
	}
	entries := []store.Entry{{Type: store.LogCheckpoint, Data: data}}
	s.complete(&entries[0])
	if err := s.log.append(entries); err != nil {
		return err
	}
	s.checkpointAt, s.checkpointTime = entries[0].Seq, c.Time
	name := filepath.Join(s.dir, checkpoints, fmt.Sprintf("%012d%s", seq, checkpointSuffix))
	if err := replaceFile(s.disk, name, note); err != nil {
		return err
	}
	return s.dropCheckpoints()
}

func (s *Store) dropCheckpoints() error {
	seqs, err := listCheckpoints(s.dir)
	if err != nil || len(seqs) <= keptCheckpoints {
		return err
	}
	var errs []error
	for _, name := range seqs[:len(seqs)-keptCheckpoints] {
		errs = append(errs, s.disk.Remove(name))
	}
	return errors.Join(errs...)
}

// listCheckpoints returns the checkpoint files, oldest first.
func listCheckpoints(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, checkpoints)) // by name, which is by number
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var out []string
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), checkpointSuffix)
		if _, err := strconv.ParseUint(number, 10, 64); ok && err == nil {
			out = append(out, filepath.Join(dir, checkpoints, e.Name()))
		}
	}
	return out, nil
}
