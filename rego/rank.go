package rego

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"github.com/openleash/openleash-go/compiler"
)

// WithRank returns the policy's text with another rank: in the header of YAML, in the METADATA of Rego.
// All other bytes stay. It is an error if the METADATA is written in a form in which that cannot be done.
func (p *Policy) WithRank(rank int) ([]byte, error) {
	if !p.Raw {
		return compiler.SetHeader(p.Text, map[string]any{"rank": rank})
	}
	module, err := parseRego(p.File, p.Text)
	if err != nil {
		return nil, err
	}
	want := p.Header
	want.Rank = rank
	for _, text := range ranked(p.Text, module.Package.Location.Offset, rank) {
		// What looks like a rank may stand in a description: the new text has to say so itself.
		if now, ds := compileRego(File{p.File, text}); ds.Err() == nil && reflect.DeepEqual(now.Header, want) {
			return text, nil
		}
	}
	return nil, errors.New("its METADATA is written in a form of its own; write the rank there")
}

// places are where a rank may go and what is put there, the best first: in the place of the old one, else
// first in what is custom, else in METADATA of its own.
var places = []struct {
	at  *regexp.Regexp
	put string
}{
	{regexp.MustCompile(`(?m)^(#[ \t]+rank:[ \t]*)\d+`), "${1}%d"},
	{regexp.MustCompile(`(?m)^# custom:[ \t]*(\r?\n)(#[ \t]+)`), "# custom:${1}${2}rank: %d${1}${2}"},
	{regexp.MustCompile(`(?m)^# METADATA[ \t]*(\r?\n)`), "# METADATA${1}# custom:${1}#   rank: %d${1}"},
	{regexp.MustCompile(`\z`), "# METADATA\n# custom:\n#   rank: %d\n"},
}

// maxPlaces bounds how many places of one kind are tried.
const maxPlaces = 4

// ranked are texts in which the comments before the package clause may say the rank.
func ranked(text []byte, clause, rank int) [][]byte {
	var out [][]byte
	for _, place := range places {
		put := fmt.Appendf(nil, place.put, rank)
		for _, m := range place.at.FindAllSubmatchIndex(text[:clause], maxPlaces) {
			edited := place.at.Expand(slices.Clone(text[:m[0]]), put, text, m)
			out = append(out, append(edited, text[m[1]:]...))
		}
	}
	return out
}
