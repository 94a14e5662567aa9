package gui

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// historyView is how a policy came to be what it is.
type historyView struct {
	ID, Name string
	InForce  string // its text now; empty if it is gone
	Versions []version
	More     bool // there are older ones than can be shown at once
}

// version is one text of a policy, with what changed since the one before.
type version struct {
	EventID string
	Time    time.Time
	Deleted bool
	Text    string
	Changes []diffLine
	First   bool
	Current bool
}

// maxVersions bounds how many versions a page shows.
const maxVersions = 30

func historyPage(v *visit) error {
	out := historyView{ID: v.r.PathValue("id"), Name: v.r.PathValue("id")}
	if p, err := v.svc.Policy(v.ctx(), v.caller, out.ID); err == nil {
		out.InForce = p.Text
		if p.Name != "" {
			out.Name = p.Name
		}
	}
	entries, more, err := v.policyEntries(out.ID)
	if err != nil {
		return err
	}
	if len(entries) == 0 && out.InForce == "" {
		return &leash.Error{Code: leash.NotFound, Message: "the log has no policy of this id"}
	}
	out.More = more
	for i, e := range entries {
		ver := version{EventID: e.entry.ID, Time: e.entry.Time, Deleted: e.entry.Type == store.PolicyDeleted, Text: e.text}
		before := ""
		if i+1 < len(entries) {
			before = entries[i+1].text
		}
		ver.First = before == "" && !ver.Deleted
		if !ver.First && !ver.Deleted {
			ver.Changes = diff(before, e.text)
		}
		ver.Current = i == 0 && e.text == out.InForce
		out.Versions = append(out.Versions, ver)
	}
	return v.render(http.StatusOK, "history", "History of "+out.Name, out)
}

type policyEntry struct {
	entry store.Entry
	text  string
}

// policyEntries are what the log tells of one policy, newest first.
func (v *visit) policyEntries(id string) (out []policyEntry, more bool, err error) {
	q := store.AuditQuery{Types: []store.EventType{store.PolicyUpdated, store.PolicyDeleted}, Text: `"` + id + `"`, Limit: 100}
	for {
		page, err := v.svc.Audit(v.ctx(), v.caller, q)
		if err != nil {
			return nil, false, err
		}
		for _, e := range page.Items {
			var data struct {
				PolicyID string `json:"policy_id"`
				Text     string `json:"text"`
			}
			if json.Unmarshal(e.Data, &data) != nil || data.PolicyID != id {
				continue
			}
			if len(out) == maxVersions {
				return out, true, nil
			}
			out = append(out, policyEntry{e, data.Text})
		}
		if page.NextCursor == "" {
			return out, false, nil
		}
		q.Cursor = page.NextCursor
	}
}
