package gui

import (
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// diffLine is one line of a change.
type diffLine struct {
	Class, Sign, Text string
}

// around is how many unchanged lines stand around a change.
const around = 3

// diff is what changes from one text to another, line by line, with a few unchanged lines around.
func diff(before, after string) []diffLine {
	d := diffmatchpatch.New()
	a, b, lines := d.DiffLinesToChars(before, after)
	var all []diffLine
	for _, part := range d.DiffCharsToLines(d.DiffMain(a, b, false), lines) {
		class, sign := "", " "
		switch part.Type {
		case diffmatchpatch.DiffInsert:
			class, sign = "added", "+"
		case diffmatchpatch.DiffDelete:
			class, sign = "removed", "−"
		}
		for line := range strings.Lines(part.Text) {
			all = append(all, diffLine{class, sign, strings.TrimRight(line, "\r\n")})
		}
	}
	return near(all)
}

// near keeps the changed lines and those around them.
func near(all []diffLine) []diffLine {
	keep := make([]bool, len(all))
	for i, l := range all {
		if l.Class == "" {
			continue
		}
		for j := max(0, i-around); j <= min(len(all)-1, i+around); j++ {
			keep[j] = true
		}
	}
	var out []diffLine
	for i, l := range all {
		switch {
		case keep[i]:
			out = append(out, l)
		case len(out) == 0 || out[len(out)-1].Class != "gap":
			out = append(out, diffLine{"gap", "", "⋯"})
		}
	}
	if len(out) == 1 && out[0].Class == "gap" {
		return nil
	}
	return out
}
