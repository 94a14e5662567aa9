package file

import (
	"context"
	"errors"
	"testing"

	"github.com/openleash/openleash-go/store"
)

func TestUpdate(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s := openStore(t, dir, Options{})
	err := s.Update(ctx, func(tx store.Tx) error {
		tx.Append(store.Entry{Type: store.OwnerCreated, OwnerID: "usr_1"})
		return errors.Join(
			tx.Insert(store.Owner{ID: "usr_1", DisplayName: "A <b> & \"c\"\n", Status: store.Active}),
			tx.Put(store.State{SchemaVersion: 1, ActiveKeys: map[string]string{"proof": "k1"}}),
			tx.Put(store.Session{ID: "ses_1", OwnerID: "usr_1", UserAgent: "it's: {a} \u2028 “x” 😀\t"}),
			tx.Put(store.PolicyFile{Path: "a/b.yaml", Text: []byte("id: b\n")}),
			tx.Put(store.Agent{PrincipalID: "agt_1", AgentID: "bot", OwnerID: "usr_1", Status: store.Active}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{})
	if o, err := store.Get[store.Owner](ctx, s, "usr_1"); err != nil || o.DisplayName != "A <b> & \"c\"\n" {
		t.Fatal(o, err)
	}
	if o, err := store.Get[store.Session](ctx, s, "ses_1"); err != nil || o.UserAgent != "it's: {a} \u2028 “x” 😀\t" {
		t.Fatal(o, err)
	}
	if o, err := store.Find[store.PolicyFile](ctx, s); err != nil || len(o) != 1 || o[0].Path != "a/b.yaml" {
		t.Fatal(o, err)
	}
	err = s.Update(ctx, func(tx store.Tx) error {
		return tx.Put(store.Agent{PrincipalID: "agt_2", AgentID: "bot", OwnerID: "usr_1", Status: store.Active})
	})
	if !errors.Is(err, store.ErrExists) {
		t.Fatal(err)
	}
	if a, err := store.First[store.Agent](ctx, s, store.ByAgentID("bot")); err != nil || a.PrincipalID != "agt_1" {
		t.Fatal(a, err)
	}
}
