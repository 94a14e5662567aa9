package file

import (
	"io/fs"
	"syscall"

	"github.com/openleash/openleash-go/store"
)

// stampOf identifies the version of a file that info describes.
func stampOf(info fs.FileInfo) store.Stamp {
	st := store.Stamp{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.Device, st.Inode, st.Changed = sys.Dev, sys.Ino, sys.Ctim.Nano()
	}
	return st
}
