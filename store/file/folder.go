package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/openleash/openleash-go/store"
)

// The names in a data folder.
const (
	stateFile    = "state.yaml"
	lockFile     = "lock"
	journalFile  = "journal.json"
	policyFolder = string(store.KindPolicy)
	cacheFolder  = "cache"
	checkpoints  = "checkpoints"
)

// fileOf is the file that a record is kept in.
func (s *Store) fileOf(kind store.Kind, key string) string {
	switch {
	case kind == store.KindPolicy:
		return filepath.Join(s.dir, policyFolder, filepath.FromSlash(key))
	case slices.Contains(stateKinds(), kind):
		return filepath.Join(s.dir, stateFile)
	default:
		return filepath.Join(s.dir, string(kind), key+".json")
	}
}

// makeFolders creates the data folder and those in it.
func (s *Store) makeFolders() error {
	folders := append([]store.Kind{"", cacheFolder, checkpoints}, folderKinds()...)
	if _, err := os.Lstat(filepath.Join(s.dir, policyFolder)); err != nil { // a link that leads nowhere is reported, not an error
		folders = append(folders, store.KindPolicy)
	}
	for _, name := range folders {
		if err := s.disk.MkdirAll(filepath.Join(s.dir, string(name))); err != nil {
			return fmt.Errorf("making the data folder: %w", err)
		}
	}
	return nil
}

// loadRecords reads all records. A file that cannot be read is an error that names it: going on
// without it could make an owner or a revocation disappear.
func (s *Store) loadRecords() error {
	var all []change
	for _, kind := range folderKinds() {
		folder := filepath.Join(s.dir, string(kind))
		files, err := os.ReadDir(folder)
		if err != nil {
			return fmt.Errorf("reading %s: %w", folder, err)
		}
		for _, f := range files {
			if f.IsDir() || strings.HasPrefix(f.Name(), ".") || !strings.HasSuffix(f.Name(), ".json") {
				continue
			}
			if err := s.makePrivate(filepath.Join(folder, f.Name())); err != nil {
				return err
			}
			rec, err := readRecord(kind, filepath.Join(folder, f.Name()))
			if err != nil {
				return err
			}
			all = append(all, change{kind: kind, key: rec.Key(), record: rec})
		}
	}
	state, err := s.readState()
	if err != nil {
		return err
	}
	all = append(all, state...)
	seen := make(map[string]string)
	for _, ch := range all {
		for _, t := range ch.record.Terms() {
			id := string(ch.kind) + " " + t.Text
			if other, taken := seen[id]; t.Unique && taken {
				return fmt.Errorf("%s and %s of %s both hold %s, which only one may; remove one of the two files", other, ch.key, ch.kind, t.Text)
			} else if t.Unique {
				seen[id] = ch.key
			}
		}
	}
	s.records.apply(all)
	return nil
}

// makePrivate takes a file away from other users, and says so: it may hold keys, secrets or hashes.
func (s *Store) makePrivate(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("reading a record: %w", err)
	}
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(name, info.Mode().Perm()&0o700); err != nil {
		return fmt.Errorf("%s can be read by other users, and this cannot be changed: %w", name, err)
	}
	s.opts.Log.Warn("a file could be read by other users; its mode was repaired. What it holds may be known to them", "file", name, "mode", info.Mode().Perm().String())
	return nil
}

func readRecord(kind store.Kind, name string) (store.Record, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	rec, err := decode(kind, content)
	if err != nil {
		return nil, fmt.Errorf("%s is corrupt: %w; nothing was changed; mend the file or restore it from a backup", name, err)
	}
	if want := rec.Key() + ".json"; filepath.Base(name) != want {
		return nil, fmt.Errorf("%s holds the record of %s; nothing was changed; mend the file or restore it from a backup", name, want)
	}
	return rec, nil
}

const stateHeader = "# What has no file of its own. The program rewrites this file; edit it only while it is stopped.\n"

// encodeState writes state.yaml: a section for each kind, a record on each line, itself JSON, which
// is YAML too.
func encodeState(all map[store.Kind][]store.Record) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(stateHeader)
	for _, kind := range stateKinds() {
		if len(all[kind]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", kind)
		for _, rec := range all[kind] {
			line, err := json.Marshal(rec)
			if err != nil {
				return nil, fmt.Errorf("encoding a record of %s: %w", kind, err)
			}
			fmt.Fprintf(&b, "  %q: %s\n", rec.Key(), line)
		}
	}
	return b.Bytes(), nil
}

func (s *Store) readState() ([]change, error) {
	name := filepath.Join(s.dir, stateFile)
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	var sections map[store.Kind]map[string]any
	if err := yaml.Unmarshal(content, &sections); err != nil {
		return nil, fmt.Errorf("%s is corrupt: %w; nothing was changed; mend the file or restore it from a backup", name, err)
	}
	var out []change
	for kind, recs := range sections {
		for key, fields := range recs {
			line, err := json.Marshal(fields)
			if err != nil {
				return nil, fmt.Errorf("%s is corrupt: %s: %w", name, key, err)
			}
			rec, err := decode(kind, line)
			if err == nil && (rec.Key() != key || !slices.Contains(stateKinds(), kind)) {
				err = errors.New("not in its place")
			}
			if err != nil {
				return nil, fmt.Errorf("%s is corrupt: %s: %w; nothing was changed; mend the file or restore it from a backup", name, key, err)
			}
			out = append(out, change{kind: kind, key: key, record: rec})
		}
	}
	return out, nil
}
