package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary the program itself, if it is called by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"openleash": main})
}

// TestScripts runs testdata/script/*.txtar: the command line as people type it. Beside the commands of
// testscript they have
//
//	await URL            until the server answers there
//	grab NAME FILE RE    what the first group of a regular expression finds in a file, into a variable
//	flip FILE TEXT       one byte of the file, in the last place where the text stands, changes
//	await-file FILE RE   until a file says something
//	await-out RE CMD…    until a command prints something
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			port, err := freePort()
			e.Setenv("PORT", port)
			metrics, err2 := freePort()
			e.Setenv("METRICS", metrics)
			e.Setenv("URL", "http://127.0.0.1:"+port)
			e.Setenv("OPENLEASH_ADDR", "127.0.0.1:"+port)
			e.Setenv("OPENLEASH_POLICY_TIMEOUT", "20s") // a busy machine is no policy's fault

			return errors.Join(err, err2)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": awaitURL, "await-file": awaitFile, "await-out": awaitOut, "grab": grab, "flip": flip,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// patience is how long something that is awaited may take on a busy machine.
const patience = 120 * time.Second

func until(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func awaitURL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await URL")
	}
	until(ts, args[0], func() bool {
		res, err := http.Get(args[0])
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func awaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await-file FILE RE")
	}
	re := regexp.MustCompile(args[1])
	until(ts, args[0], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && re.Match(text)
	})
}

func awaitOut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await-out RE CMD…")
	}
	re := regexp.MustCompile(args[0])
	until(ts, args[0], func() bool { return ts.Exec(args[1], args[2:]...) == nil && re.MatchString(ts.ReadFile("stdout")) })
}

func grab(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: grab NAME FILE RE")
	}
	found := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(found) != 2 {
		ts.Fatalf("%s does not hold %s:\n%s", args[1], args[2], ts.ReadFile(args[1]))
	}
	ts.Setenv(args[0], found[1])
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE TEXT")
	}
	name := ts.MkAbs(args[0])
	text, err := os.ReadFile(name)
	ts.Check(err)
	at := bytes.LastIndex(text, []byte(args[1]))
	if at < 0 {
		ts.Fatalf("%s does not hold %s", args[0], args[1])
	}
	text[at+len(args[1])-1] ^= 1
	ts.Check(os.WriteFile(name, text, 0o600))
}

// awaitReady waits until a server answers, or has ended.
func awaitReady(t *testing.T, url string, ended <-chan error, out fmt.Stringer) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("the server ended: %v\n%s", err, out)
		default:
		}
		res, err := http.Get(url)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("%s: not within %s\n%s", url, patience, out)
}

// TestPrintableShowsNoControl: what an agent chose to be called or to say moves no cursor (promise 19).
func TestPrintableShowsNoControl(t *testing.T) {
	for _, hostile := range []string{"\x1b[2J", "a\nb", "a\tb", "\u202egnp.exe", "\u0085", "\xff", "\u2066x", "\x7f"} {
		if got := printable(hostile); strings.ContainsAny(got, "\x1b\n\t\u202e\u0085\u2066\x7f") || strings.ContainsRune(got, '\xff') {
			t.Errorf("printable(%q) = %q", hostile, got)
		}
	}
	if got := printable("Zoë, 注文 – ✓"); got != "Zoë, 注文 – ✓" {
		t.Errorf("printable changes plain text: %q", got)
	}
}

// TestTableLinesUp: columns line up with and without colour.
func TestTableLinesUp(t *testing.T) {
	var plain, coloured bytes.Buffer
	rows := [][]string{{"ALLOW", "1"}, {"REQUIRE_APPROVAL", "22"}, {"é", "333"}}
	console{out: &plain}.table([]string{"RESULT", "N"}, rows)
	console{out: &coloured, paint: true}.table([]string{"RESULT", "N"}, rows)
	want := "RESULT            N\nALLOW             1\nREQUIRE_APPROVAL  22\né                 333\n"
	if plain.String() != want {
		t.Errorf("got\n%swant\n%s", plain.String(), want)
	}
	if got := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(coloured.String(), ""); got != want {
		t.Errorf("with colour, got\n%s", got)
	}
	if !strings.Contains(coloured.String(), "\x1b[32mALLOW\x1b[0m") {
		t.Errorf("no colour: %q", coloured.String())
	}
}

func Example() {
	fmt.Println(left(4500, 50000, "USD", nil))
	fmt.Println(left(3, 20, "", nil))
	// Output:
	// 45.00 left of 500.00 USD
	// 3 left of 20 actions
}
