//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestImage builds the root of the container image from the Dockerfile's own recipe in a folder, and
// runs it there as the image would be run: nothing but that root, as its user, with its environment
// and its health check. That needs root, and no Docker engine.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("CI runs this as root")
		}
		t.Skip("only root can chroot")
	}
	image := readDockerfile(t, "../../Dockerfile")
	root := image.build(t)
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	server := image.in(t, root, append(image.entrypoint, image.cmd...))
	server.Env = append(server.Env, "OPENLEASH_ADDR=127.0.0.1:"+port)
	var out bytes.Buffer
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() { _ = server.Process.Kill() })
	awaitReady(t, "http://127.0.0.1:"+port+"/readyz", ended, &out)

	if text, err := image.in(t, root, image.healthcheck).CombinedOutput(); err != nil || !strings.HasPrefix(string(text), "ok") {
		t.Errorf("the health check says %q, %v", text, err)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it stops with %v:\n%s", err, out.String())
	}
	if text, err := image.in(t, root, image.healthcheck).CombinedOutput(); err == nil {
		t.Errorf("the health check of a stopped server says %q", text)
	}
	info, err := os.Stat(filepath.Join(root, "data", "state.yaml"))
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != image.uid {
		t.Errorf("the state is not in the volume, or not the user's: %v", err)
	}
}

// dockerfile is what one can run of a Dockerfile without Docker.
type dockerfile struct {
	recipe          []string // the commands that make the root
	env             []string
	uid             int
	entrypoint, cmd []string
	healthcheck     []string
}

// readDockerfile reads the recipe of the build stage and the last stage.
func readDockerfile(t *testing.T, name string) *dockerfile {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := &dockerfile{}
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "RUN":
			if strings.Contains(rest, "/root-fs/") {
				d.recipe = append(d.recipe, rest)
			}
		case "ENV":
			d.env = append(d.env, strings.Fields(rest)...)
		case "USER":
			uid, _, _ := strings.Cut(rest, ":")
			if d.uid, err = strconv.Atoi(uid); err != nil || d.uid == 0 {
				t.Fatalf("USER %s: want a number that is not root's", rest)
			}
		case "ENTRYPOINT":
			d.entrypoint = words(rest)
		case "CMD":
			d.cmd = words(rest)
		case "HEALTHCHECK":
			_, rest, _ = strings.Cut(rest, "CMD ")
			d.healthcheck = words(rest)
		}
	}
	if len(d.recipe) == 0 || d.uid == 0 || len(d.entrypoint) == 0 || len(d.healthcheck) == 0 {
		t.Fatalf("not all of the recipe was understood: %+v", d)
	}
	return d
}

// words reads the exec form, ["a", "b"].
func words(list string) []string {
	return strings.Split(strings.NewReplacer(`"`, "", ", ", "\n", "[", "", "]", "").Replace(list), "\n")
}

// build makes the root in a folder that the image's user may enter.
func (d *dockerfile) build(t *testing.T) string {
	root, err := os.MkdirTemp("", "openleash-image-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range d.recipe {
		cmd := exec.Command("sh", "-ec", strings.ReplaceAll(step, "/root-fs", root))
		cmd.Dir = repository(t)
		cmd.Env = append(os.Environ(), "VERSION=test")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("RUN %s: %v\n%s", step, err, text)
		}
	}
	return root
}

// in is a command inside the image.
func (d *dockerfile) in(t *testing.T, root string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Path, cmd.Err = args[0], nil // in the root, not here
	cmd.Dir = "/"
	cmd.Env = d.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(d.uid), Gid: uint32(d.uid)}}
	return cmd
}
