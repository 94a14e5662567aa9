package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/openleash/openleash-go/internal/inert"
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

// painted is text that may go to a terminal as it is: it is inert, and has the colours of a palette.
type painted string

func (p palette) sgr(code string, text any) painted {
	s := safe(text)
	if !p || s == "" {
		return s
	}
	return "\x1b[" + painted(code) + "m" + s + "\x1b[0m"
}

func (p palette) bold(s any) painted   { return p.sgr("1", s) }
func (p palette) faint(s any) painted  { return p.sgr("2", s) }
func (p palette) red(s any) painted    { return p.sgr("31", s) }
func (p palette) green(s any) painted  { return p.sgr("32", s) }
func (p palette) yellow(s any) painted { return p.sgr("33", s) }

// verdict colours a result or a status by what it means.
func (p palette) verdict(s string) painted {
	switch {
	case s == "ALLOW", s == "ACTIVE", s == "APPROVED", s == "valid":
		return p.green(s)
	case s == "DENY", s == "DENIED", s == "REVOKED", s == "EXPIRED":
		return p.red(s)
	case strings.HasPrefix(s, "REQUIRE_"), s == "PENDING":
		return p.yellow(s)
	}
	return safe(s)
}

// safe makes a value fit for a terminal. It is the one way of text to people: say, note and tables use it for all
// that they print, so that what an agent wrote moves no cursor, hides nothing and turns nothing around.
func safe(v any) painted {
	if p, ok := v.(painted); ok {
		return p
	}
	return painted(inert.Text(fmt.Sprint(v)))
}

// safely formats a text whose arguments are made safe; numbers are, and keep their verbs.
func safely(format string, args []any) string {
	for i, arg := range args {
		switch reflect.ValueOf(arg).Kind() {
		case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
			if _, ok := arg.(fmt.Stringer); ok {
				args[i] = safe(arg)
			}
		default:
			args[i] = safe(arg)
		}
	}
	return fmt.Sprintf(format, args...)
}

func (c console) say(format string, args ...any) {
	fmt.Fprintln(c.out, safely(format, slices.Clone(args)))
}

// note says something beside the result: on stderr.
func (c console) note(format string, args ...any) {
	fmt.Fprintln(c.err, safely(format, slices.Clone(args)))
}

// printJSON writes a value, or JSON as it came, for programs.
func (c console) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err = fmt.Fprintf(c.out, "%s\n", inert.JSON(string(text)))
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
	line := func(row []string, dress func(string) painted) {
		var b strings.Builder
		for i, cell := range row {
			cell = printable(cell)
			b.WriteString(string(dress(cell)))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		c.say("%s", painted(b.String()))
	}
	line(headings, func(s string) painted { return c.paint.bold(s) })
	for _, row := range rows {
		line(row, c.paint.verdict)
	}
}

// printable is text on one line, with everything spelt out that would move a terminal's cursor, break a table, hide
// something or turn text around.
func printable(s string) string { return inert.Line(s) }

// printableText is printable with its lines kept.
func printableText(s string) string {
	return inert.Text(strings.ReplaceAll(s, "\t", "    "))
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
