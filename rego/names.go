package rego

import (
	"path"
	"slices"
	"strings"
)

// Name says what the name of a file in a policies folder makes of it.
type Name int

// The kinds of names.
const (
	// IgnoredName is a name that somebody may have meant as a policy; reports mention it.
	IgnoredName Name = iota
	// PolicyName is the name of a policy.
	PolicyName
	// QuietName is hidden, a test, or an editor's backup; nobody expects it to be a policy.
	QuietName
)

// NameOf classifies a path with forward slashes, relative to the policies folder. A policy ends in .yaml,
// .yml, .json or .rego, in upper or lower case. A file is hidden if its name, or that of a folder it is
// in, begins with a dot.
func NameOf(p string) Name {
	for part := range strings.SplitSeq(p, "/") {
		if strings.HasPrefix(part, ".") {
			return QuietName
		}
	}
	base := path.Base(p)
	if strings.HasSuffix(base, "~") || strings.HasPrefix(base, "#") && strings.HasSuffix(base, "#") {
		return QuietName
	}
	ext := path.Ext(base)
	if !slices.Contains([]string{".yaml", ".yml", ".json", ".rego"}, strings.ToLower(ext)) {
		return IgnoredName
	}
	if strings.HasSuffix(strings.ToLower(strings.TrimSuffix(base, ext)), "_test") {
		return QuietName
	}
	return PolicyName
}

// ShouldIgnore reports whether a name is not that of a policy.
func ShouldIgnore(p string) bool { return NameOf(p) != PolicyName }

// CanBePolicy reports whether a file that somebody names can be a policy: it ends as one does and is not a test.
// Where it is, and whether it is hidden, does not matter.
func CanBePolicy(p string) bool {
	return NameOf(strings.TrimLeft(path.Base(p), ".")) == PolicyName
}
