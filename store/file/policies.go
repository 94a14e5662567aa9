package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/openleash/openleash-go/store"
)

// maxPolicySize is how many bytes of a policy file are read: twice what the language allows, so that a
// longer file is refused for its length.
const maxPolicySize = 1 << 20

// ReadPolicy reads one policy file and identifies the version that it read. It opens nothing but regular
// files, never waits for a writer, and follows no link into the server's own data.
func (s *Store) ReadPolicy(path string) (store.PolicyFile, store.Stamp, error) {
	none := store.PolicyFile{}
	if checkPolicyPath(path) != nil {
		return none, store.Stamp{}, store.ErrNotFound
	}
	if w, ok := s.policyWrites()[path]; ok {
		if w.Remove {
			return none, store.Stamp{}, store.ErrNotFound
		}
		return store.PolicyFile{Path: path, Text: w.Content}, store.Stamp{}, nil
	}
	text, info, err := s.readRegular(path)
	for tries := 0; errors.Is(err, errReplaced) && tries < 3; tries++ {
		text, info, err = s.readRegular(path)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return none, store.Stamp{}, fmt.Errorf("policy %s: %w", path, store.ErrNotFound)
	}
	if err != nil {
		return none, store.Stamp{}, fmt.Errorf("reading the policy %s: %s", path, plain(err))
	}
	return store.PolicyFile{Path: path, Text: text}, stampOf(info), nil
}

// errReplaced: what was opened is not what the path leads to; trying again settles it.
var errReplaced = errors.New("the file was replaced while it was read")

func (s *Store) readRegular(path string) ([]byte, fs.FileInfo, error) {
	real, err := s.resolvePolicy(path)
	if err != nil {
		return nil, nil, err
	}
	before, err := os.Stat(real)
	if err != nil {
		return nil, nil, err
	}
	if err := checkRegular(before); err != nil {
		return nil, nil, err // opening a device may already have an effect
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	// The links may have been changed between the check and the opening.
	again, err := s.resolvePolicy(path)
	if err != nil {
		return nil, nil, err
	}
	if now, err := os.Stat(again); err != nil || !os.SameFile(now, info) || !os.SameFile(before, info) {
		return nil, nil, errReplaced
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPolicySize))
	return text, info, err
}

// resolvePolicy follows the links of a policy's path, but not into the server's own data.
func (s *Store) resolvePolicy(path string) (string, error) {
	sc := newPolicyScan(context.Background(), s.dir)
	root, err := sc.open()
	if err != nil {
		return "", err
	}
	plainly := filepath.Join(root, filepath.FromSlash(path))
	real, err := filepath.EvalSymlinks(plainly)
	if err == nil && real != plainly && sc.own(real) {
		err = errOwnData
	}
	return real, err
}

// readPolicy reads one policy as a record.
func (s *Store) readPolicy(path string) (store.Record, error) {
	f, _, err := s.ReadPolicy(path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// listPolicies reads all files under the policies folder, by path. It is an error if one cannot be read.
func (s *Store) listPolicies() ([]store.Record, error) {
	scan, err := s.ScanPolicies(context.Background())
	if err != nil {
		return nil, err
	}
	var out []store.Record
	for _, n := range scan.Names {
		if n.Problem != "" {
			return nil, fmt.Errorf("reading the policies: %s: %s", n.Path, n.Problem)
		}
		if n.Folder {
			continue
		}
		rec, err := s.readPolicy(n.Path)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// checkWritable refuses, before a transaction begins, to write a policy file that is behind a link or in a
// folder that this process may not write: once the log has the change, the file has to follow.
func (s *Store) checkWritable(path string) error {
	at := filepath.Join(s.dir, policyFolder)
	parts := strings.Split(path, "/")
	for i, part := range parts {
		next := filepath.Join(at, part)
		info, err := os.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		switch {
		case err != nil:
			return fmt.Errorf("%w: %s: %s", store.ErrReadOnly, path, plain(err))
		case info.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("%w: policies/%s is a link; change the file that it leads to", store.ErrReadOnly, strings.Join(parts[:i+1], "/"))
		case i == len(parts)-1 && !info.Mode().IsRegular():
			return fmt.Errorf("%w: policies/%s: %s", store.ErrReadOnly, path, checkRegular(info).Error())
		case i < len(parts)-1:
			at = next
		}
	}
	probe := filepath.Join(at, ".probe"+tempSuffix)
	f, err := os.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w: the folder %s is read-only (%s); change the file where it comes from", store.ErrReadOnly, at, plain(err))
	}
	if err != nil {
		return nil //nolint:nilerr // the transaction itself finds out, and undoes what it did
	}
	return errors.Join(f.Close(), ignoreMissing(os.Remove(probe)))
}
