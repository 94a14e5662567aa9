package leash

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/google/uuid"
	"go.jetify.com/typeid/v2"
)

// newID returns a TypeID: the prefix and a UUIDv7 (RFC 9562) of this moment, so that ids sort by time.
func (s *Service) newID(prefix string) string {
	var b [16]byte
	if _, err := io.ReadFull(s.cfg.Random, b[:]); err != nil {
		panic(fmt.Sprintf("reading random bytes: %v", err)) // nothing is safe without them
	}
	ms := uint64(s.cfg.Clock().UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	id, err := typeid.FromBytes(prefix, b[:])
	if err != nil {
		panic(fmt.Sprintf("prefix %q: %v", prefix, err)) // prefixes are constants of ours
	}
	return id.String()
}

// newUUID returns a random UUID (RFC 9562, version 4) for an action that came without an id.
func (s *Service) newUUID() string {
	id, err := uuid.NewRandomFromReader(s.cfg.Random)
	if err != nil {
		panic(fmt.Sprintf("reading random bytes: %v", err))
	}
	return id.String()
}

// newSecret returns a token of 256 random bits and the hash that is kept of it.
func (s *Service) newSecret() (token, hash string) {
	var b [32]byte
	if _, err := io.ReadFull(s.cfg.Random, b[:]); err != nil {
		panic(fmt.Sprintf("reading random bytes: %v", err))
	}
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashSecret(token)
}

// hashSecret hashes a token of full entropy; guessing it is hopeless, so SHA-256 suffices.
func hashSecret(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func secretMatches(token, hash string) bool {
	return subtle.ConstantTimeCompare([]byte(hashSecret(token)), []byte(hash)) == 1
}
