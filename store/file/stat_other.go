//go:build !linux && !darwin

package file

import (
	"io/fs"

	"github.com/openleash/openleash-go/store"
)

// stampOf identifies the version of a file that info describes, by size and time alone.
func stampOf(info fs.FileInfo) store.Stamp {
	return store.Stamp{Size: info.Size(), Modified: info.ModTime().UnixNano(), Changed: info.ModTime().UnixNano()}
}
