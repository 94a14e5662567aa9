package server

import (
	"bytes"
	_ "embed"
	"html/template"
	"maps"
	"reflect"
	"slices"
	"strings"
)

//go:embed reference/page.html
var referenceHTML string

//go:embed reference/style.css
var referenceCSS []byte

// referenceCSP lets the reference page load its own style and nothing else.
const referenceCSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) referencePage(c *call) error {
	c.Response().Header().Set("Content-Security-Policy", referenceCSP)
	return blob(c, "text/html; charset=utf-8", s.docs.reference, "public, max-age=60")
}

func (s *Server) referenceStyle(c *call) error {
	return blob(c, "text/css; charset=utf-8", referenceCSS, "public, max-age=3600")
}

// What the page shows.
type (
	pageGroup struct {
		Name, Anchor string
		Routes       []pageRoute
	}
	pageRoute struct {
		ID, Method, Path, Summary, Doc, Who string
		Query, Body, Answer                 *pageTable
	}
	pageTable struct {
		Caption string
		Fields  []pageField
	}
	pageField struct{ Name, Kind, Type, Note string }
)

func renderReference(routes []route, all *schemas, cfg Config) ([]byte, error) {
	page, err := template.New("page").Parse(referenceHTML)
	if err != nil {
		return nil, err
	}
	var groups []pageGroup
	for _, r := range routes {
		if len(groups) == 0 || groups[len(groups)-1].Name != r.group {
			anchor := strings.ToLower(strings.NewReplacer(" ", "-", ":", "").Replace(r.group))
			groups = append(groups, pageGroup{Name: r.group, Anchor: anchor})
		}
		g := &groups[len(groups)-1]
		g.Routes = append(g.Routes, describeRoute(r, all))
	}
	var types []*pageTable
	for _, name := range slices.Sorted(maps.Keys(all.named)) {
		types = append(types, all.table(name, name, nil))
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{"Version": cfg.Version, "Groups": groups, "Types": types})
	return out.Bytes(), err
}

func describeRoute(r route, all *schemas) pageRoute {
	p := pageRoute{ID: operationID(r), Method: r.method, Path: templated(r.path), Summary: r.summary, Doc: r.doc, Who: map[access]string{
		forAnyone: "For anyone.", forAgent: "For agents: signed.", forOwner: "For owners: session token as Bearer, or the portal's cookie.",
		forAdmin: "For the admin: on the Unix socket, or with the admin token as Bearer."}[r.access]}
	if len(r.query) > 0 {
		p.Query = &pageTable{Caption: "Query"}
		for _, q := range r.query {
			p.Query.Fields = append(p.Query.Fields, pageField{Name: q.name, Kind: q.kind, Note: q.doc})
		}
	}
	if r.in != nil && r.in.NumField() > 0 {
		p.Body = all.table("Body", nameOf(r.in), r.required)
	}
	switch {
	case r.out == nil:
		p.Answer = &pageTable{Caption: "Answer: " + r.media}
	case r.out.Kind() == reflect.Pointer:
		p.Answer = all.table("Answer", nameOf(r.out.Elem()), nil)
	case r.out.Kind() == reflect.Struct || r.out.Name() == "PublicKeys":
		p.Answer = all.table("Answer", nameOf(r.out), nil)
	}
	return p
}

// table lists the members of a named schema.
func (s *schemas) table(caption, name string, required []string) *pageTable {
	t := &pageTable{Caption: caption}
	object := s.named[name]
	properties, _ := object["properties"].(map[string]schema)
	always, _ := object["required"].([]string)
	for _, member := range slices.Sorted(maps.Keys(properties)) {
		f := pageField{Name: member}
		f.Kind, f.Type = kindOf(properties[member])
		switch {
		case slices.Contains(required, member):
			f.Note = "required"
		case len(always) > 0 && !slices.Contains(always, member):
			f.Note = "if there is one"
		}
		if values, ok := properties[member]["enum"].([]string); ok {
			f.Note = strings.Join(values, ", ")
		}
		t.Fields = append(t.Fields, f)
	}
	return t
}

// kindOf says in words what a schema allows, and which named type it is made of.
func kindOf(p schema) (kind, named string) {
	if ref, ok := p["$ref"].(string); ok {
		named = strings.TrimPrefix(ref, "#/components/schemas/")
		return named, named
	}
	if either, ok := p["anyOf"].([]schema); ok {
		kind, named = kindOf(either[0])
		return kind + " or null", named
	}
	switch p["type"] {
	case "array":
		kind, named = kindOf(p["items"].(schema))
		return "list of " + kind, named
	case "object":
		return "object", ""
	case nil:
		return "any", ""
	}
	if p["format"] == "date-time" {
		return "time", ""
	}
	return p["type"].(string), ""
}
