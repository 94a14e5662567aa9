package leash_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/store"
)

// TestPoliciesThatWereChangedOnDisk: reordering and deleting refuse to touch a file that was changed since, and
// saving over one that was read before.
func TestPoliciesThatWereChangedOnDisk(t *testing.T) {
	was := "id: a\nrules:\n  - {action: 'a.*', effect: allow}\n"
	for name, onDisk := range map[string]string{
		"an edit":      "id: a\nrules:\n  - {action: 'a.*', effect: deny}\n",
		"half an edit": "id: a\nrules: [",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.policy(was)
			w.policy("id: b\nrules:\n  - {action: 'b.*', effect: allow}\n")
			file := filepath.Join(w.dir, "policies", "a.yaml")
			must(t, os.WriteFile(file, []byte(onDisk), 0o600))
			_, order := w.OrderPolicies(t.Context(), w.owner, []string{"b", "a"})
			_, put := w.PutPolicy(t.Context(), w.owner, "a", leash.PolicyInput{Text: was + "# mine\n", ExpectText: &was})
			for what, err := range map[string]error{"order": order, "put": put, "delete": w.DeletePolicy(t.Context(), w.owner, "a")} {
				if leash.CodeOf(err) != leash.Conflict {
					t.Errorf("%s: %v", what, err)
				}
			}
			if now, err := os.ReadFile(file); err != nil || string(now) != onDisk {
				t.Errorf("the file is now %q, %v", now, err)
			}
		})
	}
}

// TestWhoChangedAPolicy: the log says by which way a change came.
func TestWhoChangedAPolicy(t *testing.T) {
	w := newWorld(t)
	admin, portal := w.owner, w.owner
	admin.Admin, portal.Via = true, policybook.Portal
	for i, c := range []leash.Caller{w.owner, portal, admin} {
		_, err := w.PutPolicy(t.Context(), c, "", leash.PolicyInput{Text: "id: a\nrank: " + string(rune('1'+i)) + "\nrules:\n  - {action: 'a.*', effect: allow}\n"})
		must(t, err)
	}
	page, err := w.Audit(t.Context(), w.owner, store.AuditQuery{Types: []store.EventType{store.PolicyUpdated}})
	must(t, err)
	want := []string{"admin admin", w.owner.OwnerID + " portal", w.owner.OwnerID + " api"} // newest first
	if len(page.Items) != len(want) {
		t.Fatalf("%d entries", len(page.Items))
	}
	for i, e := range page.Items {
		var d struct{ By, Via string }
		must(t, json.Unmarshal(e.Data, &d))
		if got := d.By + " " + d.Via; got != want[i] {
			t.Errorf("entry %d is %q, want %q", i, got, want[i])
		}
	}
}

// TestLinkedPolicyIsReadOnly: what is behind a link is shown and cannot be changed.
func TestLinkedPolicyIsReadOnly(t *testing.T) {
	w := newWorld(t)
	elsewhere := filepath.Join(t.TempDir(), "a.yaml")
	must(t, os.WriteFile(elsewhere, []byte("id: a\nrules:\n  - {action: 'a.*', effect: allow}\n"), 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(w.dir, "policies", "a.yaml")))
	_, err := w.SyncPolicies(t.Context())
	must(t, err)
	v, err := w.Policy(t.Context(), w.owner, "a")
	if must(t, err); !v.ReadOnly {
		t.Error("the view does not say so")
	}
	_, put := w.PutPolicy(t.Context(), w.owner, "a", leash.PolicyInput{Text: v.Text + "# x\n"})
	for what, err := range map[string]error{"put": put, "delete": w.DeletePolicy(t.Context(), w.owner, "a")} {
		if leash.CodeOf(err) != leash.PolicyReadOnly {
			t.Errorf("%s: %v", what, err)
		}
	}
}
