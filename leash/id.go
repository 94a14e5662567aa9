package leash

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/openleash/openleash-go/store"
)

// newID returns a TypeID of this moment.
func (s *Service) newID(prefix string) string {
	return store.NewID(prefix, s.cfg.Clock(), s.cfg.Random)
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
