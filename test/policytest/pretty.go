package policytest

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Formats are the names of the outputs.
var Formats = []string{"pretty", "json", "junit"}

// Write prints the report in one of the formats.
func (r Report) Write(w io.Writer, format string) error {
	switch format {
	case "pretty":
		return r.pretty(w)
	case "json":
		return r.json(w)
	case "junit":
		return r.junit(w)
	}
	return fmt.Errorf("there is no format %q", format)
}

// pretty prints for people: what failed, then how much passed.
func (r Report) pretty(w io.Writer) error {
	var b strings.Builder
	r.Problems.Render(&b, r.Source)
	for _, s := range r.Suites {
		fmt.Fprintf(&b, "%s\n", s.File)
		for _, c := range s.Cases {
			fmt.Fprintf(&b, "  %-4s  %s\n", c.verdict(), clean(c.Name))
			if len(c.Failures) > 0 {
				fmt.Fprintf(&b, "        %s\n", c.Pos)
			}
			for _, line := range c.Failures {
				fmt.Fprintf(&b, "        %s\n", clean(line))
			}
			if c.Output != "" && len(c.Failures) > 0 {
				fmt.Fprintf(&b, "        it printed: %s\n", clean(c.Output))
			}
		}
	}
	r.prettyCoverage(&b)
	passed, failed, skipped := r.Count()
	fmt.Fprintf(&b, "%d passed, %d failed", passed, failed)
	if skipped > 0 {
		fmt.Fprintf(&b, ", %d skipped", skipped)
	}
	if n := len(r.Problems.Errors()); n > 0 {
		fmt.Fprintf(&b, ", errors in policies or tests: %d", n)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) prettyCoverage(b *strings.Builder) {
	if len(r.Coverage) == 0 {
		return
	}
	b.WriteString("coverage\n")
	for _, c := range r.Coverage {
		fmt.Fprintf(b, "  %5.1f %%  %s", c.Percent(), c.File)
		if c.Rules > 0 {
			fmt.Fprintf(b, "  %d of %d rules", c.Decided, c.Rules)
		}
		if len(c.Missed) > 0 {
			fmt.Fprintf(b, "  missed: %s", ranges(c.Missed))
		}
		b.WriteByte('\n')
	}
	for _, c := range r.Below() {
		fmt.Fprintf(b, "%s: %.1f %% is covered, below %g %%\n", c.File, c.Percent(), r.Threshold)
	}
}

func (c Case) verdict() string {
	switch {
	case c.Skipped:
		return "skip"
	case len(c.Failures) > 0:
		return "FAIL"
	}
	return "ok"
}

// ranges spells rising numbers: 3, 5-7.
func ranges(lines []int) string {
	var parts []string
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && lines[j+1] == lines[j]+1 {
			j++
		}
		part := strconv.Itoa(lines[i])
		if j > i {
			part += "-" + strconv.Itoa(lines[j])
		}
		parts, i = append(parts, part), j+1
	}
	return strings.Join(parts, ", ")
}

// clean keeps a terminal from being written to by a test.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
