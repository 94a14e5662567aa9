// Package docs holds what users read, so that the program can show it offline: `openleash docs`, and
// the portal.
//
// It owns the pages, their look and the figures in them. It promises that they are served without any
// outside host and without scripts, and that links between pages work both here and in a repository
// browser.
//
// # Why
//
// The pages are plain Markdown with relative links to `page.md`, because most people read them in the
// repository. The handler therefore serves a page under that very name.
package docs

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
)

// Files are the pages (*.md), the figures in them (*.svg), and what operators take from here (files/).
//
//go:embed *.md *.svg style.css page.html files images
var Files embed.FS

// Order is the order in which one reads the pages.
var Order = []string{"getting-started", "policy-language", "raw-rego", "testing", "budgets", "protocol", "sdks", "cli",
	"operations", "security", "migration", "comparison"}

// Title is the heading of a page.
func Title(page string) string {
	text, err := Files.ReadFile(page + ".md")
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimPrefix(line, "# ")
}

var markdown = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
})

// Handler serves the pages. Mounted elsewhere than at the root, it wants http.StripPrefix: its links
// are relative.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { page(w, Order[0]) })
	mux.HandleFunc("GET /{file}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		switch path.Ext(name) {
		case ".css", ".svg":
			headers(w)
			http.ServeFileFS(w, r, Files, name)
		default:
			page(w, strings.TrimSuffix(name, ".md"))
		}
	})
	mux.HandleFunc("GET /files/{file}", func(w http.ResponseWriter, r *http.Request) {
		headers(w)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.ServeFileFS(w, r, Files, "files/"+r.PathValue("file"))
	})
	return mux
}

func headers(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// entry is one page in the list of pages.
type entry struct {
	Page, Title string
	Here        bool
}

var frame = template.Must(template.ParseFS(Files, "page.html"))

func page(w http.ResponseWriter, name string) {
	headers(w)
	html, err := Render(name)
	if err != nil {
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	var list []entry
	for _, p := range Order {
		if title := Title(p); title != "" {
			list = append(list, entry{p, title, p == name})
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = frame.Execute(w, map[string]any{"Title": Title(name), "Pages": list, "Body": html}) // the reader is gone
}

// Render is a page as HTML, without the frame around it.
func Render(page string) (template.HTML, error) {
	if strings.ContainsAny(page, "/\\") {
		return "", fs.ErrNotExist
	}
	text, err := Files.ReadFile(page + ".md")
	if err != nil {
		return "", fmt.Errorf("reading a page: %w", err)
	}
	var out bytes.Buffer
	if err := markdown().Convert(text, &out); err != nil {
		return "", fmt.Errorf("rendering a page: %w", err)
	}
	return template.HTML(out.String()), nil //nolint:gosec // G203: our own pages
}
