package policybook_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// TestNothingUnseenIsOverwritten: a change that is not based on what is on disk is refused, and what is there stays.
func TestNothingUnseenIsOverwritten(t *testing.T) {
	was, edit, half := allow("a", "a.*"), allow("a", "edited"), "id: a\nrules: ["
	put := func(expect *string) policybook.Change {
		return policybook.Change{OwnerID: ann, Path: "a.yaml", Text: []byte(allow("a", "b.*")), Expect: expect}
	}
	del := func(expect *string) policybook.Change {
		return policybook.Change{OwnerID: ann, Path: "a.yaml", Expect: expect}
	}
	for name, tc := range map[string]struct {
		onDisk string // since the last look
		look   bool   // and then there is another look
		change policybook.Change
		fine   bool
	}{
		"as expected":                  {was, false, put(&was), true},
		"nothing said":                 {was, false, put(nil), true},
		"an edit, expecting the old":   {edit, false, put(&was), false},
		"an edit, nothing said":        {edit, false, put(nil), false},
		"an edit, seen":                {edit, true, put(nil), true},
		"an edit, seen, not expected":  {edit, true, put(&was), false},
		"half an edit":                 {half, false, put(&was), false},
		"half an edit, seen":           {half, true, put(&was), false},
		"half an edit, to be repaired": {half, true, put(nil), true},
		"deleting an edit":             {edit, false, del(&was), false},
		"deleting half an edit":        {half, true, del(&was), false},
		"deleting what is there":       {was, true, del(&was), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ann)
			w.save("a.yaml", was)
			w.sync()
			w.save("a.yaml", tc.onDisk)
			if tc.look {
				w.sync()
			}
			err := w.Apply(t.Context(), []policybook.Change{tc.change}, nil)
			var conflict *policybook.ConflictError
			if tc.fine {
				must(t, err)
				return
			}
			if !errors.As(err, &conflict) || conflict.Text != tc.onDisk {
				t.Errorf("got %v", err)
			}
			if text, _ := os.ReadFile(w.path("a.yaml")); string(text) != tc.onDisk {
				t.Errorf("the file is now %q", text)
			}
		})
	}
}

// TestASaveDecidesOrFails: while another file is broken, a saved policy is what decides; one that cannot be active
// changes nothing.
func TestASaveDecidesOrFails(t *testing.T) {
	w := newWorld(t, ann, bob)
	w.save("allow.yaml", owned(ann, allow("allow", "*")))
	w.save("broken.yaml", owned(ann, "rules: ["))
	w.sync()
	apply := func(path, text string) error {
		return w.Apply(t.Context(), []policybook.Change{{OwnerID: ann, Path: path, Text: []byte(text)}}, nil)
	}
	must(t, apply("deny.yaml", owned(ann, guard("deny", "*"))))
	if w.decide(ann, "x") != rego.Deny {
		t.Error("the saved guardrail does not decide")
	}
	for name, text := range map[string]string{
		"does not compile": owned(ann, "rules: ["),
		"another's":        owned(bob, allow("x", "x")),
		"nobody's":         allow("x", "x"),
		"a taken id":       owned(ann, allow("deny", "x")),
	} {
		var invalid *policybook.InvalidError
		if err := apply("x.yaml", text); !errors.As(err, &invalid) || exists(w.path("x.yaml")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.Apply(t.Context(), []policybook.Change{{OwnerID: ann, Path: "x.yaml", Text: []byte(owned(ann, allow("x", "x")))}},
		func(store.Tx) error { return errors.New("not so") }); err == nil || exists(w.path("x.yaml")) || w.Engine(ann).Policy("x") != nil {
		t.Errorf("a failed transaction left something behind: %v", err)
	}
}

// TestReadOnlyFolder: a folder that cannot be written is an error that says so, and stops nothing else.
func TestReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	w := newWorld(t, ann)
	must(t, os.Chmod(w.path(""), 0o500))
	t.Cleanup(func() { _ = os.Chmod(w.path(""), 0o700) })
	err := w.Apply(t.Context(), []policybook.Change{{OwnerID: ann, Path: "a.yaml", Text: []byte(allow("a", "a"))}}, nil)
	if !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("got %v", err)
	}
	must(t, w.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.Insert(store.Owner{ID: bob, Status: store.Active})
	}))
}

// BenchmarkSave is one policy saved beside 10,000 of the same owner: alone, and while another goroutine writes all
// the time; ms/other is how long each of its transactions takes.
func BenchmarkSave(b *testing.B) {
	w := newWorld(b, ann)
	for i := range 10_000 {
		w.save(fmt.Sprintf("p%d.yaml", i), allow(fmt.Sprintf("p%d", i), "a.*"))
	}
	w.sync()
	n := 0
	save := func(b *testing.B) {
		for b.Loop() {
			n++
			must(b, w.Apply(b.Context(), []policybook.Change{{OwnerID: ann, Path: "p5000.yaml", Text: []byte(allow("p5000", fmt.Sprintf("n%d", n)))}}, nil))
		}
	}
	b.Run("alone", save)
	b.Run("beside a writer", func(b *testing.B) {
		stop, waited := make(chan struct{}), make(chan time.Duration)
		go func() {
			var total time.Duration
			for n := 1; ; n++ {
				began := time.Now()
				_ = w.store.Update(context.Background(), func(tx store.Tx) error { tx.Append(entry(store.OwnerUpdated, bob, nil)); return nil })
				total += time.Since(began)
				select {
				case <-stop:
					waited <- total / time.Duration(n)
					return
				default:
				}
			}
		}()
		save(b)
		close(stop)
		b.ReportMetric(float64((<-waited).Microseconds())/1000, "ms/other")
	})
}

// BenchmarkScan is a look at 1,000 files that did not change.
func BenchmarkScan(b *testing.B) {
	w := newWorld(b, ann)
	for i := range 1_000 {
		w.save(fmt.Sprintf("p%d.yaml", i), allow(fmt.Sprintf("p%d", i), "a.*"))
		old := time.Now().Add(-time.Hour)
		must(b, os.Chtimes(w.path(fmt.Sprintf("p%d.yaml", i)), old, old))
	}
	w.sync()
	time.Sleep(2100 * time.Millisecond) // until the files' change times are old enough to be trusted
	w.sync()
	for b.Loop() {
		w.sync()
	}
}
