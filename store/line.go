package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Hash is a SHA-256. The zero Hash is what the first entry has for prev.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads a Hash in lower-case hex.
func ParseHash(s string) (h Hash, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != s {
		return h, fmt.Errorf("%q is no SHA-256 in hex", s)
	}
	return Hash(b), nil
}

// MaxLine bounds one line of the log, in bytes: a policy's text is the largest thing in it.
const MaxLine = 4 << 20

// TimeFormat is that of every time in the log: RFC 3339, UTC, milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Encoded is an entry all but ready for the log: what only its place there decides, sequence number
// and hash of the entry before, is still open. Encoding is then no part of the one thing that
// writers must do one after the other.
type Encoded struct {
	head          []byte // members up to event_type, with the comma behind
	payload, rest int    // the payload's value is head[payload:rest]; both 0 without one
	root          Hash
	owner         []byte // member owner_id, with the comma
	proof         []byte // members redacted, salt, salts, with the comma
	time          [len(TimeFormat)]byte
	withheld      []byte // member withheld, with the comma before
}

// Encode writes an entry in canonical form (RFC 8785), without the payload members that redact
// names; the member withheld lists those that were there. Action, details and data must be canonical
// JSON already where they come from agents; it refuses an action whose payload is not. random is for
// salts.
func Encode(e *Entry, redact []string, random io.Reader) (*Encoded, error) {
	x := &Encoded{head: make([]byte, 0, 1536+len(e.Action)+len(e.Data))}
	x.head = append(x.head, '{')
	if err := x.action(e.Action, redact, random); err != nil {
		return nil, fmt.Errorf("encoding a log entry: %w", err)
	}
	w := writer{b: x.head}
	w.text("agent_id", e.AgentID)
	w.text("agent_principal_id", e.AgentPrincipalID)
	w.charges(e.Charges)
	w.value("data", e.Data)
	if e.Decision != nil {
		w.decision(e.Decision)
	}
	w.text("event_id", e.ID)
	w.text("event_type", string(e.Type))
	x.head = w.b
	w.b = nil
	w.text("owner_id", e.OwnerID)
	x.owner = w.b
	if y := e.Time.UTC().Year(); y < 1 || y > 9999 {
		return nil, fmt.Errorf("encoding a log entry: the year %d has no RFC 3339 form", y)
	}
	var buf [64]byte
	copy(x.time[:], e.Time.UTC().AppendFormat(buf[:0], TimeFormat))
	if w.err != nil {
		return nil, fmt.Errorf("encoding a log entry: %w", w.err)
	}
	if n := x.Size(); n > MaxLine-4096 {
		return nil, fmt.Errorf("encoding a log entry: %d bytes are too many", n)
	}
	return x, nil
}

// action writes the member action, commits to its payload and takes out what is redacted.
func (x *Encoded) action(action []byte, redact []string, random io.Reader) error {
	if len(action) == 0 {
		return nil
	}
	t, err := parseAction(action, nil)
	if err != nil {
		return err
	}
	x.head = append(x.head, `"action":`...)
	if t == nil {
		x.head = append(append(x.head, action...), ',')
		return nil
	}
	t.salt = make([]byte, saltSize)
	if _, err := io.ReadFull(random, t.salt); err != nil {
		return fmt.Errorf("salt: %w", err)
	}
	root, err := t.commitment()
	if err != nil {
		return err
	}
	payload, withheld, err := t.redact(redact)
	if err != nil {
		return err
	}
	if len(withheld) > 0 {
		v, err := canonical(withheld)
		if err != nil {
			return err
		}
		x.withheld = append([]byte(`,"withheld":`), v...)
	}
	x.root = root
	x.head = append(x.head, action[:t.start]...)
	x.payload = len(x.head)
	x.head = append(x.head, payload...)
	x.rest = len(x.head)
	x.head = append(append(x.head, action[t.end:]...), ',')
	x.proof, err = t.appendProof(nil)
	return err
}

// appendProof writes what is needed to check the commitment, each member with the comma behind.
func (t *payloadTree) appendProof(dst []byte) ([]byte, error) {
	if t.salt != nil && t.leaves == 0 {
		return dst, nil // nothing is salted, and every byte of a line must matter
	}
	if t.salt != nil {
		dst = append(dst, `"salt":"`...)
		dst = strict64.AppendEncode(dst, t.salt)
		return append(dst, `",`...), nil
	}
	for _, m := range []struct {
		name   string
		values map[string]string
	}{{"redacted", t.redacted}, {"salts", t.salts}} {
		if len(m.values) == 0 {
			continue
		}
		v, err := canonical(m.values)
		if err != nil {
			return nil, err
		}
		dst = append(dst, '"')
		dst = append(append(append(dst, m.name...), `":`...), v...)
		dst = append(dst, ',')
	}
	return dst, nil
}

// Append appends the line, with its newline, that the entry is after prev, and returns its hash.
func (x *Encoded) Append(dst []byte, seq uint64, prev Hash) ([]byte, Hash) {
	h := sha256.New()
	if x.rest == 0 {
		h.Write(x.head)
	} else {
		h.Write(x.head[:x.payload])
		h.Write(appendRoot(make([]byte, 0, 80), x.root))
		h.Write(x.head[x.rest:])
	}
	dst = append(dst, x.head...)
	dst = append(dst, `"hash":"`...)
	hashAt := len(dst)
	var blank [2 * sha256.Size]byte
	dst = append(dst, blank[:]...)
	dst = append(dst, `",`...)
	chained := len(dst)
	dst = append(dst, x.owner...)
	dst = append(dst, `"prev":"`...)
	dst = hex.AppendEncode(dst, prev[:])
	dst = append(dst, `",`...)
	h.Write(dst[chained:])
	dst = append(dst, x.proof...)
	chained = len(dst)
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"time":"`...)
	dst = append(dst, x.time[:]...)
	dst = append(dst, '"')
	dst = append(append(dst, x.withheld...), '}')
	h.Write(dst[chained:])
	var sum Hash
	h.Sum(sum[:0])
	hex.Encode(dst[hashAt:], sum[:])
	return append(dst, '\n'), sum
}

// Size is about what Append will append, in bytes.
func (x *Encoded) Size() int {
	return len(x.head) + len(x.owner) + len(x.proof) + len(x.withheld) + 256
}

// appendRoot appends what the chained form has in place of a payload.
func appendRoot(dst []byte, root Hash) []byte {
	dst = append(dst, `"sha256:`...)
	dst = hex.AppendEncode(dst, root[:])
	return append(dst, '"')
}

// DecodeLine reads an entry from its line. It does not check the chain; see Chain.
func DecodeLine(line []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("decoding a log entry: %w", err)
	}
	if d := e.Decision; d != nil {
		d.Time, d.OwnerID, d.AgentID, d.AgentPrincipalID, d.Action = e.Time, e.OwnerID, e.AgentID, e.AgentPrincipalID, e.Action
	}
	return e, nil
}

// DecisionEntry is the entry that records a decision.
func DecisionEntry(d *Decision, charges []Charge) Entry {
	return Entry{
		Time: d.Time.UTC().Truncate(time.Millisecond), Type: DecisionCreated,
		OwnerID: d.OwnerID, AgentID: d.AgentID, AgentPrincipalID: d.AgentPrincipalID,
		Decision: d, Action: d.Action, Charges: charges,
	}
}

// canonical marshals a value that is not on the hot path.
func canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	err = (*jsontext.Value)(&b).Canonicalize()
	return b, err
}
