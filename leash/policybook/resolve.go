package policybook

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// outcome is what follows for one file from all of them.
type outcome struct {
	active   *rego.Policy
	owner    string
	problems compiler.Diagnostics
}

// claim is an id of an owner, which only one file can have.
type claim struct{ owner, id string }

// steady reports whether nothing about a file is to be decided: its text is active, and everything is recorded.
func (f *file) steady(owners []string) bool {
	return f.active != nil && f.active == f.policy && f.good == f.policy && len(f.problems) == len(f.found) &&
		f.record.OwnerID == f.owner && f.record.PolicyID == f.policy.ID && f.record.Refused == "" && f.record.Mounted == f.mounted &&
		slices.Contains(owners, f.owner) && (f.policy.Owner != "" || len(owners) == 1)
}

// resolve decides which version of each file is active, and returns the outcomes of the files that are not steady.
// A file that cannot be used falls back to its last good version, and that keeps its id against any newcomer. Among
// files with the same id, the one that had it stays; otherwise the one with the shortest name, because the copies
// that sync programs make have longer ones.
func resolve(files map[string]*file, owners []string) map[string]outcome {
	out := map[string]outcome{}
	var usable, newcomers, fallen []*file
	for _, f := range files {
		if f.steady(owners) {
			continue
		}
		owner, ds := ownerOf(f, owners)
		out[f.path] = outcome{owner: owner, problems: append(slices.Clip(f.found), ds...)}
		switch r := &f.record; {
		case f.policy == nil || ds != nil:
			fallen = append(fallen, f)
		case r.Sum != "" && r.PolicyID == f.policy.ID && r.OwnerID == owner:
			usable = append(usable, f)
		default:
			newcomers = append(newcomers, f)
		}
	}
	slices.SortFunc(newcomers, func(a, b *file) int {
		return cmp.Or(cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.path, b.path))
	})
	usable = append(usable, newcomers...)
	steady := steadyClaims(files, out)
	for {
		taken := maps.Clone(steady)
		for _, f := range fallen {
			if f.good == nil {
				continue
			}
			o := out[f.path]
			o.active, o.owner = f.good, f.record.OwnerID
			out[f.path] = o
			taken[claim{o.owner, f.good.ID}] = f
		}
		var rest, fell []*file
		for _, f := range usable {
			o := out[f.path]
			key := claim{o.owner, f.policy.ID}
			if other := taken[key]; other != nil {
				o.active, o.problems = nil, append(o.problems, rego.Duplicate(f.policy, other.path))
				out[f.path], fell = o, append(fell, f)
				continue
			}
			taken[key] = f
			o.active = f.policy
			out[f.path], rest = o, append(rest, f)
		}
		if len(fell) == 0 {
			return out
		}
		// The last good version of one that fell back may need an id that was given away: decide again.
		usable, fallen = rest, append(fallen, fell...)
	}
}

// steadyClaims are the ids of steady files that others want.
func steadyClaims(files map[string]*file, out map[string]outcome) map[claim]*file {
	wanted := map[claim]bool{}
	for path, o := range out {
		if p := files[path].policy; p != nil {
			wanted[claim{o.owner, p.ID}] = true
		}
	}
	taken := map[claim]*file{}
	if len(wanted) == 0 {
		return taken
	}
	for path, f := range files {
		if _, decided := out[path]; !decided && wanted[claim{f.owner, f.active.ID}] {
			taken[claim{f.owner, f.active.ID}] = f
		}
	}
	return taken
}

// ownerOf says whose a file is: the owner that it names, or the only one. A file that cannot be used belongs
// to the owner it had, or else to the one that it seems to name.
func ownerOf(f *file, owners []string) (string, compiler.Diagnostics) {
	only := ""
	if len(owners) == 1 {
		only = owners[0]
	}
	if f.policy == nil {
		for _, owner := range append([]string{f.record.OwnerID}, append(slices.Clip(f.named), only)...) {
			if slices.Contains(owners, owner) {
				return owner, nil
			}
		}
		return f.record.OwnerID, nil
	}
	switch owner := cmp.Or(f.policy.Owner, only); {
	case slices.Contains(owners, owner):
		return owner, nil
	case len(owners) == 0:
		waiting := atTop(f.path, "missing_owner", "there is no owner yet")
		waiting.Severity = compiler.Warning // it becomes active with the first one
		return f.record.OwnerID, compiler.Diagnostics{waiting}
	case owner == "":
		return f.record.OwnerID, compiler.Diagnostics{atTop(f.path, "missing_owner",
			fmt.Sprintf("there are %d owners; the policy must name its owner", len(owners)))}
	default:
		return f.record.OwnerID, compiler.Diagnostics{rego.UnknownOwner(f.policy)}
	}
}

var ownerKey = regexp.MustCompile(`\bowner["']?[ \t]*:[ \t]*["']?([A-Za-z0-9_-]{1,64})`)

// namedOwners are the words that a text which is not a policy gives as its owner.
func namedOwners(text []byte) []string {
	var out []string
	for _, m := range ownerKey.FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	return out
}
