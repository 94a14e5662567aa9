package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDocs does what the README and the pages of docs/ say, each in a folder of its own, and compares
// what they print:
//
//   - A block marked console is a session: what follows "$ " is run, the lines after it are what it
//     must print, in which … stands for anything, also for lines.
//   - A block marked yaml, rego or json whose first line is a comment with a path is saved there.
//   - `openleash start` runs on in the background; <!-- stop --> ends it.
func TestDocs(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("bash is not here to run what the documentation says")
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range append([]string{"../../README.md"}, pages...) {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			s, err := readSession(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(s.commands) > 0 {
				s.run(t)
			}
		})
	}
}

// session is what a page does, in order.
type session struct {
	commands []command
	started  bool // a server runs
}

type command struct {
	line   int    // in the page
	script string // for bash
	want   []string
}

var (
	fence   = regexp.MustCompile("^```(\\w*)")
	savedAs = regexp.MustCompile(`^(?:#|//) ([\w./-]+\.(?:yaml|rego|json|txt|sh))$`)
)

// readSession finds the blocks of a page that are to be run or saved.
func readSession(page string) (*session, error) {
	s := &session{}
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "<!-- stop -->" {
			s.commands = append(s.commands, command{line: i + 1, script: "kill -INT %1; wait %1 || true"})
			continue
		}
		open := fence.FindStringSubmatch(strings.TrimSpace(lines[i]))
		if open == nil {
			continue
		}
		first := i + 1
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: a block without an end", first)
		}
		body := lines[first:i]
		switch open[1] {
		case "console":
			s.console(first+1, body)
		case "yaml", "rego", "json":
			if len(body) > 0 {
				if path := savedAs.FindStringSubmatch(body[0]); path != nil {
					s.save(first+1, path[1], body, open[1] == "json")
				}
			}
		}
	}
	return s, nil
}

func (s *session) console(line int, body []string) {
	for i, text := range body {
		if script, ok := strings.CutPrefix(text, "$ "); ok {
			if strings.HasPrefix(script, "openleash start") {
				s.started = true
				script += " > start.log 2>&1 &\n" + awaitLine("Ctrl-C stops it.", "start.log") + "; cat start.log"
			}
			// A reader waits a moment for the other terminal; a busy machine may need longer.
			script = strings.Replace(script, "sleep 1; ", "for i in $(seq 300); do openleash approval list | grep -q PENDING && break; sleep 0.2; done; ", 1)
			s.commands = append(s.commands, command{line: line + i, script: script})
		} else if n := len(s.commands) - 1; strings.HasPrefix(text, "> ") && len(s.commands[n].want) == 0 {
			s.commands[n].script += "\n" + text[2:]
		} else {
			s.commands[n].want = append(s.commands[n].want, text)
		}
	}
}

func (s *session) save(line int, path string, body []string, dropFirst bool) {
	if dropFirst {
		body = body[1:] // JSON has no comments
	}
	script := fmt.Sprintf("mkdir -p %q && cat > %q <<'END OF FILE'\n%s\nEND OF FILE", filepath.Dir(path), path, strings.Join(body, "\n"))
	if policy, ok := strings.CutPrefix(path, "data/policies/"); ok && s.started {
		script += "\n" + awaitLine(`"path":"`+policy+`"`, "data/audit.log.jsonl")
	}
	s.commands = append(s.commands, command{line: line, script: script})
}

// awaitLine waits, for a minute at most, until a file says something.
func awaitLine(text, file string) string {
	return fmt.Sprintf("for i in $(seq 600); do grep -qsF '%s' %s && break; sleep 0.1; done", text, file)
}

// marker stands between the outputs of the commands.
const marker = "\x01end of command\x01"

// script is all of it as one bash session, so that variables and folders last.
func (s *session) script(port string) string {
	var b strings.Builder
	b.WriteString("set +m\n")
	for _, c := range s.commands {
		fmt.Fprintf(&b, "%s\nprintf '\\n%%s\\n' '%s'\n", strings.ReplaceAll(c.script, ":8787", ":"+port), marker)
	}
	b.WriteString("kill -INT %1 2>/dev/null && wait\nexit 0\n")
	return b.String()
}

func (s *session) run(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash")
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader(s.script(port))
	cmd.Env = append(os.Environ(), "OPENLEASH_ADDR=127.0.0.1:"+port, "HOME="+cmd.Dir, "NO_COLOR=1",
		"OPENLEASH_POLICY_TIMEOUT=20s", // a busy machine is no policy's fault
		"REPO="+repository(t))          // what is linked to in the repository
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("running the session: %v\n%s", err, out.String())
	}
	printed := strings.Split(strings.ReplaceAll(out.String(), ":"+port, ":8787"), marker)
	for i, c := range s.commands {
		if i >= len(printed) {
			t.Fatalf("line %d: not reached", c.line)
		}
		got := strings.Trim(printed[i], "\n")
		if want := strings.Trim(strings.Join(c.want, "\n"), "\n"); !matches(got, want) {
			t.Errorf("line %d: $ %s\nprints\n%s\n\nand not\n%s", c.line, c.script, got, want)
		}
	}
}

func repository(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// matches compares an output with what a page shows, in which … is anything, and on a line of its own
// any lines or none. Space at the end of a line does not count.
func matches(got, want string) bool {
	var re strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(want, "\n"), "\n") {
		if line == "…" {
			re.WriteString(`(?:[^\n]*\n)*?`)
		} else {
			re.WriteString(strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(line, " \t")), "…", `(?s:.*?)`) + `[ \t]*\n`)
		}
	}
	return regexp.MustCompile(`\A` + re.String() + `\z`).MatchString(strings.TrimRight(got, "\n") + "\n")
}

// TestDocsCompare holds the comparison itself to account.
func TestDocsCompare(t *testing.T) {
	for _, c := range []struct {
		got, want string
		same      bool
	}{
		{"a\nb", "a\nb", true},
		{"a \nb", "a\nb", true},
		{"a\nb\nc", "a\n…\nc", true},
		{"id usr_1 x", "id … x", true},
		{"a\nb", "a\n…", true},
		{"a", "a\n…", true},
		{"a", "…\na", true},
		{"a\nb\nc", "…\nc", true},
		{"a\nb\nc", "…\nb", false},
		{"a\nb", "a", false},
		{"a", "a\nb", false},
		{"(a)", "(b)", false},
		{"", "", true},
		{"x", "", false},
	} {
		if matches(c.got, c.want) != c.same {
			t.Errorf("matches(%q, %q) = %v", c.got, c.want, !c.same)
		}
	}
}
