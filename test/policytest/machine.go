package policytest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

type jsonReport struct {
	Passed    int           `json:"passed"`
	Failed    int           `json:"failed"`
	Skipped   int           `json:"skipped"`
	Exit      int           `json:"exit"`
	Tests     []jsonCase    `json:"tests"`
	Problems  []jsonProblem `json:"problems"`
	Threshold float64       `json:"threshold,omitempty"`
	Coverage  []Coverage    `json:"coverage,omitempty"`
}

type jsonCase struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Name     string   `json:"name"`
	Verdict  string   `json:"verdict"` // passed, failed, skipped
	Failures []string `json:"failures,omitempty"`
	Output   string   `json:"output,omitempty"`
	Seconds  float64  `json:"seconds"`
}

type jsonProblem struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Column     int    `json:"column"`
	Severity   string `json:"severity"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"`
}

// json prints for programs.
func (r Report) json(w io.Writer) error {
	out := jsonReport{Exit: r.Exit(), Tests: []jsonCase{}, Problems: []jsonProblem{}, Threshold: r.Threshold, Coverage: r.Coverage}
	out.Passed, out.Failed, out.Skipped = r.Count()
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			verdict := map[string]string{"ok": "passed", "FAIL": "failed", "skip": "skipped"}[c.verdict()]
			out.Tests = append(out.Tests, jsonCase{s.File, c.Pos.Line, c.Name, verdict, c.Failures, c.Output, c.Elapsed.Seconds()})
		}
	}
	for _, d := range r.Problems {
		out.Problems = append(out.Problems, jsonProblem{d.Pos.File, d.Pos.Line, d.Pos.Column, d.Severity.String(), d.Code, d.Message, d.Suggestion})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

// The form of JUnit that test dashboards read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
		Skipped *struct{}     `xml:"skipped"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit prints for dashboards. What does not compile, and what is not covered enough, are cases too.
func (r Report) junit(w io.Writer) error {
	out := junitSuites{Name: "openleash test"}
	for _, s := range r.Suites {
		suite := junitSuite{Name: s.File, Time: seconds(s.Elapsed)}
		for _, c := range s.Cases {
			one := junitCase{Class: s.File, Name: c.Name, File: c.Pos.File, Line: c.Pos.Line, Time: seconds(c.Elapsed), Output: c.Output}
			switch {
			case c.Skipped:
				one.Skipped = &struct{}{}
				suite.Skipped++
			case len(c.Failures) > 0:
				one.Failure = &junitMessage{c.Failures[0], strings.Join(c.Failures, "\n")}
				suite.Failures++
			}
			suite.Cases = append(suite.Cases, one)
		}
		out.add(suite)
	}
	broken := junitSuite{Name: "compile", Time: seconds(0)}
	for _, d := range r.Problems.Errors() {
		broken.Errors++
		broken.Cases = append(broken.Cases, junitCase{Class: "compile", Name: d.Pos.String(), File: d.Pos.File, Line: d.Pos.Line,
			Time: seconds(0), Error: &junitMessage{d.Code, d.String()}})
	}
	out.add(broken)
	covered := junitSuite{Name: "coverage", Time: seconds(0)}
	for _, c := range r.Below() {
		covered.Failures++
		covered.Cases = append(covered.Cases, junitCase{Class: "coverage", Name: c.File, File: c.File, Time: seconds(0),
			Failure: &junitMessage{"too little is covered", fmt.Sprintf("%.1f %% of %s is covered, below %g %%; missed: %s", c.Percent(), c.File, r.Threshold, ranges(c.Missed))}})
	}
	out.add(covered)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// add adds a suite, unless it is empty.
func (s *junitSuites) add(suite junitSuite) {
	if suite.Tests = len(suite.Cases); suite.Tests == 0 {
		return
	}
	s.Suites = append(s.Suites, suite)
	s.Tests += suite.Tests
	s.Failures += suite.Failures
	s.Errors += suite.Errors
	s.Skipped += suite.Skipped
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
