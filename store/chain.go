package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrBroken: a line of the log is not the one that was written in its place.
var ErrBroken = errors.New("the chain is broken")

// Chain checks that lines follow each other. The zero Chain expects the first line of a log.
type Chain struct {
	Seq  uint64 // of the last line that held
	Hash Hash   // of that line
}

// Next checks the line after the last one, without its newline. What is wrong wraps ErrBroken.
func (c *Chain) Next(line []byte) error {
	l, err := parseLine(line)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if seq := string(l.get("seq")); seq != strconv.FormatUint(c.Seq+1, 10) {
		return fmt.Errorf("%w: sequence number %s where %d belongs: lines are missing, added or out of order", ErrBroken, seq, c.Seq+1)
	}
	if prev := string(l.get("prev")); prev != `"`+c.Hash.String()+`"` {
		return fmt.Errorf("%w: prev is not the hash of the line before", ErrBroken)
	}
	sum, err := l.hash()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if string(l.get("hash")) != `"`+sum.String()+`"` {
		return fmt.Errorf("%w: the content does not have the hash that it says: it was changed", ErrBroken)
	}
	c.Seq, c.Hash = c.Seq+1, sum
	return nil
}

// A parsedLine is the members of a line, in order, as they stand.
type parsedLine struct {
	raw     []byte
	members []member
}

type member struct {
	name       string
	from       int // at the quote of the name
	start, end int // of the value
}

// parseLine splits a line that is canonical at its top.
func parseLine(line []byte) (*parsedLine, error) {
	if len(line) > MaxLine {
		return nil, fmt.Errorf("a line of %d bytes", len(line))
	}
	l := &parsedLine{raw: line, members: make([]member, 0, 16)}
	dec := jsontext.NewDecoder(bytes.NewBuffer(line), jsontext.AllowDuplicateNames(true))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, errors.New("not a JSON object")
	}
	at := 1
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		m := member{name: string(name[1 : len(name)-1]), from: int(dec.InputOffset()) - len(name)}
		value, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		m.end = int(dec.InputOffset())
		m.start = m.end - len(value)
		if n := len(l.members); n > 0 {
			at++ // the comma
			if l.members[n-1].name >= m.name {
				return nil, errNotCanonical
			}
		}
		if m.from != at || m.start != at+len(m.name)+3 {
			return nil, errNotCanonical
		}
		at = m.end
		l.members = append(l.members, m)
	}
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '}' {
		return nil, errors.New("not a whole JSON object")
	}
	if int(dec.InputOffset()) != at+1 || len(line) != at+1 {
		return nil, errNotCanonical
	}
	return l, nil
}

// get returns the value of a member as it stands; nil if there is none.
func (l *parsedLine) get(name string) []byte {
	for _, m := range l.members {
		if m.name == name {
			return l.raw[m.start:m.end]
		}
	}
	return nil
}

// payload returns the action of the line and the tree of its payload, with what the proof members
// say; nil if the line has none.
func (l *parsedLine) payload() (t *payloadTree, action []byte, err error) {
	if action = l.get("action"); action == nil {
		return nil, nil, nil
	}
	redacted, err := l.proofMember("redacted")
	if err != nil {
		return nil, nil, err
	}
	if t, err = parseAction(action, redacted); err != nil || t == nil {
		return nil, action, err
	}
	if t.salts, err = l.proofMember("salts"); err != nil {
		return nil, nil, err
	}
	if t.salts != nil && redacted == nil {
		return nil, nil, errors.New("salts, although nothing is redacted")
	}
	if salt := l.get("salt"); salt != nil {
		if t.salts != nil || redacted != nil || t.leaves == 0 {
			return nil, nil, errors.New("a salt that salts nothing, or only some")
		}
		t.salt, err = strict64.DecodeString(strings.Trim(string(salt), `"`))
		if err != nil || len(t.salt) != saltSize || salt[0] != '"' {
			return nil, nil, errors.New("salt: malformed")
		}
	}
	return t, action, nil
}

// proofMember decodes a member that maps paths to text. As the hash does not cover it, it must have
// the one form that this package writes.
func (l *parsedLine) proofMember(name string) (map[string]string, error) {
	raw := l.get(name)
	if raw == nil {
		return nil, nil
	}
	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if again, err := canonical(m); err != nil || len(m) == 0 || !bytes.Equal(again, raw) {
		return nil, fmt.Errorf("%s: %w", name, errNotCanonical)
	}
	return m, nil
}

// hash computes what the member hash must say.
func (l *parsedLine) hash() (sum Hash, err error) {
	t, action, err := l.payload()
	if err != nil {
		return sum, err
	}
	if t == nil && (l.get("salt") != nil || l.get("salts") != nil || l.get("redacted") != nil) {
		return sum, errors.New("salts without a payload")
	}
	h := sha256.New()
	separator := []byte{'{'}
	for _, m := range l.members {
		switch m.name {
		case "hash", "redacted", "salt", "salts":
			continue
		}
		h.Write(separator)
		separator = []byte{','}
		if m.name == "action" && t != nil {
			root, err := t.commitment()
			if err != nil {
				return sum, err
			}
			h.Write(l.raw[m.from:m.start])
			h.Write(action[:t.start])
			h.Write(appendRoot(nil, root))
			h.Write(action[t.end:])
			continue
		}
		h.Write(l.raw[m.from:m.end])
	}
	h.Write([]byte{'}'})
	h.Sum(sum[:0])
	return sum, nil
}

// RedactLine takes values out of the payload in a line, without its newline, and leaves commitments
// in their place, so that the line keeps its hash. It returns the paths that were there.
func RedactLine(line []byte, paths []string) (redacted []byte, removed []string, err error) {
	for _, p := range paths {
		if err := CheckRedactionPath(p); err != nil {
			return nil, nil, err
		}
	}
	l, err := parseLine(line)
	if err != nil {
		return nil, nil, fmt.Errorf("redacting: %w", err)
	}
	before, err := l.hash()
	if err != nil {
		return nil, nil, fmt.Errorf("redacting: %w", err)
	}
	t, action, err := l.payload()
	if err != nil || t == nil {
		return line, nil, err
	}
	payload, removed, err := t.redact(paths)
	if err != nil || len(removed) == 0 {
		return line, nil, err
	}
	proof, err := t.appendProof(nil)
	if err != nil {
		return nil, nil, err
	}
	out := []byte{'{'}
	for _, m := range l.members {
		switch m.name {
		case "redacted", "salt", "salts":
			continue
		case "action":
			out = append(out, l.raw[m.from:m.start]...)
			out = slices.Concat(out, action[:t.start], payload, action[t.end:], []byte{','})
			continue
		case "seq":
			out = append(out, proof...) // sorts right before it
		}
		out = append(append(out, l.raw[m.from:m.end]...), ',')
	}
	out[len(out)-1] = '}'
	again, err := parseLine(out)
	if err != nil {
		return nil, nil, fmt.Errorf("redacting: %w", err)
	}
	if after, err := again.hash(); err != nil || after != before {
		return nil, nil, fmt.Errorf("redacting: the hash would change: %w", err)
	}
	return out, removed, nil
}
