package compiler

import (
	"strings"

	"golang.org/x/net/idna"
	"gopkg.in/yaml.v3"
)

// DomainForm is the regular expression of a host name in ASCII form, as a request must give it.
const DomainForm = `^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`

// domains reads a list of host names, with *. for all below one, to be held against payload.member and
// relying_party.domain.
func (r *reader) domains(n *yaml.Node, noun, member string, blocked bool) Expr {
	d := Domains{Paths: []Path{{"payload", member}, {"relying_party", "domain"}}, Blocked: blocked, Pos: r.at(n)}
	r.condition(n, domainsParts)
	r.list(n, noun, true, func(n *yaml.Node) {
		r.count(n, valueParts)
		s, ok := r.text(n, noun)
		if !ok {
			return
		}
		name, wildcard := strings.CutPrefix(s, "*.")
		// Internationalised names compare in the form that DNS uses (UTS 46).
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil || ascii == "" || strings.ContainsAny(ascii, "*:/@ ") || strings.HasSuffix(ascii, ".") {
			r.errorf(n, "invalid_domain", "%q is no domain; write shop.example.com, or *.example.com for all below it", clipped(s))
			return
		}
		if ascii = strings.ToLower(ascii); wildcard {
			d.Suffixes = append(d.Suffixes, "."+ascii)
		} else {
			d.Exact = append(d.Exact, ascii)
		}
	})
	return d
}

// asWritten is a name as people write it, with the ASCII form beside it: two names may look the same.
func asWritten(ascii string) string {
	name, err := idna.Display.ToUnicode(ascii)
	if err != nil || name == ascii {
		return ascii
	}
	return name + " (" + ascii + ")"
}
