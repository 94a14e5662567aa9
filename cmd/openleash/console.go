package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
	paint    palette
	// interactive: a person sits at a terminal, and can be asked.
	interactive bool
}

// palette colours text; the zero palette leaves it as it is.
type palette bool

// paints says whether to colour: only a terminal, and not against NO_COLOR (https://no-color.org).
func paints(out *os.File, lookup func(string) (string, bool)) palette {
	if v, ok := lookup("NO_COLOR"); ok && v != "" {
		return false
	}
	if v, _ := lookup("TERM"); v == "dumb" {
		return false
	}
	return palette(isTerminal(out))
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

func (p palette) sgr(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) bold(s string) string   { return p.sgr("1", s) }
func (p palette) faint(s string) string  { return p.sgr("2", s) }
func (p palette) red(s string) string    { return p.sgr("31", s) }
func (p palette) green(s string) string  { return p.sgr("32", s) }
func (p palette) yellow(s string) string { return p.sgr("33", s) }

// verdict colours a result or a status by what it means.
func (p palette) verdict(s string) string {
	switch {
	case s == "ALLOW", s == "ACTIVE", s == "APPROVED", s == "valid":
		return p.green(s)
	case s == "DENY", s == "DENIED", s == "REVOKED", s == "EXPIRED":
		return p.red(s)
	case strings.HasPrefix(s, "REQUIRE_"), s == "PENDING":
		return p.yellow(s)
	}
	return s
}

func (c console) say(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

// printJSON writes a value, or JSON as it came, for programs.
func (c console) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err = fmt.Fprintf(c.out, "%s\n", text)
	return err
}

// table prints rows under headings.
func (c console) table(headings []string, rows [][]string) {
	widths := make([]int, len(headings))
	for _, row := range append([][]string{headings}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(printable(cell)))
		}
	}
	line := func(row []string, dress func(string) string) {
		var b strings.Builder
		for i, cell := range row {
			cell = printable(cell)
			b.WriteString(dress(cell))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		c.say("%s", b.String())
	}
	line(headings, c.paint.bold)
	for _, row := range rows {
		line(row, c.paint.verdict)
	}
}

// printable replaces what would move a terminal's cursor, break a table or turn text around: agents
// choose some of what is printed.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || (r >= 0x7f && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return '�'
		}
		return r
	}, s)
}

// printableText is printable with its lines kept.
func printableText(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = printable(strings.ReplaceAll(line, "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// when prints a time for people, to the second.
func when(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// orDash stands in for what is not there.
func orDash(s string) string { return cmp.Or(s, "–") }
