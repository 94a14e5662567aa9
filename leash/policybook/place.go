package policybook

import (
	"path"
	"strings"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// IsRego tells the two languages apart: a YAML policy cannot begin with a package clause.
func IsRego(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			return strings.HasPrefix(line, "package ")
		}
	}
	return false
}

// Place returns the file in which an owner's policy text belongs, and its id: the file of the active policy with
// that id, or a new one. id is the id that the text must have; empty is any, and newID makes one if the text has
// none. It returns an [InvalidError], or a [ConflictError] if another file is in the way.
func (b *Book) Place(owner, id string, text []byte, newID func() string) (file, policyID string, err error) {
	ext := ".yaml"
	if IsRego(string(text)) {
		ext = ".rego"
	}
	const nameless = "policy"
	policyID, ds := idOf(b.cfg.Set, rego.File{Path: strings.Trim(id, "/") + ext, Text: text})
	if id == "" {
		policyID, ds = idOf(b.cfg.Set, rego.File{Path: nameless + ext, Text: text})
	}
	switch {
	case ds.Err() != nil:
		return "", "", &InvalidError{ds}
	case id == "" && policyID == nameless:
		policyID = newID()
	case id != "" && policyID != id:
		return "", "", &InvalidError{compiler.Diagnostics{atTop(id+ext, "wrong_id", "the text has the id \""+policyID+"\", not \""+id+"\"")}}
	}
	if old := b.Engine(owner).Policy(policyID); old != nil {
		if old.Raw != (ext == ".rego") {
			return "", "", &ConflictError{Path: old.File, Text: string(old.Text), Reason: "it contains a policy with this id in another language; delete that first"}
		}
		return old.File, policyID, nil
	}
	file = policyID + ext
	p := b.pages.Load()
	if len(p.owners) > 1 {
		file = path.Join(owner, file)
	}
	if p.files[file] != nil {
		text, _ := b.Text(file) // the conflict is the same without it
		return "", "", &ConflictError{Path: file, Text: text, Reason: "it contains another policy, or one that does not compile; fix it first"}
	}
	return file, policyID, nil
}

// idOf is the id of a policy text in a file.
func idOf(set *rego.Set, f rego.File) (string, compiler.Diagnostics) {
	if path.Ext(f.Path) != ".rego" {
		p, ds := compiler.Parse(f.Path, f.Text)
		if p == nil {
			return "", ds
		}
		return p.ID, nil
	}
	p, ds := set.Try(f)
	if p == nil {
		return "", ds
	}
	return p.ID, nil
}
