package policybook

import (
	"context"
	"encoding/json"

	"github.com/openleash/openleash-go/store"
)

// changeData is what the log says about a policy that changed.
type changeData struct {
	PolicyID string `json:"policy_id"`
	Path     string `json:"path"`
	Text     string `json:"text"`
}

// logged returns what the log last said about a file; a record without PolicyID if the file was not active.
func (b *Book) logged(ctx context.Context, path string) (store.PolicyRecord, error) {
	none := store.PolicyRecord{Path: path}
	quoted, err := json.Marshal(path)
	if err != nil {
		return none, err
	}
	q := store.AuditQuery{Types: []store.EventType{store.PolicyUpdated, store.PolicyDeleted}, Text: string(quoted), Limit: 500}
	for {
		page, err := b.cfg.Store.Audit(ctx, q)
		if err != nil {
			return none, err
		}
		for _, e := range page.Items {
			var d changeData
			if json.Unmarshal(e.Data, &d) != nil || d.Path != path {
				continue
			}
			if e.Type == store.PolicyDeleted {
				return none, nil
			}
			return store.PolicyRecord{Path: path, OwnerID: e.OwnerID, PolicyID: d.PolicyID, Sum: store.PolicySum([]byte(d.Text)), Text: d.Text}, nil
		}
		if page.NextCursor == "" {
			return none, nil
		}
		q.Cursor = page.NextCursor
	}
}
