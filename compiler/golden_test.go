package compiler_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the golden files should hold")

// golden runs every testdata/dir/*.txtar: make is given the archive's files by name and returns what they
// lead to, which must be what the archive holds under the same names. With -update it is written there.
func golden(t *testing.T, dir string, make func(t *testing.T, in map[string]string) []txtar.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files in %s: %v", dir, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]string{}
			for _, f := range archive.Files {
				in[f.Name] = string(f.Data)
			}
			got := make(t, in)
			if !*update {
				compareFiles(t, in, got)
				return
			}
			for _, f := range got {
				set(archive, f)
			}
			if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func compareFiles(t *testing.T, want map[string]string, got []txtar.File) {
	t.Helper()
	for _, f := range got {
		if want[f.Name] != string(f.Data) {
			t.Errorf("%s is\n%s\nwant\n%s\n(if that is right, run go test ./compiler -update)", f.Name, f.Data, want[f.Name])
		}
	}
}

func set(a *txtar.Archive, f txtar.File) {
	for i := range a.Files {
		if a.Files[i].Name == f.Name {
			a.Files[i].Data = f.Data
			return
		}
	}
	a.Files = append(a.Files, f)
}

// text is a file of an archive, which always ends with a line.
func text(name string, data []byte) txtar.File {
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		data = append(data, '\n')
	}
	return txtar.File{Name: name, Data: data}
}
