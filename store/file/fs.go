package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Private material is for the process's user alone.
const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700
)

// disk is what the store asks of a file system to write, so that tests can make each step fail.
type disk interface {
	Open(name string, flag int) (handle, error)
	Rename(from, to string) error
	Remove(name string) error
	MkdirAll(name string) error
	// SyncDir makes what was created, renamed or removed in a folder durable.
	SyncDir(name string) error
}

// handle is an open file.
type handle interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// osDisk is the real one.
type osDisk struct{}

func (osDisk) Open(name string, flag int) (handle, error) {
	f, err := os.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err // not a handle that holds a nil *os.File
	}
	return f, nil
}

func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(name string) error     { return os.Remove(name) }
func (osDisk) MkdirAll(name string) error   { return os.MkdirAll(name, dirMode) }

func (osDisk) SyncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened there, and NTFS journals its own
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tempSuffix ends the names of files that are not in their place yet. They begin with a dot, so that
// nobody takes one for a policy.
const tempSuffix = ".openleash-tmp"

func tempName(name string) string {
	return filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+tempSuffix)
}

// replaceFile puts content in the place of a file, durably: after a crash the file is the old one or
// the new one.
func replaceFile(d disk, name string, content []byte) error {
	temp := tempName(name)
	if err := writeTemp(d, temp, content); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", name, err), ignoreMissing(d.Remove(temp)))
	}
	if err := d.Rename(temp, name); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", name, err), ignoreMissing(d.Remove(temp)))
	}
	return d.SyncDir(filepath.Dir(name))
}

func writeTemp(d disk, name string, content []byte) error {
	f, err := d.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// removeFile removes a file, durably. One that is not there is no error.
func removeFile(d disk, name string) error {
	if err := ignoreMissing(d.Remove(name)); err != nil {
		return err
	}
	return ignoreMissing(d.SyncDir(filepath.Dir(name)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeTemps removes what a crash left of files that did not get to their place.
func removeTemps(d disk, dir string) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		if !e.IsDir() && strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), tempSuffix) {
			return ignoreMissing(d.Remove(name))
		}
		return nil
	})
}
