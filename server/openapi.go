package server

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// documents are what the server says about itself, made once.
type documents struct {
	openAPI   jsontext.Value
	reference []byte
}

// describe makes the OpenAPI document and the reference page of a table of routes.
func describe(routes []route, cfg Config) (documents, error) {
	all := newSchemas()
	paths := map[string]map[string]any{}
	for _, r := range routes {
		op, err := operation(r, all)
		if err != nil {
			return documents{}, fmt.Errorf("%s %s: %w", r.method, r.path, err)
		}
		path := templated(r.path)
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(r.method)] = op
	}
	if _, err := all.of(reflect.TypeFor[ErrorBody]()); err != nil {
		return documents{}, err
	}
	doc := map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{"title": "OpenLeash", "version": cfg.Version,
			"description": "Authorization and proof for AI agents. Times are RFC 3339 in UTC with milliseconds; amounts are minor units.",
			"license":     map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"paths":      paths,
		"components": map[string]any{"schemas": all.named, "securitySchemes": securitySchemes},
	}
	if cfg.PublicURL != "" {
		doc["servers"] = []any{map[string]any{"url": cfg.PublicURL}}
	}
	text, err := json.Marshal(doc, json.Deterministic(true))
	if err != nil {
		return documents{}, err
	}
	page, err := renderReference(routes, all, cfg)
	return documents{text, page}, err
}

var securitySchemes = map[string]any{
	"agentSignature": map[string]any{"type": "apiKey", "in": "header", "name": "X-Signature",
		"description": "Base64 of an Ed25519 signature over METHOD\\nPATH\\nTIMESTAMP\\nNONCE\\nBODY_SHA256, with the headers X-Agent-Id, X-Timestamp (RFC 3339, ±120 s), X-Nonce (used once) and X-Body-Sha256 (hex)."},
	"session":       map[string]any{"type": "http", "scheme": "bearer", "description": "The token of POST /v1/owner/login."},
	"sessionCookie": map[string]any{"type": "apiKey", "in": "cookie", "name": SessionCookie, "description": "The same token in the portal's cookie, from the server's own pages only."},
	"admin":         map[string]any{"type": "http", "scheme": "bearer", "description": "The configured admin token. On the Unix socket no credential is needed."},
}

// security is what a route asks for, as the document says it.
func (a access) security() []any {
	scheme := func(name string) map[string]any { return map[string]any{name: []string{}} }
	switch a {
	case forAnyone:
	case forAgent:
		return []any{scheme("agentSignature")}
	case forOwner:
		return []any{scheme("session"), scheme("sessionCookie"), scheme("admin")}
	case forAdmin:
		return []any{scheme("admin")}
	}
	return []any{}
}

func operation(r route, all *schemas) (map[string]any, error) {
	op := map[string]any{"operationId": operationID(r), "tags": []string{r.group}, "summary": r.summary, "security": r.access.security()}
	if r.doc != "" {
		op["description"] = r.doc
	}
	if params := parameters(r); len(params) > 0 {
		op["parameters"] = params
	}
	if r.in != nil {
		body, err := all.ofBody(r.in, r.required)
		if err != nil {
			return nil, err
		}
		op["requestBody"] = map[string]any{"required": len(r.required) > 0, "content": jsonContent(body)}
	}
	answer := map[string]any{"description": r.summary}
	if r.out != nil {
		out, err := all.of(r.out)
		if err != nil {
			return nil, err
		}
		answer["content"] = jsonContent(out)
	} else {
		media, _, _ := strings.Cut(r.media, ";")
		answer["content"] = map[string]any{media: map[string]any{"schema": schema{"type": "string"}}}
	}
	op["responses"] = map[string]any{"200": answer, "default": map[string]any{
		"description": "What went wrong, with the status that fits.",
		"content":     jsonContent(schema{"$ref": "#/components/schemas/ErrorBody"})}}
	return op, nil
}

func jsonContent(s schema) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": s}}
}

func parameters(r route) []any {
	var out []any
	for part := range strings.SplitSeq(r.path, "/") {
		if name, isParam := strings.CutPrefix(part, ":"); isParam {
			out = append(out, map[string]any{"name": name, "in": "path", "required": true, "schema": schema{"type": "string"}})
		}
	}
	for _, p := range r.query {
		out = append(out, map[string]any{"name": p.name, "in": "query", "description": p.doc, "schema": schema{"type": p.kind}})
	}
	if r.access == forOwner || r.access == forAdmin {
		out = append(out, map[string]any{"name": headerOwner, "in": "header", "schema": schema{"type": "string"},
			"description": "for the admin: the owner to act for, by default the only one"})
	}
	return out
}

// templated turns echo's form of a path into OpenAPI's.
func templated(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if name, isParam := strings.CutPrefix(p, ":"); isParam {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

// operationID is method and path as one word: getV1OwnerAgentsId.
func operationID(r route) string {
	words := strings.FieldsFunc(r.path, func(c rune) bool { return strings.ContainsRune("/:-._", c) })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.ToLower(r.method) + strings.Join(words, "")
}

func (s *Server) openAPI(c *call) (jsontext.Value, error) {
	c.Response().Header().Set("Cache-Control", "public, max-age=60")
	return s.docs.openAPI, nil
}
