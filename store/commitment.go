package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// The chain does not run over the payload of an action but over one commitment to it: the root of a
// tree whose nodes are the payload's objects and whose leaves are all other values, each hashed with
// a salt of its own. A value can then be taken out later, leaving its commitment, and nobody can
// guess it from there.
//
//	leaf   = SHA-256(0x00 ‖ salt ‖ canonical value)
//	object = SHA-256(0x01 ‖ for each member, by path: SHA-256(path) ‖ commitment)
//	salt   = SHA-256(salt of the entry ‖ path), first 16 bytes

const (
	saltSize  = 16
	maxNodes  = 256      // a payload of more is one leaf, so that hashing it costs what its bytes cost
	maxPaths  = 64 << 10 // and so is one whose paths have more bytes: a line may have to hold them
	maxNested = 32       // an object below that is one leaf
	// PayloadPath is the root of what can be redacted.
	PayloadPath = "$.payload"
)

var errNotCanonical = errors.New("not in canonical form (RFC 8785)")

// strict64 refuses the second spellings that base64 has for some bytes.
var strict64 = base64.RawURLEncoding.Strict()

// A node is one value of a payload.
type node struct {
	path       string
	start, end int     // of the value in the payload
	from       int     // where its member begins: at the quote of its name
	members    []*node // of an object; nil in a leaf
	object     bool
}

// payloadTree is the payload of an action with what is needed to commit to it.
type payloadTree struct {
	raw        []byte // the action
	start, end int    // of the payload in it
	root       *node  // nil if all of it was redacted
	leaves     int
	nodes      int               // leaves and objects; what is redacted counts too, so that a redaction never adds one
	paths      int               // bytes of their paths
	salt       []byte            // of the entry; nil once something was redacted
	salts      map[string]string // then: the salts of the leaves that are left, by path
	redacted   map[string]string // hex commitments, by path
}

// parseAction finds the payload of a canonical action, which may be named context; nil if it has
// none.
func parseAction(action []byte, redacted map[string]string) (*payloadTree, error) {
	if bytes.IndexByte(action, '\n') >= 0 {
		return nil, fmt.Errorf("action: %w", errNotCanonical)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(action), jsontext.AllowDuplicateNames(true))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, errors.New("action: not a JSON object")
	}
	var t *payloadTree
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("action: %w", err)
		}
		if string(name) != `"payload"` && string(name) != `"context"` {
			if err := dec.SkipValue(); err != nil {
				return nil, fmt.Errorf("action: %w", err)
			}
			continue
		}
		if t != nil {
			return nil, errors.New("action: it has both a payload and a context")
		}
		t = &payloadTree{raw: action, redacted: redacted}
		if err := t.read(dec); err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, fmt.Errorf("action: %w", err)
	}
	if int(dec.InputOffset()) != len(action) {
		return nil, fmt.Errorf("action: %w", errNotCanonical)
	}
	return t, nil
}

// read reads the payload, which comes next.
func (t *payloadTree) read(dec *jsontext.Decoder) error {
	named := int(dec.InputOffset())
	root, err := t.parse(dec, PayloadPath, 0)
	if err != nil {
		return err
	}
	if root.start != named+1 {
		return errNotCanonical
	}
	t.start, t.end = root.start, root.end
	if _, gone := t.redacted[PayloadPath]; gone {
		if len(t.redacted) != 1 || string(t.raw[t.start:t.end]) != "null" {
			return errors.New("redacted, and yet there")
		}
		t.leaves = 0
		return nil
	}
	for path := range t.redacted {
		t.count(path)
	}
	if t.tooLarge() {
		root.members, root.object, t.leaves = nil, false, 1
	}
	t.root = root
	return nil
}

func (t *payloadTree) count(path string) {
	t.nodes++
	t.paths += len(path)
}

func (t *payloadTree) tooLarge() bool { return t.nodes > maxNodes || t.paths > maxPaths }

func (t *payloadTree) parse(dec *jsontext.Decoder, path string, depth int) (*node, error) {
	t.count(path)
	if dec.PeekKind() != '{' || depth == maxNested {
		v, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		t.leaves++
		end := int(dec.InputOffset())
		return &node{path: path, start: end - len(v), end: end}, nil
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	at := int(dec.InputOffset())
	n := &node{path: path, start: at - 1, object: true}
	var last []byte
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		named := int(dec.InputOffset())
		raw := t.raw[named-len(name) : named]
		if len(n.members) > 0 {
			at++ // the comma
		}
		if named-len(name) != at || last != nil && compareNames(last, raw) >= 0 {
			return nil, errNotCanonical
		}
		last = raw
		below := path
		if !t.tooLarge() { // else nobody asks for it, and a hostile payload has very long ones
			below = memberPath(path, raw)
		}
		m, err := t.parse(dec, below, depth+1)
		if err != nil {
			return nil, err
		}
		if m.start != named+1 {
			return nil, errNotCanonical
		}
		m.from, at = named-len(name), m.end
		if n.members = append(n.members, m); t.tooLarge() {
			n.members = n.members[:1]
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	if n.end = int(dec.InputOffset()); n.end != at+1 {
		return nil, errNotCanonical
	}
	return n, nil
}

// memberPath appends a member's name, as it stands quoted in canonical JSON, to a path.
func memberPath(path string, quoted []byte) string {
	bare := quoted[1 : len(quoted)-1]
	for _, c := range bare {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return path + "[" + string(quoted) + "]"
		}
	}
	if len(bare) == 0 {
		return path + "[" + string(quoted) + "]"
	}
	return path + "." + string(bare)
}

// compareNames orders quoted member names as RFC 8785 does: by UTF-16 code units.
func compareNames(a, b []byte) int {
	if isASCII(a) && isASCII(b) && bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return bytes.Compare(a[:len(a)-1], b[:len(b)-1]) // without the closing quote, which sorts low
	}
	return slices.Compare(utf16Name(a), utf16Name(b))
}

func utf16Name(quoted []byte) []uint16 {
	name, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return nil
	}
	return utf16.Encode([]rune(string(name)))
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// commitment returns the root. Everything that is redacted or salted must have its place.
func (t *payloadTree) commitment() ([sha256.Size]byte, error) {
	if t.root == nil {
		if len(t.salts) > 0 {
			return [sha256.Size]byte{}, errors.New("a salt without its place in the payload")
		}
		return t.gone(PayloadPath)
	}
	used := 0
	sum, err := t.commit(t.root, &used)
	if err == nil && t.salt == nil && used != len(t.redacted)+len(t.salts) {
		err = errors.New("a salt or a commitment without its place in the payload")
	}
	return sum, err
}

func (t *payloadTree) gone(path string) (sum [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(t.redacted[path])
	if err != nil || len(b) != len(sum) || hex.EncodeToString(b) != t.redacted[path] {
		return sum, fmt.Errorf("commitment of %s: not a SHA-256 in hex", path)
	}
	return [sha256.Size]byte(b), nil
}

func (t *payloadTree) commit(n *node, used *int) ([sha256.Size]byte, error) {
	if !n.object {
		salt, err := t.saltOf(n.path)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		if t.salt == nil {
			*used++
		}
		var buf [256]byte
		b := append(append(buf[:0], 0), salt[:]...)
		return sha256.Sum256(append(b, t.raw[n.start:n.end]...)), nil
	}
	type child struct {
		path string
		node *node
	}
	children := make([]child, 0, len(n.members))
	for _, m := range n.members {
		children = append(children, child{m.path, m})
	}
	for path := range t.redacted {
		if isChild(n.path, path) {
			children = append(children, child{path, nil})
			*used++
		}
	}
	slices.SortFunc(children, func(a, b child) int { return cmp.Compare(a.path, b.path) })
	var buf [1024]byte
	b := append(buf[:0], 1)
	for i, c := range children {
		if i > 0 && children[i-1].path == c.path {
			return [sha256.Size]byte{}, fmt.Errorf("%s is redacted, and yet there", c.path)
		}
		var sum [sha256.Size]byte
		var err error
		if c.node != nil {
			sum, err = t.commit(c.node, used)
		} else {
			sum, err = t.gone(c.path)
		}
		if err != nil {
			return sum, err
		}
		name := sha256.Sum256([]byte(c.path))
		b = append(append(b, name[:]...), sum[:]...)
	}
	return sha256.Sum256(b), nil
}

// isChild says whether path is parent plus one member.
func isChild(parent, path string) bool {
	if len(path) <= len(parent) || path[:len(parent)] != parent {
		return false
	}
	rest := path[len(parent):]
	if rest[0] == '.' {
		return !strings.ContainsAny(rest[1:], ".[")
	}
	if rest[0] != '[' || rest[len(rest)-1] != ']' {
		return false
	}
	return jsontext.Value(rest[1 : len(rest)-1]).IsValid()
}

func (t *payloadTree) saltOf(path string) (salt [saltSize]byte, err error) {
	if t.salt != nil {
		var buf [128]byte
		sum := sha256.Sum256(append(append(buf[:0], t.salt...), path...))
		return [saltSize]byte(sum[:]), nil
	}
	b, err := strict64.DecodeString(t.salts[path])
	if err != nil || len(b) != saltSize {
		return salt, fmt.Errorf("salt of %s: missing or malformed", path)
	}
	return [saltSize]byte(b), nil
}

// redact takes the paths out. What lies below a path goes with it; a path below a leaf takes the
// leaf. It returns the payload without them and the paths that were there.
func (t *payloadTree) redact(paths []string) (payload []byte, removed []string, err error) {
	clear := t.raw[t.start:t.end]
	if t.root == nil || len(paths) == 0 {
		return clear, nil, nil
	}
	redacted, salts := make(map[string]string), make(map[string]string)
	for path, sum := range t.redacted {
		redacted[path] = sum
	}
	var walk func(n *node) ([]byte, error)
	walk = func(n *node) ([]byte, error) {
		if slices.ContainsFunc(paths, func(p string) bool { return covers(p, n) }) {
			used := 0
			sum, err := t.commit(n, &used)
			redacted[n.path] = hex.EncodeToString(sum[:])
			removed = append(removed, n.path)
			for path := range t.redacted { // what was below it before is now within it
				if below(n.path, path) {
					delete(redacted, path)
				}
			}
			return nil, err
		}
		if !n.object {
			salt, err := t.saltOf(n.path)
			salts[n.path] = strict64.EncodeToString(salt[:])
			return t.raw[n.start:n.end], err
		}
		out := []byte{'{'}
		for _, m := range n.members {
			value, err := walk(m)
			if err != nil {
				return nil, err
			}
			if value == nil {
				continue
			}
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(out, t.raw[m.from:m.start]...), value...)
		}
		return append(out, '}'), nil
	}
	payload, err = walk(t.root)
	if err != nil || len(removed) == 0 {
		return clear, nil, err
	}
	if payload == nil {
		payload = []byte("null")
	}
	t.salt, t.salts, t.redacted = nil, salts, redacted
	return payload, removed, nil
}

// covers says whether redacting path takes n as a whole: n is the path itself, or a leaf above it. The case of keys does
// not matter: another spelling is not a way around.
func covers(path string, n *node) bool {
	return strings.EqualFold(path, n.path) || !n.object && below(n.path, path)
}

func below(parent, path string) bool {
	return len(path) > len(parent) && strings.EqualFold(path[:len(parent)], parent) && (path[len(parent)] == '.' || path[len(parent)] == '[')
}

// CheckRedactionPath says what is wrong with a path such as $.payload.email.
func CheckRedactionPath(path string) error {
	if path != PayloadPath && !below(PayloadPath, path) {
		return fmt.Errorf("redaction path %s: only %s and what is below it can be redacted", strconv.Quote(path), PayloadPath)
	}
	if strings.Contains(path, "*") && !strings.Contains(path, `["`) {
		return fmt.Errorf("redaction path %s: it has a wildcard, which matches nothing; name each path", strconv.Quote(path))
	}
	return nil
}
