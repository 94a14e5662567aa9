package policybook_test

import (
	"context"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
	"github.com/openleash/openleash-go/store/file"
)

// TestPromise29_ABrokenFileHoldsUpNoOther breaks a guardrail's file in every way. The guardrail stays, an edit of
// another file takes effect, both also after a restart, and the file is named until it is fixed.
func TestPromise29_ABrokenFileHoldsUpNoOther(t *testing.T) {
	text := owned(ann, guard("guard", "a.*"))
	for name, tc := range map[string]struct {
		breaks func(w *world)
		code   string
	}{
		"not YAML":         {func(w *world) { w.save("guard.yaml", "rules: [") }, "invalid_yaml"},
		"empty":            {func(w *world) { w.save("guard.yaml", "") }, "empty_file"},
		"a misspelt key":   {func(w *world) { w.save("guard.yaml", strings.Replace(text, "guardrail", "gardrail", 1)) }, "unknown_key"},
		"an unknown owner": {func(w *world) { w.save("guard.yaml", strings.Replace(text, ann, "usr_nobody", 1)) }, "unknown_owner"},
		"no owner":         {func(w *world) { w.save("guard.yaml", guard("guard", "a.*")) }, "missing_owner"},
		"another's id":     {func(w *world) { w.save("guard.yaml", owned(ann, guard("allow", "a.*"))) }, "duplicate_policy"},
		"too long":         {func(w *world) { w.save("guard.yaml", text+strings.Repeat("#", 1<<21)) }, "file_too_large"},
		"a folder":         {func(w *world) { w.remove("guard.yaml"); must(w.t, os.Mkdir(w.path("guard.yaml"), 0o700)) }, "unreadable_file"},
		"a dangling link":  {func(w *world) { w.remove("guard.yaml"); must(w.t, os.Symlink("nowhere.yaml", w.path("guard.yaml"))) }, "unreadable_file"},
		"a link to itself": {func(w *world) { w.remove("guard.yaml"); must(w.t, os.Symlink("guard.yaml", w.path("guard.yaml"))) }, "unreadable_file"},
		"a device":         {func(w *world) { w.remove("guard.yaml"); must(w.t, os.Symlink("/dev/zero", w.path("guard.yaml"))) }, "unreadable_file"},
		"a pipe":           {func(w *world) { w.remove("guard.yaml"); must(w.t, syscall.Mkfifo(w.path("guard.yaml"), 0o600)) }, "unreadable_file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ann, bob)
			w.save("allow.yaml", owned(ann, allow("allow", "a.*")))
			w.save("guard.yaml", text)
			w.sync()
			tc.breaks(w)
			w.save("allow.yaml", owned(ann, allow("allow", "b.*")))
			check := func(when string) {
				t.Helper()
				if a, b := w.decide(ann, "a.x"), w.decide(ann, "b.x"); a != rego.Deny || b != rego.Allow {
					t.Errorf("%s: the guardrail answers %s, the edited policy %s", when, a, b)
				}
				if got := w.Engine(ann).Policy("guard"); got == nil || string(got.Text) != text {
					t.Errorf("%s: the last good version is not active", when)
				}
				if got := w.broken(); got["guard.yaml"] != tc.code && name != "empty" || len(got) != 1 {
					t.Errorf("%s: broken are %v", when, got)
				}
			}
			w.sync()
			check("broken")
			w.sync()
			w.down(func() {})
			check("after a restart")
			refused := func(e event) bool { return e.Type == store.PolicyRefused }
			if n := len(slices.DeleteFunc(w.events(), func(e event) bool { return !refused(e) })); n != 1 {
				t.Errorf("the refusal is logged %d times", n)
			}
			w.remove("guard.yaml")
			w.save("guard.yaml", text)
			w.sync()
			events := w.events()
			if last := events[len(events)-1]; last.Type != store.PolicyRecovered || last.Path != "guard.yaml" || len(w.broken()) != 0 {
				t.Errorf("fixed: the last event is %+v, broken are %v", last, w.broken())
			}
		})
	}
}

// TestPromise29_NewBrokenFile: a file that never compiled has no effect and is reported.
func TestPromise29_NewBrokenFile(t *testing.T) {
	w := newWorld(t, ann)
	w.save("a.yaml", allow("a", "a.*"))
	w.save("b.yaml", "rules: [")
	w.save("data.json", `{"users": {}}`)
	if r := w.sync(); !slices.Equal(r.Refused, []string{"b.yaml", "data.json"}) && !slices.Equal(r.Refused, []string{"data.json", "b.yaml"}) {
		t.Errorf("refused are %v", r.Refused)
	}
	if w.decide(ann, "a.x") != rego.Allow {
		t.Error("the good file is not active")
	}
	w.remove("b.yaml")
	w.remove("data.json")
	if w.sync(); len(w.broken()) != 0 {
		t.Errorf("broken are %v", w.broken())
	}
}

// TestPromise29_LinksAreFollowed lays out what a ConfigMap mount looks like and swaps it as a kubelet does, for the
// whole folder and for a subfolder.
func TestPromise29_LinksAreFollowed(t *testing.T) {
	w := newWorld(t, ann)
	w.save("..v1/p.yaml", allow("p", "a.*"))
	w.save("..v1/team/guard.yaml", guard("guard", "z.*"))
	must(t, os.Symlink("..v1", w.path("..data")))
	must(t, os.Symlink("..data/p.yaml", w.path("p.yaml")))
	must(t, os.Symlink("..data/team", w.path("team")))
	w.sync()
	if w.decide(ann, "a.x") != rego.Allow || !w.ReadOnly("p.yaml") || !w.ReadOnly("team/guard.yaml") {
		t.Fatal("the linked policies are not active and read-only")
	}
	w.save("..v2/p.yaml", allow("p", "c.*"))
	w.save("..v2/team/guard.yaml", guard("guard", "c.*"))
	must(t, os.Symlink("..v2", w.path("..data_tmp")))
	must(t, os.Rename(w.path("..data_tmp"), w.path("..data")))
	w.remove("..v1")
	w.sync()
	if w.decide(ann, "c.x") != rego.Deny || w.Engine(ann).Policy("guard") == nil || len(w.broken()) != 0 {
		t.Errorf("after the swap: %s, broken %v", w.decide(ann, "c.x"), w.broken())
	}
	change := policybook.Change{OwnerID: ann, Path: "p.yaml", Text: []byte(allow("p", "x"))}
	if err := w.Apply(t.Context(), []policybook.Change{change}, nil); err == nil || !strings.Contains(err.Error(), "is a link") {
		t.Errorf("a linked file was written: %v", err)
	}
	must(t, os.Remove(w.path("..data")))
	if w.sync(); w.Engine(ann).Policy("guard") == nil || w.broken()["team"] == "" || w.broken()["p.yaml"] == "" {
		t.Errorf("a link that leads nowhere takes the guardrail away; broken %v", w.broken())
	}
}

// TestPromise29_FoldersThatGo: a folder that is gone, replaced or unreadable keeps what was active.
func TestPromise29_FoldersThatGo(t *testing.T) {
	for name, tc := range map[string]struct {
		goes func(w *world)
		at   string
	}{
		"removed":                  {func(w *world) { w.remove("") }, "."},
		"moved away":               {func(w *world) { must(w.t, os.Rename(w.path(""), w.dir+"/old")) }, "."},
		"a file in its place":      {func(w *world) { w.remove(""); must(w.t, os.WriteFile(w.path(""), nil, 0o600)) }, "."},
		"replaced by an empty one": {func(w *world) { must(w.t, os.Rename(w.path(""), w.dir+"/old")); must(w.t, os.Mkdir(w.path(""), 0o700)) }, "."},
		"subfolder replaced": {func(w *world) {
			must(w.t, os.Rename(w.path("team"), w.dir+"/old"))
			must(w.t, os.Mkdir(w.path("team"), 0o700))
		}, "team"},
		"subfolder a link to itself": {func(w *world) { w.remove("team"); must(w.t, os.Symlink("team", w.path("team"))) }, "team"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ann)
			w.save("team/guard.yaml", guard("guard", "a.*"))
			w.sync()
			tc.goes(w)
			w.sync()
			w.sync()
			if w.Engine(ann).Policy("guard") == nil || w.broken()[tc.at] != "unreadable_folder" {
				t.Errorf("the guardrail is %v, broken are %v", w.Engine(ann).Policy("guard"), w.broken())
			}
			w.remove("")
			w.save("team/guard.yaml", guard("guard", "a.*"))
			if w.sync(); len(w.broken()) != 0 || w.Engine(ann).Policy("guard") == nil {
				t.Errorf("back again: broken are %v", w.broken())
			}
		})
	}
}

// scanned is a store whose scans a test changes.
type scanned struct {
	*file.Store
	change func(*store.PolicyScan)
}

func (s scanned) ScanPolicies(ctx context.Context) (store.PolicyScan, error) {
	scan, err := s.Store.ScanPolicies(ctx)
	s.change(&scan)
	return scan, err
}

// TestPromise29_Unmounted: files that were on another file system and are gone with it are not deleted, also while
// the program is down; one that is deleted there is.
func TestPromise29_Unmounted(t *testing.T) {
	mounted := true
	w := newWorld(t, ann)
	w.wrap = func(s *file.Store) policybook.Store {
		return scanned{s, func(scan *store.PolicyScan) {
			for i := range scan.Names {
				scan.Names[i].Mounted = mounted
			}
		}}
	}
	w.openBook()
	w.save("guard.yaml", guard("guard", "a.*"))
	w.save("other.yaml", guard("other", "b.*"))
	w.sync()
	w.remove("other.yaml")
	if w.sync(); w.Engine(ann).Policy("other") != nil {
		t.Error("a file that was deleted from the mount is still active")
	}
	w.remove("guard.yaml")
	w.down(func() { mounted = false })
	if w.Engine(ann).Policy("guard") == nil || w.broken()["."] != "unreadable_folder" {
		t.Errorf("the guardrail went with the mount; broken are %v", w.broken())
	}
}

// TestPromise30_IgnoredFilesAreReported holds which names are policies, which are reported, and which are not.
func TestPromise30_IgnoredFilesAreReported(t *testing.T) {
	w := newWorld(t, ann)
	for _, name := range []string{"a.yaml", "b.YAML", "c.yml", "d.JSON", "sub/e.Yml"} {
		w.save(name, `{"rules": [{"action": "x", "effect": "allow"}]}`)
	}
	for _, name := range []string{"notes.txt", "p.yaml.txt", "p.yaml.bak", "sub/README", ".hidden.yaml", ".git/config", "q.yaml~", "a_test.yaml", "b_test.rego", "#r.yaml#"} {
		w.save(name, "rules: [")
	}
	w.sync()
	if got := w.Status(); !slices.Equal(got.Ignored, []string{"notes.txt", "p.yaml.bak", "p.yaml.txt", "sub/README"}) || len(got.Broken) != 0 {
		t.Errorf("got %+v", got)
	}
	if n := len(w.Engine(ann).Policies()); n != 5 {
		t.Errorf("%d policies are active", n)
	}
}

// TestPromise37_NothingButPolicies tries every way from policies/ to the server's own data.
func TestPromise37_NothingButPolicies(t *testing.T) {
	const secret = "id: secret\nrules: [{action: x, effect: allow}]\n"
	for name, link := range map[string]func(w *world) error{
		"a key":                  func(w *world) error { return os.Symlink("../keys/key.yaml", w.path("x.yaml")) },
		"by its absolute path":   func(w *world) error { return os.Symlink(w.dir+"/keys/key.yaml", w.path("x.yaml")) },
		"through another link":   func(w *world) error { return os.Symlink(w.elsewhere(w.dir)+"/keys/key.yaml", w.path("x.yaml")) },
		"the folder of the keys": func(w *world) error { return os.Symlink("../keys", w.path("x")) },
		"the data folder":        func(w *world) error { return os.Symlink("..", w.path("x")) },
		"the folder above":       func(w *world) error { return os.Symlink("../..", w.path("x")) },
		"in a linked folder": func(w *world) error {
			out := w.t.TempDir()
			_ = os.Symlink(w.dir+"/keys/key.yaml", out+"/x.yaml")
			return os.Symlink(out, w.path("x"))
		},
		"as the policies folder itself": func(w *world) error { w.remove(""); return os.Symlink("keys", w.path("")) },
		"the policies folder above":     func(w *world) error { w.remove(""); return os.Symlink("..", w.path("")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ann)
			must(t, os.WriteFile(w.dir+"/keys/key.yaml", []byte(secret), 0o600))
			must(t, link(w))
			w.sync()
			if w.Engine(ann).Policy("secret") != nil {
				t.Error("a file of the server's own data is a policy")
			}
			if len(w.broken()) == 0 {
				t.Error("it is not reported")
			}
			for _, name := range append(slices.Collect(maps.Keys(w.broken())), w.Status().Ignored...) {
				if strings.HasSuffix(name, "key.yaml") {
					t.Errorf("the report names %s", name)
				}
			}
			for _, file := range []string{"x.yaml", "x/key.yaml", "x/keys/key.yaml", "x/x.yaml", "key.yaml", "data/keys/key.yaml"} {
				if text, err := w.Text(file); text != "" {
					t.Errorf("%s shows %q, %v", file, text, err)
				}
			}
		})
	}
}

// elsewhere is a link outside of the data folder to a path.
func (w *world) elsewhere(path string) string {
	link := w.t.TempDir() + "/link"
	must(w.t, os.Symlink(path, link))
	return link
}

// TestDuplicates: the file that had the id keeps it, and the copy is named.
func TestDuplicates(t *testing.T) {
	w := newWorld(t, ann)
	w.save("rules.sync-conflict-20261127.yaml", allow("rules", "a.*"))
	w.save("rules.yaml", allow("rules", "b.*"))
	w.sync()
	want := map[string]string{"rules.sync-conflict-20261127.yaml": "duplicate_policy"}
	if got := w.broken(); !maps.Equal(got, want) || w.decide(ann, "b.x") != rego.Allow {
		t.Fatalf("at first sight: %v", got)
	}
	w.save("r.yaml", allow("rules", "c.*"))
	w.sync()
	w.down(func() {})
	if w.decide(ann, "b.x") != rego.Allow || w.broken()["r.yaml"] == "" {
		t.Errorf("a newcomer with a shorter name took the id: %v", w.broken())
	}
	w.remove("rules.yaml")
	w.sync()
	if w.decide(ann, "c.x") != rego.Allow || len(w.broken()) != 1 {
		t.Errorf("the next one does not take over: %v", w.broken())
	}
}

// TestWhatTheLogSays: each change is logged once, with who and how, also those made while the program was down.
func TestWhatTheLogSays(t *testing.T) {
	w := newWorld(t, ann)
	change := func(c policybook.Change) {
		t.Helper()
		c.OwnerID = ann
		must(t, w.Apply(t.Context(), []policybook.Change{c}, nil))
	}
	change(policybook.Change{Path: "a.yaml", Text: []byte(allow("a", "a.*")), By: ann, Via: policybook.Portal})
	w.sync()
	change(policybook.Change{Path: "a.yaml", Text: []byte(allow("a", "b.*")), By: "admin", Via: policybook.Admin})
	w.save("b.yaml", allow("b", "b.*"))
	w.save("c.yaml", allow("c", "c.*"))
	w.sync()
	w.down(func() { w.remove("b.yaml") })
	w.down(func() {})
	must(t, os.Rename(w.path("c.yaml"), w.path("d.yaml")))
	w.sync()
	change(policybook.Change{Path: "d.yaml", By: ann, Via: policybook.API})
	w.sync()
	if exists(w.path("d.yaml")) {
		t.Error("d.yaml is still there")
	}
	want := []event{
		{store.PolicyUpdated, "a.yaml", "a", ann, "portal"},
		{store.PolicyUpdated, "a.yaml", "a", "admin", "admin"},
		{store.PolicyUpdated, "b.yaml", "b", "", "file"},
		{store.PolicyUpdated, "c.yaml", "c", "", "file"},
		{store.PolicyDeleted, "b.yaml", "b", "", "file"},
		{store.PolicyUpdated, "d.yaml", "c", "", "file"},
		{store.PolicyDeleted, "c.yaml", "c", "", "file"},
		{store.PolicyDeleted, "d.yaml", "c", ann, "api"},
	}
	got := w.events()
	slices.SortStableFunc(got[2:4], func(a, b event) int { return strings.Compare(a.Path, b.Path) })
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

// TestLastGoodVersionIsLost: without the record the log knows the text; without both, everything is denied.
func TestLastGoodVersionIsLost(t *testing.T) {
	w := newWorld(t, ann)
	w.save("allow.yaml", allow("allow", "*"))
	w.save("guard.yaml", guard("guard", "a.*"))
	w.sync()
	w.down(func() {
		w.save("guard.yaml", "rules: [")
		must(t, os.RemoveAll(w.dir+"/active"))
	})
	if w.decide(ann, "a.x") != rego.Deny || w.decide(ann, "b.x") != rego.Allow {
		t.Errorf("without the records: a.x is %s, b.x is %s", w.decide(ann, "a.x"), w.decide(ann, "b.x"))
	}
	w.wrap = func(s *file.Store) policybook.Store { return forgetful{s} }
	must(t, w.store.Update(t.Context(), func(tx store.Tx) error {
		r, err := store.Get[store.PolicyRecord](t.Context(), tx, store.PolicyRecord{Path: "guard.yaml"}.Key())
		r.Text = "another text"
		if err == nil {
			err = tx.Put(r)
		}
		return err
	}))
	w.down(func() {})
	if w.decide(ann, "a.x") != rego.Deny || w.decide(ann, "b.x") != rego.Deny {
		t.Errorf("with nothing left: a.x is %s, b.x is %s", w.decide(ann, "a.x"), w.decide(ann, "b.x"))
	}
	w.save("guard.yaml", guard("guard", "a.*"))
	if w.sync(); w.decide(ann, "b.x") != rego.Allow || w.decide(ann, "a.x") != rego.Deny {
		t.Error("the fixed file is not active")
	}
}

// forgetful is a store whose log is lost.
type forgetful struct{ *file.Store }

func (forgetful) Audit(context.Context, store.AuditQuery) (store.AuditPage, error) {
	return store.AuditPage{}, nil
}

// TestPromise29_SameSizeAndTime: an edit that leaves the file's size and time as they were is noticed.
func TestPromise29_SameSizeAndTime(t *testing.T) {
	w := newWorld(t, ann)
	w.save("a.yaml", allow("a", "a.*"))
	info, err := os.Stat(w.path("a.yaml"))
	must(t, err)
	w.sync()
	for _, action := range []string{"b", "c", "d"} {
		w.save("a.yaml", allow("a", action+".*"))
		must(t, os.Chtimes(w.path("a.yaml"), info.ModTime(), info.ModTime()))
		if w.sync(); w.decide(ann, action+".x") != rego.Allow {
			t.Errorf("the edit for %s is not active", action)
		}
	}
}
