package file

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/openleash/openleash-go/store"
)

// folderKinds have a folder with one file per record; stateKinds share state.yaml.
func folderKinds() []store.Kind {
	return []store.Kind{store.KindOwner, store.KindAgent, store.KindInvite, store.KindApproval, store.KindDraft, store.KindKey, store.KindPolicyRecord}
}

func stateKinds() []store.Kind {
	return []store.Kind{store.KindState, store.KindSession, store.KindChallenge, store.KindDelivery}
}

// decode reads a record of a kind. Unknown fields are an error: they would be lost on the next write.
func decode(kind store.Kind, content []byte) (store.Record, error) {
	switch kind {
	case store.KindOwner:
		return decodeAs[store.Owner](content)
	case store.KindAgent:
		return decodeAs[store.Agent](content)
	case store.KindInvite:
		return decodeAs[store.Invite](content)
	case store.KindApproval:
		return decodeAs[store.Approval](content)
	case store.KindDraft:
		return decodeAs[store.Draft](content)
	case store.KindKey:
		return decodeAs[store.Key](content)
	case store.KindPolicyRecord:
		return decodeAs[store.PolicyRecord](content)
	case store.KindSession:
		return decodeAs[store.Session](content)
	case store.KindChallenge:
		return decodeAs[store.Challenge](content)
	case store.KindDelivery:
		return decodeAs[store.Delivery](content)
	case store.KindState:
		return decodeAs[store.State](content)
	default:
		return nil, fmt.Errorf("unknown kind of record %q", kind)
	}
}

func decodeAs[T store.Record](content []byte) (store.Record, error) {
	var r T
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("something follows the record")
	}
	return r, nil
}

// encode writes a record as its file: indented, for people.
func encode(r store.Record) ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding a record of %s: %w", r.Kind(), err)
	}
	return append(b, '\n'), nil
}

// checkKey refuses a key that is no plain file name, or that some file system would take for another.
func checkKey(kind store.Kind, key string) error {
	if kind == store.KindPolicy {
		return checkPolicyPath(key)
	}
	if key == "" || len(key) > 128 {
		return fmt.Errorf("key of %s: %d characters, want 1 to 128", kind, len(key))
	}
	for i, c := range []byte(key) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
		if !letter && (i == 0 || c != '-' && c != '.') {
			return fmt.Errorf("key of %s: %q cannot be a file name", kind, key)
		}
	}
	return nil
}

// checkPolicyPath holds the path of a policy inside its folder.
func checkPolicyPath(path string) error {
	if len(path) > 512 || !filepath.IsLocal(filepath.FromSlash(path)) || strings.ContainsAny(path, "\\\x00\n\r:") {
		return fmt.Errorf("policy path %q: want a relative path inside the policies folder", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || strings.HasPrefix(part, ".") {
			return fmt.Errorf("policy path %q: want plain names that begin with no dot", path)
		}
	}
	return nil
}
