package compiler

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Position is a place in a file. Line and Column count from 1; Column counts characters.
type Position struct {
	File   string
	Line   int
	Column int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Severity tells errors from warnings.
type Severity int

// The severities.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Diagnostic is one thing that is wrong with a policy, where a person wrote it.
type Diagnostic struct {
	Code       string // stable, such as unknown_key
	Severity   Severity
	Pos        Position
	Message    string
	Suggestion string // the word that was probably meant
}

// String is file:line:col: code: message.
func (d Diagnostic) String() string {
	s := fmt.Sprintf("%s: %s: %s", d.Pos, d.Code, d.Message)
	if d.Suggestion != "" {
		s += fmt.Sprintf(" (did you mean %s?)", d.Suggestion)
	}
	return s
}

// Diagnostics are sorted by file, line and column.
type Diagnostics []Diagnostic

// Sort puts diagnostics in order.
func (ds Diagnostics) Sort() {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
}

// Errors returns those that keep a policy from being one.
func (ds Diagnostics) Errors() Diagnostics { return ds.only(Error) }

// Warnings returns those that do not.
func (ds Diagnostics) Warnings() Diagnostics { return ds.only(Warning) }

func (ds Diagnostics) only(s Severity) Diagnostics {
	var out Diagnostics
	for _, d := range ds {
		if d.Severity == s {
			out = append(out, d)
		}
	}
	return out
}

// Err returns an error that lists all errors, or nil if there are only warnings.
func (ds Diagnostics) Err() error {
	errs := ds.Errors()
	if len(errs) == 0 {
		return nil
	}
	lines := make([]string, len(errs))
	for i, d := range errs {
		lines[i] = d.String()
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Render prints each diagnostic with the line that it is about. source returns a file's text, or nil.
func (ds Diagnostics) Render(w io.Writer, source func(file string) []byte) {
	var rest []byte // of the file, from the line of the diagnostic before: they are sorted
	var before Position
	for i, d := range ds {
		label := ""
		if d.Severity == Warning {
			label = "warning: "
		}
		fmt.Fprintf(w, "%s%s\n", label, d)
		if i == 0 || d.Pos.File != before.File || d.Pos.Line < before.Line {
			rest, before = source(d.Pos.File), Position{File: d.Pos.File, Line: 1}
		}
		rest, before.Line = skip(rest, d.Pos.Line-before.Line), max(d.Pos.Line, 1)
		if line, ok := firstLine(rest); ok {
			gutter := fmt.Sprintf("%5d | ", d.Pos.Line)
			fmt.Fprintf(w, "%s%s\n", gutter, line)
			if left := max(d.Pos.Column-1, 0); left <= utf8.RuneCountInString(line) { // what a long line is cut to may not hold the place
				fmt.Fprintf(w, "%s^\n", strings.Repeat(" ", len(gutter)+left))
			}
		}
	}
}

// maxSnippet bounds a printed line, in characters.
const maxSnippet = 160

// skip returns what comes after n lines; nil if there are fewer.
func skip(src []byte, n int) []byte {
	for ; n > 0; n-- {
		_, rest, ok := bytes.Cut(src, []byte("\n"))
		if !ok {
			return nil
		}
		src = rest
	}
	return src
}

// firstLine returns the first line of a text as it may be printed, cut to maxSnippet; none of an empty text.
func firstLine(src []byte) (string, bool) {
	line, _, _ := bytes.Cut(src, []byte("\n"))
	runes := []rune(string(bytes.TrimRight(line[:min(len(line), 4*maxSnippet)], "\r")))
	return strings.Map(printable, string(runes[:min(len(runes), maxSnippet)])), len(src) > 0
}

// printable keeps a terminal from being written to by a policy.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
		return ' '
	}
	return r
}
