package compiler

import (
	"regexp"
	"strings"
)

var actionPattern = regexp.MustCompile(`^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$`)

// maxAction bounds an action type and a pattern, in bytes.
const maxAction = 128

// FoldAction returns an action type or a pattern as it is compared: in lower case, so that another spelling of an
// action is not another action.
func FoldAction(s string) string { return strings.ToLower(s) }

// ActionPatterns returns every pattern that matches an action type: the name itself, name.* for it and
// each name above it, and *. Policies look a pattern up in this list, so that OPA can index rules.
func ActionPatterns(actionType string) []string {
	actionType = FoldAction(actionType)
	out := make([]string, 0, 3+strings.Count(actionType, "."))
	out = append(out, actionType)
	for name := actionType; ; {
		out = append(out, name+".*")
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return append(out, "*")
		}
		name = name[:i]
	}
}

// MatchesAction says whether a pattern matches an action type: an exact name, name.* for the name
// itself and everything under it, or * for all.
func MatchesAction(pattern, actionType string) bool {
	pattern, actionType = FoldAction(pattern), FoldAction(actionType)
	if pattern == "*" || pattern == actionType {
		return true
	}
	prefix, ok := strings.CutSuffix(pattern, ".*")
	return ok && (actionType == prefix || strings.HasPrefix(actionType, prefix+"."))
}
