package gui

import (
	"html"
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

func TestHighlight(t *testing.T) {
	got := string(highlight("yaml", "id: a # <b>\nurl: \"x#y\" # end\n"))
	want := "<span class=\"c-key\">id</span>: a <span class=\"c-note\"># &lt;b&gt;</span>\n" +
		"<span class=\"c-key\">url</span>: <span class=\"c-text\">&#34;x#y&#34;</span> <span class=\"c-note\"># end</span>\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever a policy holds, its colours add nothing but our own spans, and take nothing away.
func TestHighlightKeepsTheText(t *testing.T) {
	span := regexp.MustCompile(`</?span(?: class="c-(?:note|text|key|word)")?>`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z<>&"'#:\\ \n0-9`+"`"+`-]{0,80}`).Draw(t, "text")
		for _, language := range []string{"yaml", "rego"} {
			if back := html.UnescapeString(span.ReplaceAllString(string(highlight(language, text)), "")); back != inert(text) {
				t.Fatalf("%q became %q", text, back)
			}
		}
	})
}
