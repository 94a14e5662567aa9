package store

import (
	"crypto/sha256"
	"encoding/hex"
)

// PolicyFile is one policy as its owner wrote it. Owners also write, replace and delete these files by
// hand, so a Reader reads them from the disk each time.
type PolicyFile struct {
	Path string // relative to the policies folder, with forward slashes
	Text []byte
}

func (p PolicyFile) Kind() Kind    { return KindPolicy }
func (p PolicyFile) Key() string   { return p.Path }
func (p PolicyFile) Terms() []Term { return nil }

// PolicyRecord is what the log last said about one policy file. It is written in the transaction of that
// log entry, so that a start-up can tell which files were changed while the program was down, and keep
// the last good version of one that does not compile.
type PolicyRecord struct {
	Path     string `json:"path"`
	OwnerID  string `json:"owner_id,omitempty"`
	PolicyID string `json:"policy_id,omitempty"`
	// Sum is the SHA-256 (hex) of the active text; empty if no version of the file was ever active.
	Sum  string `json:"sum,omitempty"`
	Text string `json:"text,omitempty"`
	// Refused identifies the errors that the log last reported; empty if the file is well.
	Refused string `json:"refused,omitempty"`
	// Mounted: the file was on another file system than the data folder.
	Mounted bool `json:"mounted,omitempty"`
}

func (p PolicyRecord) Kind() Kind    { return KindPolicyRecord }
func (p PolicyRecord) Key() string   { return "file_" + PolicySum([]byte(p.Path)) }
func (p PolicyRecord) Terms() []Term { return nil }

// PolicySum is the SHA-256 of a policy's text, in hex.
func PolicySum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// PolicyScan is what a look at the policies folder found, without reading the files.
type PolicyScan struct {
	// Names are the visible files and folders, sorted by path. The folder itself is ".".
	Names []PolicyName
}

// PolicyName is one file or folder under the policies folder.
type PolicyName struct {
	Path    string // relative to the policies folder, with forward slashes
	Folder  bool
	Linked  bool  // reached through a symbolic link inside the policies folder: read-only
	Mounted bool  // on another file system than the data folder
	Stamp   Stamp // differs after the file was changed or replaced
	// Problem says why it cannot be read; empty if it can. Nothing is known about what a folder with a
	// problem contains.
	Problem string
}

// Stamp identifies a version of a file without reading it. Times are in nanoseconds since 1970.
type Stamp struct {
	Device, Inode     uint64
	Size              int64
	Modified, Changed int64
}
