package store

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Security promise 38: the members that the hash leaves out cannot be changed, removed or added unnoticed.
func TestPromise38_MembersOutsideOfTheHash(t *testing.T) {
	plain := sampleLog(t)[0]
	partly, _, err := RedactLine(plain, []string{"$.payload.customer.email"})
	if err != nil {
		t.Fatal(err)
	}
	wholly, _, err := RedactLine(plain, []string{"$.payload"})
	if err != nil {
		t.Fatal(err)
	}
	entry := sampleEntry(1, samplePayload)
	x, err := Encode(&entry, []string{"$.payload.note"}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	withheld, _ := x.Append(nil, 1, Hash{})
	lines := map[string][]byte{"plain": plain, "partly": partly, "wholly": wholly, "withheld": trimLine(withheld),
		"empty": writeLog(t, sampleEntry(1, `{}`))[0], "no action": writeLog(t, Entry{ID: "evt_1", Type: AgentRevoked})[0]}
	// All salts of the leaves, which say the same as the salt that they come from.
	l, err := parseLine(plain)
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := l.payload()
	if err != nil {
		t.Fatal(err)
	}
	salts := map[string]string{}
	var walk func(*node)
	walk = func(n *node) {
		if !n.object {
			s, _ := tree.saltOf(n.path)
			salts[n.path] = strict64.EncodeToString(s[:])
		}
		for _, m := range n.members {
			walk(m)
		}
	}
	walk(tree.root)
	spelled, _ := canonical(salts)
	values := []string{"", `{}`, `""`, `null`, `"AAAAAAAAAAAAAAAAAAAAAA"`, `{"$.payload.x":"AAAAAAAAAAAAAAAAAAAAAA"}`,
		`{"$.payload":"` + strings.Repeat("0", 64) + `"}`, string(spelled)}
	for name, line := range lines {
		if err := verifyLines([][]byte{line}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var have map[string]json.RawMessage
		if err := json.Unmarshal(line, &have); err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"hash", "redacted", "salt", "salts", "withheld"} {
			for _, also := range []string{"", "redacted", "salt", "salts"} { // with another one removed
				for _, value := range values {
					changed := map[string]json.RawMessage{}
					for k, v := range have {
						changed[k] = v
					}
					delete(changed, also)
					if delete(changed, member); value != "" {
						changed[member] = json.RawMessage(value)
					}
					b, err := canonical(changed)
					if err != nil || string(b) == string(line) {
						continue
					}
					if verifyLines([][]byte{b}) == nil {
						t.Errorf("%s: %s is %q, without %q: not found\n%s", name, member, value, also, b)
					}
				}
			}
		}
	}
}

// What an agent sends never makes a line that does not hold, whatever is withheld of it.
func TestWithholdingFromHostilePayloads(t *testing.T) {
	long := strings.Repeat("k", 30<<10)
	var members, deep []string
	for i := range 255 {
		members = append(members, fmt.Sprintf(`"m%03d":1`, i))
		deep = append(deep, fmt.Sprintf(`"m%03d":1`, i))
	}
	for name, payload := range map[string]string{
		"an empty object at the limit": `{"email":{},` + strings.Join(members, ",") + `}`,
		"an emptied object":            `{"email":1,` + strings.Join(members[:254], ",") + `}`,
		"long paths":                   `{"email":1,"` + long + `":{` + strings.Join(deep[:200], ",") + `}}`,
	} {
		e := sampleEntry(1, payload)
		x, err := Encode(&e, []string{"$.payload.email"}, rand.Reader)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		line, _ := x.Append(nil, 1, Hash{})
		if err := verifyLines([][]byte{trimLine(line)}); err != nil || len(line) > 1<<20 {
			t.Errorf("%s: %d bytes, %v", name, len(line), err)
		}
	}
}
