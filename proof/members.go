package proof

import (
	"bytes"
	"iter"
)

// membersOf yields the members of an object in canonical form, with names as they stand between
// their quotes.
func membersOf(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		rest := object[1:]
		for rest[0] != '}' {
			rest = bytes.TrimPrefix(rest, []byte(","))
			name := valueEnd(rest)
			end := name + 1 + valueEnd(rest[name+1:])
			if !yield(string(rest[1:name-1]), rest[name+1:end:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// valueEnd returns the length of the value in canonical form that b starts with.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']', ',', ':':
			if depth == 0 {
				return i
			}
			if b[i] == '}' || b[i] == ']' {
				depth--
			}
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
}

// rewrite returns a canonical object with one member renamed, or left out if name is empty.
func rewrite(object []byte, member, name string) []byte {
	out := make([]byte, 0, len(object))
	var moved []byte
	for key, value := range membersOf(object) {
		switch {
		case key == member:
			moved = value
		default:
			if moved != nil && name != "" && key > name {
				out, moved = appendMember(out, name, moved), nil
			}
			out = appendMember(out, key, value)
		}
	}
	if moved != nil && name != "" {
		out = appendMember(out, name, moved)
	}
	if len(out) == 0 {
		out = append(out, '{')
	}
	return append(out, '}')
}

func appendMember(out []byte, key string, value []byte) []byte {
	if len(out) == 0 {
		out = append(out, '{')
	} else {
		out = append(out, ',')
	}
	out = append(append(append(out, '"'), key...), `":`...)
	return append(out, value...)
}
