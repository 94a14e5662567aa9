package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/openleash/openleash-go/rego"
)

// readPolicy reads a policy file that somebody named, wherever it is.
func readPolicy(name string) (rego.File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return rego.File{}, fmt.Errorf("reading a policy: %w", err)
	}
	if !rego.CanBePolicy(filepath.ToSlash(name)) {
		return rego.File{}, misuse("%s is not a policy: its name must end in .yaml, .yml, .json or .rego, and not in _test", name)
	}
	return rego.File{Path: name, Text: text}, nil
}

// readPolicies reads policy files, and those in folders, each once. A folder without any is an error, so that a
// command never succeeds without having looked at something.
func readPolicies(names []string) ([]rego.File, error) {
	var files []rego.File
	add := func(name string) error {
		if slices.ContainsFunc(files, func(f rego.File) bool { return f.Path == name }) {
			return nil
		}
		f, err := readPolicy(name)
		files = append(files, f)
		return err
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("reading a policy: %w", err)
		}
		if !info.IsDir() {
			if err := add(name); err != nil {
				return nil, err
			}
			continue
		}
		found, err := policiesIn(name)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, misuse("there are no policies in %s", name)
		}
		for _, file := range found {
			if err := add(file); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// policiesIn lists the policy files in a folder and the folders below it. Links to files are followed, as in the
// policies folder of a server.
func policiesIn(dir string) ([]string, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for policies: %w", err)
	}
	var out []string
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch name := rego.NameOf(filepath.ToSlash(rel)); {
		case e.IsDir() && name == rego.QuietName:
			return fs.SkipDir
		case !e.IsDir() && name == rego.PolicyName:
			out = append(out, filepath.Join(dir, rel))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for policies: %w", err)
	}
	return out, nil
}
