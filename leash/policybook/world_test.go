package policybook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
	"github.com/openleash/openleash-go/store/file"
)

const (
	ann = "usr_01h455vb4pex5vsknk084sn02q"
	bob = "usr_01h455vb4pex5vsknk084sn03r"
)

// world is a book over a real folder that a test can open again.
type world struct {
	t     testing.TB
	dir   string
	store *file.Store
	wrap  func(*file.Store) policybook.Store
	*policybook.Book
}

func newWorld(t testing.TB, owners ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), wrap: func(s *file.Store) policybook.Store { return s }}
	w.openStore()
	t.Cleanup(func() { w.store.Close() })
	must(t, w.store.Update(t.Context(), func(tx store.Tx) error {
		var errs []error
		for _, id := range owners {
			errs = append(errs, tx.Insert(store.Owner{ID: id, Type: "HUMAN", DisplayName: id, Status: store.Active}))
		}
		return errors.Join(errs...)
	}))
	w.openBook()
	return w
}

func (w *world) openStore() {
	w.t.Helper()
	s, err := file.Open(context.Background(), w.dir, file.Options{Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	must(w.t, err)
	w.store = s
}

func (w *world) openBook() {
	w.t.Helper()
	b, err := policybook.Open(context.Background(), policybook.Config{Store: w.wrap(w.store), Set: rego.NewSet(rego.Options{Deadline: time.Minute}),
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Entry: entry})
	must(w.t, err)
	w.Book = b
}

func entry(t store.EventType, owner string, data map[string]any) store.Entry {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return store.Entry{Type: t, OwnerID: owner, Time: time.Now(), Data: raw}
}

// down runs a change while the program is down.
func (w *world) down(change func()) {
	w.t.Helper()
	must(w.t, w.store.Close())
	change()
	w.openStore()
	w.openBook()
}

func (w *world) path(name string) string { return filepath.Join(w.dir, "policies", name) }

func (w *world) save(name, text string) {
	w.t.Helper()
	must(w.t, os.MkdirAll(filepath.Dir(w.path(name)), 0o700))
	must(w.t, os.WriteFile(w.path(name), []byte(text), 0o600))
}

func (w *world) remove(name string) {
	w.t.Helper()
	must(w.t, os.RemoveAll(w.path(name)))
}

func (w *world) sync() policybook.Report {
	w.t.Helper()
	r, err := w.Sync(w.t.Context())
	must(w.t, err)
	return r
}

// decide answers an action of an agent of an owner.
func (w *world) decide(owner, action string) rego.Result {
	w.t.Helper()
	d := w.Engine(owner).Layers(rego.Subject{AgentID: "shopper", PrincipalID: "agt_1", OwnerID: owner, OwnerType: "HUMAN"}).
		Decide(w.t.Context(), rego.Input{ActionType: action, Now: time.Unix(1, 0), Action: []byte(fmt.Sprintf(`{"action_type":%q,"payload":{}}`, action))})
	if d.Err != nil {
		w.t.Error(d.Err)
	}
	return d.Result
}

// broken are the files that the status names, with the codes of their problems.
func (w *world) broken() map[string]string {
	out := map[string]string{}
	for _, b := range w.Status().Broken {
		out[b.File] = b.Problems[0].Code
	}
	return out
}

// event is what the log says about a policy file.
type event struct {
	Type store.EventType
	Path string `json:"path"`
	ID   string `json:"policy_id"`
	By   string `json:"by"`
	Via  string `json:"via"`
}

// events are the log's entries about policies, oldest first.
func (w *world) events() []event {
	w.t.Helper()
	page, err := w.store.Audit(w.t.Context(), store.AuditQuery{Limit: 500, Types: []store.EventType{
		store.PolicyUpdated, store.PolicyDeleted, store.PolicyRefused, store.PolicyRecovered}})
	must(w.t, err)
	var out []event
	for _, e := range slices.Backward(page.Items) {
		ev := event{Type: e.Type}
		must(w.t, json.Unmarshal(e.Data, &ev))
		out = append(out, ev)
	}
	return out
}

func allow(id, action string) string {
	return fmt.Sprintf("id: %s\nrules:\n  - {action: %q, effect: allow}\n", id, action)
}

func guard(id, action string) string {
	return fmt.Sprintf("id: %s\nguardrail: true\nrules:\n  - {action: %q, effect: deny}\n", id, action)
}

func owned(owner, text string) string { return "owner: " + owner + "\n" + text }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
