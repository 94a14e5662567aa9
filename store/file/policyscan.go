package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/store"
)

// Bounds of what a scan looks at, so that a link to a whole disk costs little.
const (
	maxPolicyNames = 100_000
	maxPolicyDepth = 32
)

// ScanPolicies looks at everything visible under the policies folder, without reading a file. What cannot
// be read is in the result with its problem; the only error is the context's.
func (s *Store) ScanPolicies(ctx context.Context) (store.PolicyScan, error) {
	sc := newPolicyScan(ctx, s.dir)
	sc.run()
	if err := ctx.Err(); err != nil {
		return store.PolicyScan{}, err
	}
	names := overlayWrites(sc.names, s.policyWrites())
	slices.SortFunc(names, func(a, b store.PolicyName) int { return strings.Compare(a.Path, b.Path) })
	s.watching.Lock()
	s.policyFolders = sc.watched
	s.watching.Unlock()
	return store.PolicyScan{Names: names}, nil
}

// overlayWrites adds what is committed and not written through yet.
func overlayWrites(names []store.PolicyName, writes map[string]write) []store.PolicyName {
	if len(writes) == 0 {
		return names
	}
	names = slices.DeleteFunc(names, func(n store.PolicyName) bool { _, pending := writes[n.Path]; return pending })
	for path, w := range writes {
		if !w.Remove {
			names = append(names, store.PolicyName{Path: path})
		}
	}
	return names
}

// policyScan is one scan under way.
type policyScan struct {
	ctx  context.Context
	data string // the data folder

	dataInfo, rootInfo fs.FileInfo
	device             uint64          // of the data folder
	inData             map[string]bool // by folder: whether it belongs to the server's own data

	names   []store.PolicyName
	watched map[string]bool // folders in which a change may change a policy
}

func newPolicyScan(ctx context.Context, data string) *policyScan {
	return &policyScan{ctx: ctx, data: data, inData: map[string]bool{}, watched: map[string]bool{}}
}

// open resolves the policies folder, which may be a link to anywhere but into the data folder.
func (sc *policyScan) open() (root string, err error) {
	data, err := filepath.EvalSymlinks(sc.data)
	if err != nil {
		return "", err
	}
	if sc.dataInfo, err = os.Stat(data); err != nil {
		return "", err
	}
	sc.device = stampOf(sc.dataInfo).Device
	sc.watched[data] = true // sees the policies folder come and go
	if root, err = filepath.EvalSymlinks(filepath.Join(data, policyFolder)); err != nil {
		return "", err
	}
	if root != filepath.Join(data, policyFolder) && sc.own(root) {
		return "", errOwnData
	}
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	sc.rootInfo, sc.inData = info, map[string]bool{}
	return root, err
}

func (sc *policyScan) run() {
	root, err := sc.open()
	if err != nil {
		sc.add(store.PolicyName{Path: ".", Folder: true, Problem: plain(err)})
		return
	}
	sc.folder(root, ".", sc.rootInfo, false, []fs.FileInfo{sc.rootInfo})
}

var errOwnData = errors.New("it leads into the server's own data, which is never read as a policy")

func (sc *policyScan) add(n store.PolicyName) { sc.names = append(sc.names, n) }

// folder looks at one folder and all below it. chain are the folders that lead here.
func (sc *policyScan) folder(dir, rel string, info fs.FileInfo, linked bool, chain []fs.FileInfo) {
	at := store.PolicyName{Path: rel, Folder: true, Linked: linked, Stamp: stampOf(info), Mounted: sc.mounted(info)}
	sc.watched[dir] = true
	root, err := os.OpenRoot(dir) // saves the kernel the walk along the path of each file
	var entries []fs.DirEntry
	if err == nil {
		defer func() { _ = root.Close() }() // it was only read
		entries, err = os.ReadDir(dir)
	}
	switch {
	case os.SameFile(info, sc.dataInfo):
		at.Problem = errOwnData.Error()
	case err != nil:
		at.Problem = plain(err)
	case len(chain) > maxPolicyDepth:
		at.Problem = fmt.Sprintf("folders are nested deeper than %d", maxPolicyDepth)
	case len(sc.names)+len(entries) > maxPolicyNames:
		at.Problem = fmt.Sprintf("there are more than %d files", maxPolicyNames)
	}
	sc.add(at)
	if at.Problem != "" || sc.ctx.Err() != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name, path := filepath.Join(dir, e.Name()), e.Name()
		if rel != "." {
			path = rel + "/" + path
		}
		if e.Type()&fs.ModeSymlink != 0 {
			sc.link(name, path, chain)
			continue
		}
		info, err := root.Lstat(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken away meanwhile
		}
		sc.entry(name, path, info, err, linked, chain)
	}
}

// entry looks at what is not a link.
func (sc *policyScan) entry(name, path string, info fs.FileInfo, err error, linked bool, chain []fs.FileInfo) {
	n := store.PolicyName{Path: path, Linked: linked}
	if err == nil {
		err = checkRegular(info)
	}
	switch {
	case info != nil && info.IsDir():
		if slices.ContainsFunc(chain, func(up fs.FileInfo) bool { return os.SameFile(up, info) }) {
			n.Folder, n.Problem = true, "the link leads back to a folder that contains it"
			sc.add(n)
			return
		}
		sc.folder(name, path, info, linked, append(slices.Clip(chain), info))
		return
	case err != nil:
		n.Problem = plain(err)
	default:
		n.Stamp, n.Mounted = stampOf(info), sc.mounted(info)
	}
	sc.add(n)
}

// link follows a symbolic link, and watches each folder through which it leads.
func (sc *policyScan) link(name, path string, chain []fs.FileInfo) {
	for hop, hops := name, 0; hops < maxPolicyDepth; hops++ {
		target, err := os.Readlink(hop)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(hop), target)
		}
		hop = target
		if dir, err := filepath.EvalSymlinks(filepath.Dir(hop)); err == nil {
			sc.watched[dir] = true
		}
	}
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		target, _ := os.Readlink(name)
		sc.add(store.PolicyName{Path: path, Linked: true, Problem: fmt.Sprintf("the link to %s cannot be followed: %s", target, plain(err))})
		return
	}
	sc.watched[filepath.Dir(real)] = true
	if sc.own(real) {
		sc.add(store.PolicyName{Path: path, Linked: true, Problem: errOwnData.Error()})
		return
	}
	info, err := os.Stat(real)
	sc.entry(real, path, info, err, true, chain)
}

func (sc *policyScan) mounted(info fs.FileInfo) bool { return stampOf(info).Device != sc.device }

// own reports whether a real path is in the data folder and not in its policies.
func (sc *policyScan) own(real string) bool {
	dir := filepath.Dir(real)
	if own, known := sc.inData[dir]; known {
		return own
	}
	own := false
	for at := real; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && sc.rootInfo != nil && os.SameFile(info, sc.rootInfo) {
			break
		}
		if err == nil && os.SameFile(info, sc.dataInfo) {
			own = true
			break
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	sc.inData[dir] = own
	return own
}

// checkRegular refuses what is not a regular file: reading a pipe or a device might never end.
func checkRegular(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return errors.New("it is a folder, not a file")
	case mode&fs.ModeNamedPipe != 0:
		return errors.New("it is a named pipe, not a regular file")
	case mode&fs.ModeSocket != 0:
		return errors.New("it is a socket, not a regular file")
	default:
		return errors.New("it is a device, not a regular file")
	}
}

// plain is an error's cause without the operation and the path, which the report names.
func plain(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}
