package gui

import (
	"html/template"
	"regexp"
	"strings"
)

// tokens are what the colouring of a text knows, the first that fits: comments, texts, keys, words and
// numbers. It is for reading; nothing depends on it.
var (
	yamlTokens = regexp.MustCompile(`(#[^\n]*)|("(?:[^"\\]|\\.)*"|'[^']*')|([A-Za-z_][\w-]*)(:)(?:\s|$)|\b(true|false|null|-?\d[\d_.]*)\b`)
	regoTokens = regexp.MustCompile("(#[^\n]*)|(\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)|()()\\b(package|import|as|default|else|if|in|contains|some|every|not|with|true|false|null|\\d[\\d.]*)\\b")
)

// highlight colours a policy for reading, one span a token. Every piece of the text is escaped.
func highlight(language, text string) template.HTML {
	tokens := yamlTokens
	if language == "rego" {
		tokens = regoTokens
	}
	var b strings.Builder
	for line := range strings.Lines(inert(text)) {
		at := 0
		for _, m := range tokens.FindAllStringSubmatchIndex(line, -1) {
			class, from, to := tokenOf(line, m)
			if from < at || class == "" {
				continue
			}
			template.HTMLEscape(&b, []byte(line[at:from]))
			b.WriteString(`<span class="` + class + `">`)
			template.HTMLEscape(&b, []byte(line[from:to]))
			b.WriteString(`</span>`)
			at = to
		}
		template.HTMLEscape(&b, []byte(line[at:]))
	}
	return template.HTML(b.String()) //nolint:gosec // G203: every piece went through HTMLEscape
}

// tokenOf says what a match is. A # within a word begins no comment.
func tokenOf(line string, m []int) (class string, from, to int) {
	switch {
	case m[2] >= 0:
		if m[2] > 0 && line[m[2]-1] != ' ' && line[m[2]-1] != '\t' {
			return "", 0, 0
		}
		return "c-note", m[2], m[3]
	case m[4] >= 0:
		return "c-text", m[4], m[5]
	case m[6] >= 0 && m[7] > m[6]:
		return "c-key", m[6], m[7]
	case m[10] >= 0:
		return "c-word", m[10], m[11]
	}
	return "", 0, 0
}
