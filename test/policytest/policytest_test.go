package policytest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/openleash/openleash-go/test/policytest"
)

var update = flag.Bool("update", false, "rewrite what the archives in testdata want")

// TestReports runs testdata/*.txtar: policies and tests, and what is printed of them. The comment above the
// files gives the exit code and the flags; the file "want" is the output.
func TestReports(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, name := range archives {
		t.Run(filepath.Base(name), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o, exit := settings(t, string(a.Comment))
			name, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			want := unpack(t, a)
			r, err := policytest.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := r.Write(&out, "pretty"); err != nil {
				t.Fatal(err)
			}
			if *update {
				rewrite(t, name, a, out.Bytes())
			} else if out.String() != want {
				t.Errorf("got\n%s\nwant\n%s", out.String(), want)
			}
			if r.Exit() != exit {
				t.Errorf("exit %d, want %d", r.Exit(), exit)
			}
		})
	}
}

// settings reads "exit 1" and "coverage", "run RE" or "threshold 90", a line each; other lines are prose.
func settings(t *testing.T, comment string) (o policytest.Options, exit int) {
	t.Helper()
	for line := range strings.Lines(comment) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var err error
		switch word {
		case "exit":
			err = json.Unmarshal([]byte(rest), &exit)
		case "coverage":
			o.Coverage = true
		case "threshold":
			err = json.Unmarshal([]byte(rest), &o.Threshold)
		case "run":
			o.Run = rest
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return o, exit
}

// unpack writes an archive into a scratch folder, goes there, and returns the file "want".
func unpack(t *testing.T, a *txtar.Archive) (want string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, f := range a.Files {
		if f.Name == "want" {
			want = string(f.Data)
			continue
		}
		write(t, f.Name, string(f.Data))
	}
	return want
}

// rewrite puts new output into an archive.
func rewrite(t *testing.T, name string, a *txtar.Archive, out []byte) {
	t.Helper()
	for i := range a.Files {
		if a.Files[i].Name == "want" {
			a.Files[i].Data = out
		}
	}
	if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	allowing = "rules:\n  - {action: data.read, effect: allow}\n"
	readTest = "policies: [p.yaml]\ntests:\n  - name: reading\n    action: {action_type: data.read}\n    expect: {result: ALLOW}\n" +
		"  - name: \"<writing> & \\u0007\"\n    action: {action_type: data.write}\n    expect: {result: ALLOW}\n"
)

// TestMachineFormats reads JSON and JUnit back.
func TestMachineFormats(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "p.yaml", allowing)
	write(t, "p_test.yaml", readTest)
	write(t, "broken_test.yaml", "policies: [p.yaml]\ntests: []\n")
	r, err := policytest.Run(t.Context(), policytest.Options{Threshold: 100})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Write(&out, "json"); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Passed, Failed, Exit int
		Tests                []struct{ Verdict string }
		Problems             []struct {
			Code string
			Line int
		}
		Coverage []policytest.Coverage
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Passed != 1 || report.Failed != 1 || report.Exit != policytest.ExitBroken || len(report.Tests) != 2 ||
		len(report.Problems) != 1 || report.Problems[0].Code != "empty_list" || len(report.Coverage) != 1 {
		t.Errorf("%s", out.String())
	}

	out.Reset()
	if err := r.Write(&out, "junit"); err != nil {
		t.Fatal(err)
	}
	var junit struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Name string `xml:"name,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(out.Bytes(), &junit); err != nil {
		t.Fatal(err)
	}
	if junit.Tests != 3 || junit.Failures != 1 || junit.Errors != 1 || !strings.HasPrefix(junit.Suites[0].Cases[1].Name, "<writing> & ") {
		t.Errorf("%s", out.String())
	}
	if err := r.Write(&out, "tap"); err == nil {
		t.Error("an unknown format was written")
	}
}

func TestWhatCannotBeRun(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "p.yaml", allowing)
	for _, c := range []struct {
		options policytest.Options
		want    error
	}{
		{policytest.Options{}, policytest.ErrNoTests},
		{policytest.Options{Paths: []string{"p.yaml"}}, policytest.ErrNoTests},
		{policytest.Options{Run: "("}, policytest.ErrBadRegex},
		{policytest.Options{Paths: []string{"nowhere"}}, os.ErrNotExist},
	} {
		if _, err := policytest.Run(t.Context(), c.options); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.options, err, c.want)
		}
	}
}

// TestWatch edits a policy until its test passes.
func TestWatch(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "p.yaml", allowing)
	write(t, "tests/p_test.yaml", strings.ReplaceAll(readTest, "p.yaml", "../p.yaml"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	runs := 0
	err := policytest.Watch(ctx, policytest.Options{Paths: []string{"tests"}}, func(r policytest.Report, err error) {
		switch runs++; {
		case err != nil:
			t.Error(err)
			stop()
		case r.Exit() == policytest.ExitPassed:
			stop()
		case runs == 1: // the policy stands outside of what is searched for tests
			write(t, "p.yaml", allowing+"  - {action: data.write, effect: allow}\n")
		}
	})
	if err != nil || runs < 2 {
		t.Errorf("%d runs: %v", runs, err)
	}
}
