package compiler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// unknownWord is a word that is none of the known ones.
type unknownWord struct {
	what  string
	word  string
	known []string
	text  string // where it stands, if that is more than the word
	meant string // what was meant, if that is none of the known words
}

func (e *unknownWord) Error() string {
	if e.text != "" && e.text != e.word {
		return fmt.Sprintf("unknown %s %q in %q", e.what, clipped(e.word), clipped(e.text))
	}
	return fmt.Sprintf("unknown %s %q; known are %s", e.what, clipped(e.word), strings.Join(e.known, ", "))
}

func (e *unknownWord) suggestion() string { return cmp.Or(e.meant, nearest(e.word, e.known)) }

// nearest returns the known word that differs from word in few letters, or that begins it or is begun by
// it; else "".
func nearest(word string, known []string) string {
	best, bestDistance := "", 1+min(3, max(1, len(word)/3))
	for _, k := range known {
		if abs(len(k)-len(word)) >= bestDistance {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	for _, k := range known {
		short, long := strings.ToLower(k), strings.ToLower(word)
		if len(short) > len(long) {
			short, long = long, short
		}
		if best == "" && len(short) > 1 && strings.HasPrefix(long, short) {
			best = k
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// distance counts the letters to insert, drop, change or swap (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return slices.Clone(last)[len(b)]
}
