package store

import (
	"bytes"
	"testing"
	"time"

	"go.jetify.com/typeid"
)

func TestNewID(t *testing.T) {
	at := time.UnixMilli(0x0123456789ab)
	id := NewID("dec", at, bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
	parsed, err := typeid.FromString(id)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Prefix() != "dec" || parsed.UUID() != "01234567-89ab-7fff-bfff-ffffffffffff" {
		t.Errorf("%s is %s %s", id, parsed.Prefix(), parsed.UUID())
	}
	later := NewID("dec", at.Add(time.Millisecond), bytes.NewReader(make([]byte, 16)))
	if later <= id {
		t.Errorf("%s of a later time sorts before %s", later, id)
	}
}
