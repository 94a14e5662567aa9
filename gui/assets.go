package gui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// The scripts and fonts of others stand beside ours, each with its licence in assets/licences:
// htmx 2 (Zero-Clause BSD), CodeMirror 6 (MIT, bundled by editor/build.sh), Inter and JetBrains Mono
// (SIL OFL 1.1), icons of Lucide (ISC).
//
//go:embed assets
var assetFiles embed.FS

//go:embed templates
var templateFiles embed.FS

// asset is one file, also compressed.
type asset struct {
	mime         string
	plain, small []byte // small is gzip; nil if that saves nothing
}

// assets are the files that pages load. Their addresses hold a hash over all of them, so that browsers
// may keep them for ever.
type assets struct {
	version string
	files   map[string]asset
}

// newAssets reads the embedded files; they are part of the program, so an error is a fault of its build.
func newAssets() *assets {
	a := &assets{files: map[string]asset{}}
	sum := sha256.New()
	entries, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		panic("reading the embedded assets: " + err.Error())
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic("reading the embedded assets: " + err.Error())
		}
		sum.Write(data)
		a.files[e.Name()] = asset{mime: typeOf(e.Name()), plain: data, small: compress(data)}
	}
	a.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return a
}

func typeOf(name string) string {
	if strings.HasSuffix(name, ".woff2") {
		return "font/woff2"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = w.Write(data) // a bytes.Buffer takes everything
	_ = w.Close()
	if b.Len() > len(data)*9/10 {
		return nil
	}
	return b.Bytes()
}

// url is where a page finds an asset.
func (a *assets) url(name string) string { return "/gui/assets/" + a.version + "/" + name }

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("Vary", "Accept-Encoding")
	if r.PathValue("version") == a.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := f.plain
	if f.small != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.small
	}
	_, _ = w.Write(body) // the client may be gone
}
