package policybook

import (
	"cmp"
	"fmt"
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

// resolve decides which version of each file is active. A file that cannot be used falls back to its last
// good version, and that keeps its id against any newcomer. Among files with the same id, the one that had
// it stays; otherwise the one with the shortest name, because the copies that sync programs make have
// longer ones.
func resolve(files map[string]*file, owners []string) map[string]outcome {
	out := make(map[string]outcome, len(files))
	taken := make(map[claim]*file, len(files))
	var usable, fallen []*file
	for _, f := range files {
		owner, ds := ownerOf(f, owners)
		out[f.path] = outcome{owner: owner, problems: append(slices.Clip(f.found), ds...)}
		if f.policy == nil || ds != nil {
			fallen = append(fallen, f)
			continue
		}
		usable = append(usable, f)
	}
	slices.SortFunc(usable, func(a, b *file) int {
		return cmp.Or(cmp.Compare(newcomer(a, out), newcomer(b, out)), cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.path, b.path))
	})
	for {
		clear(taken)
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
				o.problems = append(o.problems, rego.Duplicate(f.policy, other.path))
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

// newcomer is 0 for a file whose id is active from that file, and 1 for others.
func newcomer(f *file, out map[string]outcome) int {
	if f.record.Sum != "" && f.record.PolicyID == f.policy.ID && f.record.OwnerID == out[f.path].owner {
		return 0
	}
	return 1
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
