package store

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint says that the log had an entry with this hash at this place. Signed, and kept where
// nobody who can write the log can write, it shows later that nothing up to there was changed, and
// that nothing was cut off.
type Checkpoint struct {
	Seq  uint64
	Hash Hash
	Time time.Time
}

// Signer signs checkpoints with an Ed25519 key (RFC 8032).
type Signer interface {
	KID() string
	Public() ed25519.PublicKey
	Sign(message []byte) ([]byte, error)
}

// KeySigner is a Signer that holds its key.
type KeySigner struct {
	ID      string
	Private ed25519.PrivateKey
}

// KID implements Signer.
func (k KeySigner) KID() string { return k.ID }

// Public implements Signer.
func (k KeySigner) Public() ed25519.PublicKey { return k.Private.Public().(ed25519.PublicKey) }

// Sign implements Signer.
func (k KeySigner) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.Private, message), nil }

const checkpointOrigin = "openleash audit log"

// ErrCheckpoint: a checkpoint is malformed, or signed by nobody who is known.
var ErrCheckpoint = errors.New("not a valid checkpoint")

// SignCheckpoint writes a checkpoint as a signed note (golang.org/x/mod/sumdb/note):
//
//	openleash audit log
//	<sequence number>
//	<SHA-256 in hex>
//	<time>
//
//	— <kid> <signature>
func SignCheckpoint(c Checkpoint, s Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n%s\n", checkpointOrigin, c.Seq, c.Hash, c.Time.UTC().Format(TimeFormat))
	signed, err := signNote(text, s)
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return signed, nil
}

func signNote(text string, s Signer) ([]byte, error) {
	vkey, err := note.NewEd25519VerifierKey(s.KID(), s.Public())
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: text}, noteSigner{v, s})
}

// openNote returns the text of a note that one of the keys, by kid, has signed.
func openNote(signed []byte, keys map[string]ed25519.PublicKey) (string, error) {
	var verifiers []note.Verifier
	for kid, key := range keys {
		vkey, err := note.NewEd25519VerifierKey(kid, key)
		if err != nil {
			return "", fmt.Errorf("key %q: %w", kid, err)
		}
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return "", fmt.Errorf("key %q: %w", kid, err)
		}
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return "", err
	}
	return n.Text, nil
}

// noteSigner names a Signer as the note package wants it.
type noteSigner struct {
	note.Verifier
	signer Signer
}

func (n noteSigner) Sign(msg []byte) ([]byte, error) { return n.signer.Sign(msg) }

// OpenCheckpoint reads a signed checkpoint that one of the keys, by kid, has signed. What is wrong
// wraps ErrCheckpoint.
func OpenCheckpoint(signed []byte, keys map[string]ed25519.PublicKey) (Checkpoint, error) {
	text, err := openNote(signed, keys)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return parseCheckpoint(text)
}

// ReadCheckpoint reads what a signed checkpoint says, without knowing whether its signature is valid. What is wrong
// wraps ErrCheckpoint.
func ReadCheckpoint(signed []byte) (Checkpoint, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Checkpoint{}, fmt.Errorf("%w: it is not a signed note", ErrCheckpoint)
	}
	return parseCheckpoint(text + "\n")
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[0] != checkpointOrigin || lines[4] != "" {
		return Checkpoint{}, fmt.Errorf("%w: it is a note about something else", ErrCheckpoint)
	}
	if c.Seq, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: sequence number: %w", ErrCheckpoint, err)
	}
	hash, err := hex.DecodeString(lines[2])
	if err != nil || len(hash) != len(c.Hash) {
		return Checkpoint{}, fmt.Errorf("%w: no SHA-256 in hex", ErrCheckpoint)
	}
	copy(c.Hash[:], hash)
	if c.Time, err = time.Parse(TimeFormat, lines[3]); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: time: %w", ErrCheckpoint, err)
	}
	return c, nil
}

// Checkpointed is the data of a CHECKPOINT entry.
type Checkpointed struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
	Note string `json:"note"`
}
