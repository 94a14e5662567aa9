//go:build unix

package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output is what a program has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestStartTellsTheServiceManager runs the server as systemd would: it says when it is ready, reloads on SIGHUP, keeps
// the old configuration if the new one is broken, pings the watchdog, and says that it stops.
func TestStartTellsTheServiceManager(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	told := make(chan string, 1000)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := manager.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	await := func(want string) string {
		t.Helper()
		limit := time.After(patience)
		for {
			select {
			case got := <-told:
				if strings.Contains(got, want) {
					return got
				}
			case <-limit:
				t.Fatalf("the service manager was not told %q", want)
			}
		}
	}
	config := filepath.Join(dir, "config.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	write("proof_ttl: 60s\n")
	var out output
	server := exec.Command("openleash", "--config", config, "start", "--session-ttl", "3h", "--hosts", "a.example,b.example")
	server.Dir = dir
	server.Env = append(os.Environ(), "OPENLEASH_ADDR=127.0.0.1:"+port, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000")
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Process.Kill() }()
	await("READY=1")
	await("WATCHDOG=1")

	hangUp := func() string {
		t.Helper()
		if err := server.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if got := await("RELOADING=1"); !strings.Contains(got, "MONOTONIC_USEC=") {
			t.Errorf("a reload without its time: %q", got)
		}
		return await("READY=1")
	}
	write("proof_ttl: 30s\nsession_ttl: 1h\nmetrics_addr: 127.0.0.1:1\n")
	if got := hangUp(); !strings.Contains(got, "changed: proof_ttl.") || !strings.Contains(got, "need a restart: metrics_addr.") {
		t.Errorf("after a change: %q", got)
	}
	for _, broken := range []string{"proof_ttl: [\n", "proof_ttl: 2h\n", "prof_ttl: 3s\n"} {
		write(broken)
		if got := hangUp(); !strings.Contains(got, "cannot be used") {
			t.Errorf("after %q: %q", broken, got)
		}
	}
	if !strings.Contains(out.String(), "the one before stays active") {
		t.Errorf("the log does not say that the configuration is broken:\n%s", out.String())
	}
	write("proof_ttl: 30s\n")
	if got := hangUp(); !strings.Contains(got, "no setting changed") || strings.Contains(got, "restart") {
		t.Errorf("after taking a change back: %q", got)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("STOPPING=1")
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v\n%s", err, out.String())
	}
}

// TestBindErrors: in use, not allowed, and no such address are three messages with a way out each.
func TestBindErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for addr, want := range map[string]string{
		l.Addr().String():      "another program uses this address",
		"192.0.2.1:8787":       "this machine does not have the address",
		"nowhere.invalid:8787": "cannot be resolved",
	} {
		_, err := listen(t.Context(), "metrics_addr", addr)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", addr, err, want)
		}
		var way advised
		if !errors.As(err, &way) || !strings.Contains(way.advice, "--metrics-addr") {
			t.Errorf("%s: no way out: %v", addr, err)
		}
	}
}
