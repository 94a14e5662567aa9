package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

func sampleEntry(n int, payload string) Entry {
	at := time.Date(2026, 4, 10, 12, 0, n, 5e6, time.UTC)
	d := &Decision{
		ID: fmt.Sprintf("dec_%d", n), Time: at, OwnerID: "usr_1", AgentID: "bot", AgentPrincipalID: "agt_1",
		ActionID: "a", ActionType: "purchase.order", ActionHash: "h", Result: Allow, PolicyID: "pol", RuleID: "rule_1",
		Reason: "“quoted” \"text\"\nand a line\u2028", Obligations: []Obligation{{ID: "o", Type: "HUMAN_APPROVAL", Status: "SATISFIED", Details: []byte(`{ "b":1, "a":2 }`)}},
		Policies: []PolicyMatch{{"pol", "rule_1", "allow"}}, ProofID: "prf_1", ProofTTL: 120,
		Overages: []BudgetState{{PolicyID: "p", ID: "b", Limit: 1}},
		Action:   []byte(`{"action_id":"a","action_type":"purchase.order","payload":` + payload + `}`),
	}
	e := DecisionEntry(d, []Charge{{Budget: Budget{
		Key: BudgetKey{OwnerID: "usr_1", PolicyID: "pol", BudgetID: "b", Subject: "agt_1", Measure: MeasureAmount, Currency: "USD"},
		Per: PerAgent, Limit: 1000, Window: Window{Sliding: 90 * time.Minute}, AlertAt: []int{80, 100}}, Amount: 45, Overage: true}})
	e.ID = fmt.Sprintf("evt_%d", n)
	return e
}

const samplePayload = `{"amount_minor":45,"customer":{"country":"NL","email":"a@example.com"},"items":[{"sku":"A"},2],"note":"é\"\\"}`

// writeLog returns the lines of a small log, without newlines.
func writeLog(t testing.TB, entries ...Entry) [][]byte {
	t.Helper()
	var lines [][]byte
	var prev Hash
	for i := range entries {
		x, err := Encode(&entries[i], nil, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var line []byte
		line, prev = x.Append(nil, uint64(i+1), prev)
		lines = append(lines, trimLine(line))
	}
	return lines
}

func sampleLog(t testing.TB) [][]byte {
	return writeLog(t, sampleEntry(1, samplePayload), Entry{ID: "evt_2", Type: OwnerUpdated, OwnerID: "usr_1", Data: []byte(`{"b": 1, "a": "x"}`)},
		sampleEntry(3, `{}`), sampleEntry(4, `"text"`), Entry{ID: "evt_5", Type: AgentRevoked})
}

func verifyLines(lines [][]byte) error {
	var c Chain
	for _, line := range lines {
		if err := c.Next(line); err != nil {
			return fmt.Errorf("line %d: %w", c.Seq+1, err)
		}
	}
	return nil
}

func TestLinesAreCanonicalAndReadBack(t *testing.T) {
	lines := sampleLog(t)
	if err := verifyLines(lines); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		c := jsontext.Value(bytes.Clone(line))
		if err := c.Canonicalize(); err != nil || !bytes.Equal(c, line) {
			t.Errorf("line %d is not canonical: %v\n%s\n%s", i+1, err, line, c)
		}
	}
	e, err := DecodeLine(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	want := sampleEntry(1, samplePayload)
	want.Seq, want.Prev, want.Hash = 1, e.Prev, e.Hash
	want.Decision.Obligations[0].Details = []byte(`{"a":2,"b":1}`)
	got, _ := json.Marshal(e)
	exp, _ := json.Marshal(want)
	if !bytes.Equal(got, exp) {
		t.Errorf("got  %s\nwant %s", got, exp)
	}
	if !e.Decision.Time.Equal(want.Time) || string(e.Decision.Action) != string(want.Action) || e.Decision.OwnerID != "usr_1" {
		t.Errorf("the decision lacks what the entry says: %+v", e.Decision)
	}
}

// The hash of a line without a payload can be had with any JSON library: this is what auditors do.
func TestHashByHand(t *testing.T) {
	line := sampleLog(t)[1]
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatal(err)
	}
	said := m["hash"]
	delete(m, "hash")
	b, err := canonical(m)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if hex.EncodeToString(sum[:]) != said {
		t.Errorf("computed %x, the line says %s", sum, said)
	}
}

// Security promise 22: no bit of the log can be flipped unnoticed.
func TestEveryBitFlipIsFound(t *testing.T) {
	plain := sampleLog(t)
	redacted, _, err := RedactLine(plain[0], []string{"$.payload.customer.email"})
	if err != nil {
		t.Fatal(err)
	}
	withRedaction := append([][]byte{redacted}, plain[1:]...)
	for _, lines := range [][][]byte{plain, withRedaction} {
		for n, line := range lines {
			for bit := range len(line) * 8 {
				flipped := bytes.Clone(line)
				flipped[bit/8] ^= 1 << (bit % 8)
				var c Chain
				for i, l := range lines {
					if i == n {
						l = flipped
					}
					if err = c.Next(l); err != nil {
						break
					}
				}
				if err == nil {
					t.Fatalf("line %d bit %d (%q → %q): not found\n%s", n+1, bit, line[bit/8], flipped[bit/8], flipped)
				}
			}
		}
	}
}

func TestChangesAreFound(t *testing.T) {
	lines := sampleLog(t)
	var c Chain
	for _, l := range lines {
		if err := c.Next(l); err != nil {
			t.Fatal(err)
		}
	}
	forged := func(change func(*Entry)) []byte { // with a right hash of its own
		e := Entry{ID: "evt_2", Type: OwnerUpdated, OwnerID: "usr_1"}
		change(&e)
		x, err := Encode(&e, nil, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var one Chain
		if err := one.Next(lines[0]); err != nil {
			t.Fatal(err)
		}
		line, _ := x.Append(nil, 2, one.Hash)
		return trimLine(line)
	}
	spaced := bytes.Replace(lines[1], []byte(`,"seq"`), []byte(`, "seq"`), 1)
	for name, changed := range map[string][][]byte{
		"dropped":       {lines[0], lines[2], lines[3], lines[4]},
		"dropped first": lines[1:],
		"swapped":       {lines[0], lines[2], lines[1], lines[3], lines[4]},
		"added":         {lines[0], lines[1], lines[1], lines[2]},
		"written anew":  {lines[0], forged(func(e *Entry) { e.OwnerID = "usr_2" }), lines[2]},
		"white space":   {lines[0], spaced, lines[2]},
		"empty":         {lines[0], {}, lines[1]},
		"not JSON":      {lines[0], []byte("{"), lines[1]},
	} {
		if err := verifyLines(changed); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedaction(t *testing.T) {
	for _, c := range []struct {
		name    string
		paths   []string
		removed string
		payload string
	}{
		{"a member", []string{"$.payload.note"}, "$.payload.note", `{"amount_minor":45,"customer":{"country":"NL","email":"a@example.com"},"items":[{"sku":"A"},2]}`},
		{"a nested member", []string{"$.payload.customer.email"}, "$.payload.customer.email", `{"amount_minor":45,"customer":{"country":"NL"},"items":[{"sku":"A"},2],"note":"é\"\\"}`},
		{"an object", []string{"$.payload.customer"}, "$.payload.customer", `{"amount_minor":45,"items":[{"sku":"A"},2],"note":"é\"\\"}`},
		{"inside an array takes the array", []string{"$.payload.items[0].sku"}, "$.payload.items", `{"amount_minor":45,"customer":{"country":"NL","email":"a@example.com"},"note":"é\"\\"}`},
		{"everything", []string{"$.payload"}, "$.payload", `null`},
		{"what is not there", []string{"$.payload.nothing", "$.payload.note.deeper.x"}, "$.payload.note", `{"amount_minor":45,"customer":{"country":"NL","email":"a@example.com"},"items":[{"sku":"A"},2]}`},
		{"a whole object, member by member", []string{"$.payload.customer.email", "$.payload.customer.country"}, "$.payload.customer.country $.payload.customer.email", `{"amount_minor":45,"customer":{},"items":[{"sku":"A"},2],"note":"é\"\\"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := sampleLog(t)
			late, removed, err := RedactLine(lines[0], c.paths)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(removed, " "); got != c.removed {
				t.Errorf("removed %q, want %q", got, c.removed)
			}
			entry := sampleEntry(1, samplePayload)
			x, err := Encode(&entry, c.paths, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			early, _ := x.Append(nil, 1, Hash{})
			if err := verifyLines(append([][]byte{late}, lines[1:]...)); err != nil {
				t.Errorf("redacted later: %v", err)
			}
			for when, line := range map[string][]byte{"later": late, "when written": trimLine(early)} {
				if err := verifyLines([][]byte{line}); err != nil {
					t.Errorf("redacted %s: %v\n%s", when, err, line)
				}
				e, err := DecodeLine(line)
				if err != nil {
					t.Fatal(err)
				}
				if want := `{"action_id":"a","action_type":"purchase.order","payload":` + c.payload + `}`; string(e.Action) != want {
					t.Errorf("redacted %s: action %s, want %s", when, e.Action, want)
				}
				if len(e.Redacted) != len(strings.Fields(c.removed)) {
					t.Errorf("redacted %s: %v", when, e.Redacted)
				}
				again, _, err := RedactLine(line, []string{"$.payload.customer", "$.payload.amount_minor"})
				if err != nil || verifyLines([][]byte{again}) != nil {
					t.Errorf("redacted %s, then again: %v\n%s", when, err, again)
				}
			}
		})
	}
}

// A value that was taken out cannot be told from its commitment by trying the likely ones.
func TestRedactionHidesTheSalt(t *testing.T) {
	line, _, err := RedactLine(sampleLog(t)[0], []string{"$.payload.customer.email"})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(line, []byte(`"salt":`)) || bytes.Contains(line, []byte(`"$.payload.customer.email":"`)) && !bytes.Contains(line, []byte(`"redacted":{"$.payload.customer.email"`)) {
		t.Errorf("the salt of what was taken out is still there: %s", line)
	}
	if n := bytes.Count(line, []byte("$.payload.customer.email")); n != 1 {
		t.Errorf("the path stands there %d times: %s", n, line)
	}
}

func TestHostileActions(t *testing.T) {
	many := `{"a0":0`
	for i := 1; i < 400; i++ {
		many += fmt.Sprintf(`,"b%03d":%d`, i, i)
	}
	for _, payload := range []string{
		many + "}", strings.Repeat(`{"a":`, 31) + "1" + strings.Repeat("}", 31), `{"a.b":1,"a]":2}`, `{"\u001f":1}`, `{"":1}`, `{"é":1,"🙂":{"x":2}}`,
	} {
		c := jsontext.Value(payload)
		if err := c.Canonicalize(); err != nil {
			t.Fatal(err)
		}
		lines := writeLog(t, sampleEntry(1, string(c)))
		if err := verifyLines(lines); err != nil {
			t.Errorf("%.60s: %v", payload, err)
		}
		for _, path := range []string{`$.payload["a.b"]`, "$.payload.b001", `$.payload["🙂"].x`, "$.payload"} {
			line, _, err := RedactLine(lines[0], []string{path})
			if err != nil || verifyLines([][]byte{line}) != nil {
				t.Errorf("%.60s without %s: %v", payload, path, err)
			}
		}
	}
	for _, action := range []string{`{"payload":{"a": 1}}`, "{\"payload\":{}\n}", `{"payload":{"b":1,"a":2}}`, `{"payload":{"a":1,"a":2}}`, `[]`, `{`, `{"payload":{}} x`} {
		e := sampleEntry(1, "{}")
		e.Action = []byte(action)
		if _, err := Encode(&e, nil, rand.Reader); err == nil {
			t.Errorf("%s: no error", action)
		}
	}
}

func FuzzChainNext(f *testing.F) {
	for _, line := range sampleLog(f) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var c Chain
		if c.Next(line) == nil {
			if _, err := DecodeLine(line); err != nil {
				t.Skip("holds, and is no entry of ours") // a chain can be made of any objects
			}
		}
		_, _, _ = RedactLine(line, []string{"$.payload.customer"})
	})
}

func TestCheckpointNotes(t *testing.T) {
	signer, other := newSigner(t, "key_1"), newSigner(t, "key_2")
	c := Checkpoint{Seq: 7, Hash: Hash{1, 2}, Time: time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)}
	signed, err := SignCheckpoint(c, signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenCheckpoint(signed, publicKeys(other, signer)); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	for name, n := range map[string][]byte{
		"unknown key": must(SignCheckpoint(c, other)), "empty": nil, "changed": bytes.Replace(signed, []byte("\n7\n"), []byte("\n8\n"), 1),
	} {
		if _, err := OpenCheckpoint(n, publicKeys(signer)); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
