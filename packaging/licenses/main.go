// Command licenses checks the licences of all modules that the program links. It fails on a module without a
// licence text that it recognises, and on a licence that is not in the list of those that we accept.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// accepted are the SPDX ids of the licences that we accept: permissive ones, and the Mozilla Public License, whose
// conditions concern the files of the module alone.
var accepted = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "CC0-1.0", "Unlicense", "0BSD", "Zlib"}

// minCoverage is how much of a licence file must be the text of known licences, in percent.
const minCoverage = 75

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

type module struct{ Path, Version, Dir string }

// run prints a line for each module that the packages link, and returns what is wrong with their licences.
func run(ctx context.Context, w io.Writer, packages []string) error {
	modules, err := linked(ctx, packages)
	if err != nil {
		return err
	}
	if len(modules) == 0 {
		return errors.New("no modules to check; name a main package")
	}
	var errs []error
	for _, m := range modules {
		ids, err := licences(m.Dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", m.Path, m.Version, err))
			continue
		}
		fmt.Fprintf(w, "%-24s %s %s\n", strings.Join(ids, ", "), m.Path, m.Version)
		for _, id := range ids {
			if !slices.Contains(accepted, id) {
				errs = append(errs, fmt.Errorf("%s %s: the licence %s is not accepted", m.Path, m.Version, id))
			}
		}
	}
	return errors.Join(errs...)
}

// linked lists the modules of other people that the packages link.
func linked(ctx context.Context, packages []string) ([]module, error) {
	out, err := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-json=Module"}, packages...)...).Output() //nolint:gosec // G204: packages that CI names
	if err != nil {
		return nil, fmt.Errorf("listing the packages: %w", err)
	}
	var all []module
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				module
				Main bool
			}
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("listing the packages: %w", err)
		}
		if p.Module != nil && !p.Module.Main && !slices.Contains(all, p.Module.module) {
			all = append(all, p.Module.module)
		}
	}
}

// licences returns the SPDX ids of the licences in a module's folder.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		if !e.IsDir() && (strings.HasPrefix(name, "licen") || strings.HasPrefix(name, "copying")) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if files == nil {
		return nil, errors.New("there is no licence file")
	}
	var ids []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c := licensecheck.Scan(text)
		if c.Percent < minCoverage {
			return nil, fmt.Errorf("%s is not the text of a known licence", filepath.Base(file))
		}
		for _, m := range c.Match {
			if !slices.Contains(ids, m.ID) {
				ids = append(ids, m.ID)
			}
		}
	}
	return ids, nil
}
