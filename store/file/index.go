package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/openleash/openleash-go/store"
)

// The reading index holds one record of fixed size for each entry, in a file for each segment under
// cache/. It is written behind the log, and rebuilt from it whenever it is not exactly right.

const recordSize = 56

// record is what the index knows of an entry.
type record struct {
	offset               int64 // of the line in its segment
	length               uint32
	time                 int64  // Unix ms
	id                   uint64 // keyed hash of the decision that the entry is about, else of its own id
	action               uint64 // of a decision: keyed hash of agent and action_id; of a settlement: of its own id
	owner, agent, policy uint32
	event, result        uint8 // places in lists below; 0 is unknown
}

func (r *record) append(dst []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.offset))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.time))
	dst = binary.LittleEndian.AppendUint64(dst, r.id)
	dst = binary.LittleEndian.AppendUint64(dst, r.action)
	dst = binary.LittleEndian.AppendUint32(dst, r.length)
	dst = binary.LittleEndian.AppendUint32(dst, r.owner)
	dst = binary.LittleEndian.AppendUint32(dst, r.agent)
	dst = binary.LittleEndian.AppendUint32(dst, r.policy)
	dst = append(dst, r.event, r.result, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errIndex = errors.New("the index is damaged")

func parseRecord(b []byte) (record, error) {
	if binary.LittleEndian.Uint32(b[recordSize-4:]) != crc32.Checksum(b[:recordSize-4], castagnoli) {
		return record{}, errIndex
	}
	return record{
		offset: int64(binary.LittleEndian.Uint64(b)),
		time:   int64(binary.LittleEndian.Uint64(b[8:])),
		id:     binary.LittleEndian.Uint64(b[16:]),
		action: binary.LittleEndian.Uint64(b[24:]),
		length: binary.LittleEndian.Uint32(b[32:]),
		owner:  binary.LittleEndian.Uint32(b[36:]),
		agent:  binary.LittleEndian.Uint32(b[40:]),
		policy: binary.LittleEndian.Uint32(b[44:]),
		event:  b[48],
		result: b[49],
	}, nil
}

// hasher computes the hashes of the index. Those that agents could aim at each other are keyed.
type hasher struct {
	key [16]byte
}

func (h *hasher) sum(domain byte, words ...string) uint64 {
	var buf [256]byte
	b := append(append(buf[:0], h.key[:]...), domain)
	for _, w := range words {
		b = append(append(b, w...), 0)
	}
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:])
}

func (h *hasher) action(agent, actionID string) uint64 { return h.sum('a', agent, actionID) }

// id hashes an id without its prefix: the entry of the decision dec_x is evt_x.
func (h *hasher) id(id string) uint64 { return h.sum('i', bare(id)) }

func bare(id string) string {
	if i := bytes.IndexByte([]byte(id), '_'); i >= 0 {
		return id[i+1:]
	}
	return id
}

func (h *hasher) word(s string) uint32 {
	if s == "" {
		return 0
	}
	return uint32(xxhash.Sum64String(s)) | 1
}

// describe makes the record of an entry, its place apart.
func (h *hasher) describe(e *store.Entry) record {
	r := record{
		time: e.Time.UnixMilli(), owner: h.word(e.OwnerID), agent: h.word(e.AgentPrincipalID),
		event: e.Type.Code(),
	}
	switch {
	case e.Decision != nil:
		d := e.Decision
		r.id = h.id(d.ID)
		r.action = h.action(e.AgentPrincipalID, d.ActionID)
		r.policy = h.word(d.PolicyID)
		r.result = resultCode(d.Result)
	case isSettlement(e):
		r.id, r.action = h.id(settledOf(e).DecisionID), h.id(e.ID)
	default:
		r.id = h.id(e.ID)
	}
	return r
}

// results are those that the index tells apart: the place of one, from 1, is its code.
var results = [...]store.Result{store.Allow, store.Deny, store.RequireApproval, store.RequireStepUp, store.RequireDeposit}

func resultCode(r store.Result) uint8 { return uint8(slices.Index(results[:], r) + 1) }

// filter is an audit query as the index can answer it: it lets through all that match, and some more.
type filter struct {
	owner, agent, policy uint32
	events               []uint8
	result               uint8
	since, until         int64
}

func (h *hasher) filter(q *store.AuditQuery) filter {
	f := filter{
		owner: h.word(q.OwnerID), agent: h.word(q.AgentPrincipalID), policy: h.word(q.PolicyID),
		result: resultCode(q.Result), since: minTime, until: maxTime,
	}
	for _, t := range q.Types {
		f.events = append(f.events, t.Code())
	}
	if !q.Since.IsZero() {
		f.since = ceilMilli(q.Since)
	}
	if !q.Until.IsZero() {
		f.until = ceilMilli(q.Until)
	}
	return f
}

const minTime, maxTime = -1 << 63, 1<<63 - 1

func ceilMilli(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

func (f *filter) match(r *record) bool {
	switch {
	case f.owner != 0 && r.owner != f.owner,
		f.agent != 0 && r.agent != f.agent,
		f.policy != 0 && r.policy != f.policy,
		f.result != 0 && r.result != f.result,
		r.time < f.since, r.time >= f.until:
		return false
	}
	return len(f.events) == 0 || bytes.IndexByte(f.events, r.event) >= 0
}

// matchRaw is match on a record as it stands in the file.
func (f *filter) matchRaw(b []byte) bool {
	_ = b[recordSize-1]
	switch at := int64(binary.LittleEndian.Uint64(b[8:])); {
	case f.owner != 0 && binary.LittleEndian.Uint32(b[36:]) != f.owner,
		f.agent != 0 && binary.LittleEndian.Uint32(b[40:]) != f.agent,
		f.policy != 0 && binary.LittleEndian.Uint32(b[44:]) != f.policy,
		f.result != 0 && b[49] != f.result,
		at < f.since, at >= f.until:
		return false
	}
	return len(f.events) == 0 || bytes.IndexByte(f.events, b[48]) >= 0
}

// readRecords reads n records from the one at place first.
func readRecords(f io.ReaderAt, first, n int) ([]record, error) {
	buf := make([]byte, n*recordSize)
	if _, err := f.ReadAt(buf, int64(first)*recordSize); err != nil {
		return nil, errors.Join(errIndex, err)
	}
	out := make([]record, n)
	for i := range out {
		var err error
		if out[i], err = parseRecord(buf[i*recordSize:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
