package store

import (
	"fmt"
	"io"
	"time"

	"go.jetify.com/typeid"
)

// NewID returns a TypeID: the prefix and a UUIDv7 (RFC 9562) of a time, so that ids sort by time. prefix is
// of lower-case letters. It panics if random fails: without random bytes nothing is safe.
func NewID(prefix string, at time.Time, random io.Reader) string {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic(fmt.Sprintf("reading random bytes: %v", err))
	}
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	id, err := typeid.FromUUIDBytesWithPrefix(prefix, b[:])
	if err != nil {
		panic(fmt.Sprintf("prefix %q: %v", prefix, err)) // prefixes are our own constants
	}
	return id.String()
}
