package compiler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// reader walks the nodes of one file and collects what is wrong with them.
type reader struct {
	file  string
	ds    Diagnostics
	parts int // of the policy so far
	asked int // conditions of the rule so far
}

// count takes parts from what a policy may have, and says so where they run out.
func (r *reader) count(n *yaml.Node, parts int) {
	before := r.parts
	if r.parts += parts; before <= MaxParts && r.parts > MaxParts {
		r.errorf(n, "too_many_parts", "a policy has at most %d action patterns, conditions and values; split it", MaxParts)
	}
}

// condition counts a condition or constraint of the rule at hand.
func (r *reader) condition(n *yaml.Node, parts int) {
	if r.asked++; r.asked == MaxConditions+1 {
		r.errorf(n, "too_many_conditions", "a rule has at most %d conditions; put values of one field into a list with in, or split the rule", MaxConditions)
	}
	r.count(n, parts)
}

func (r *reader) at(n *yaml.Node) Position { return Position{r.file, max(n.Line, 1), max(n.Column, 1)} }

// maxErrors bounds how many errors of a file are reported; more of them help nobody.
const maxErrors = 1000

func (r *reader) report(d Diagnostic) {
	switch {
	case len(r.ds) < maxErrors:
		r.ds = append(r.ds, d)
	case len(r.ds) == maxErrors:
		r.ds = append(r.ds, Diagnostic{Code: "too_many_errors", Pos: d.Pos, Message: "there are more errors"})
	}
}

func (r *reader) errorf(n *yaml.Node, code, format string, args ...any) {
	r.report(Diagnostic{Code: code, Pos: r.at(n), Message: fmt.Sprintf(format, args...)})
}

// unknown reports a word, with the one that was probably meant.
func (r *reader) unknown(n *yaml.Node, code string, w *unknownWord) {
	if len(r.ds) <= maxErrors {
		r.report(Diagnostic{Code: code, Pos: r.at(n), Message: w.Error(), Suggestion: w.suggestion()})
	}
}

// document parses the one document of a file and refuses what no policy needs.
func (r *reader) document(src []byte) *yaml.Node {
	top := &yaml.Node{}
	if len(src) > MaxFile {
		r.errorf(top, "file_too_large", "a policy file is at most %d bytes", MaxFile)
		return nil
	}
	if i := invalidUTF8(src); i >= 0 {
		r.errorf(place(src, i), "invalid_utf8", "the file is not valid UTF-8 here")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.errorf(top, "empty_file", "the file is empty; a policy needs rules")
		return nil
	case err != nil:
		r.yamlError(src, err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		r.errorf(&second, "several_documents", "a file holds one policy; put the next one into a file of its own")
	} else if !errors.Is(err, io.EOF) {
		r.yamlError(src, err)
	}
	if r.plain(doc.Content[0], 0); len(r.ds) > 0 {
		return nil
	}
	return doc.Content[0]
}

func invalidUTF8(src []byte) int {
	for i := 0; i < len(src); {
		c, size := utf8.DecodeRune(src[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func place(src []byte, offset int) *yaml.Node {
	before := src[:offset]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return &yaml.Node{Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(line) + 1}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// yamlErrors say what the library means, and how many lines further on than it says: it counts the
// lines of its parser from 0.
var yamlErrors = map[string]struct {
	message string
	further int
}{
	"did not find expected ',' or '}'":               {"a { is not closed, or a comma is missing", 1},
	"did not find expected ',' or ']'":               {"a [ is not closed, or a comma is missing", 1},
	"did not find expected '-' indicator":            {"an element of this list does not begin with -, or is not indented like the others", 1},
	"did not find expected key":                      {"a key is not indented like the others, or quotes are missing", 1},
	"did not find expected node content":             {"a value is missing", 1},
	"did not find expected <document start>":         {"nothing may follow the end of the document", 1},
	"mapping values are not allowed in this context": {"a colon does not belong here; indent the key like the others, or put the text in quotes", 0},
	"found character that cannot start any token":    {"this cannot begin a value; indent with spaces and not with tabs, and put text in quotes", 0},
	"found unexpected end of stream":                 {"quotes are not closed", 0},
	"could not find expected ':'":                    {"a colon is missing after a key", 0},
}

// yamlError reports what the library says of text that is no YAML.
func (r *reader) yamlError(src []byte, err error) {
	n := &yaml.Node{Line: 1, Column: 1}
	msg, _, _ := strings.Cut(err.Error(), "\n")
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, err := strconv.Atoi(m[1])
		msg = m[2]
		known, ok := yamlErrors[msg]
		if ok {
			msg = known.message
		}
		if err == nil {
			n.Line = line + known.further
		}
	}
	if line, ok := firstLine(skip(src, n.Line-1)); ok {
		n.Column += len(line) - len(strings.TrimLeft(line, " "))
	}
	r.errorf(n, "invalid_yaml", "%s", msg)
}

// plain refuses aliases, anchors, tags and depth, once for the whole tree.
func (r *reader) plain(n *yaml.Node, depth int) {
	switch {
	case depth > MaxDepth:
		r.errorf(n, "too_deep", "nested deeper than %d", MaxDepth)
		return
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.errorf(n, "anchor", "anchors and aliases are not allowed in a policy; write it out")
	case n.Style&yaml.TaggedStyle != 0:
		r.errorf(n, "tag", "tags such as %s are not allowed in a policy", clipped(n.Tag))
	}
	for _, c := range n.Content {
		r.plain(c, depth+1)
	}
}

// field is one key of a mapping and what reads its value.
type field struct {
	name string
	read func(n *yaml.Node)
}

// mapping reads a mapping key by key. noun names it in errors.
func (r *reader) mapping(n *yaml.Node, noun string, fields ...field) (seen map[string]*yaml.Node, ok bool) {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, "wrong_type", "%s must be a mapping, with keys and values", noun)
		return nil, false
	}
	seen = make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			r.errorf(key, "wrong_key", "a key must be a plain word; merging with << is not allowed in a policy")
			continue
		}
		if seen[key.Value] != nil {
			r.errorf(key, "duplicate_key", "the key %q stands twice", clipped(key.Value))
			continue
		}
		seen[key.Value] = key
		j := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		if j < 0 {
			known := make([]string, len(fields))
			for i, f := range fields {
				known[i] = f.name
			}
			r.unknown(key, "unknown_key", &unknownWord{what: "key of " + noun, word: key.Value, known: known})
			continue
		}
		fields[j].read(value)
	}
	return seen, true
}

// list reads each element of a list; with single, one element may stand without a list.
func (r *reader) list(n *yaml.Node, noun string, single bool, read func(n *yaml.Node)) {
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) > MaxList:
		r.errorf(n, "list_too_long", "%s has at most %d elements", noun, MaxList)
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		r.errorf(n, "empty_list", "%s is empty", noun)
	case n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			read(c)
		}
	case single:
		read(n)
	default:
		r.errorf(n, "wrong_type", "%s must be a list", noun)
	}
}

// text reads a string.
func (r *reader) text(n *yaml.Node, noun string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" {
			hint = "; put it in quotes"
		}
		r.errorf(n, "wrong_type", "%s must be text%s", noun, hint)
		return "", false
	}
	return n.Value, true
}

// word reads one of the known words; fold ignores case.
func (r *reader) word(n *yaml.Node, noun, code string, fold bool, known ...string) (string, bool) {
	s, ok := r.text(n, noun)
	if !ok {
		return "", false
	}
	for _, k := range known {
		if s == k || fold && strings.EqualFold(s, k) {
			return k, true
		}
	}
	r.unknown(n, code, &unknownWord{what: noun, word: s, known: known})
	return "", false
}

func (r *reader) boolean(n *yaml.Node, noun string) (bool, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		r.errorf(n, "wrong_type", "%s must be true or false", noun)
		return false, false
	}
	return strings.EqualFold(n.Value, "true"), true
}

// integer reads a whole number from low to high.
func (r *reader) integer(n *yaml.Node, noun string, low, high int64) (int64, bool) {
	num, ok := r.number(n, noun)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(num.String(), 10, 64)
	if err != nil || i < low || i > high {
		r.errorf(n, "out_of_range", "%s must be a whole number from %d to %d", noun, low, high)
		return 0, false
	}
	return i, true
}

// number reads an exact decimal.
func (r *reader) number(n *yaml.Node, noun string) (json.Number, bool) {
	if n.Kind != yaml.ScalarNode || (n.ShortTag() != "!!int" && n.ShortTag() != "!!float") {
		hint := ""
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			hint = ", without quotes"
		}
		r.errorf(n, "wrong_type", "%s must be a number%s", noun, hint)
		return "", false
	}
	if err := checkNumber(n.Value); err != nil {
		r.errorf(n, "invalid_number", "%v", err)
		return "", false
	}
	return json.Number(n.Value), true
}

// literal reads a value to compare with.
func (r *reader) literal(n *yaml.Node) (Literal, bool) {
	l := Literal{Pos: r.at(n)}
	if n.Kind != yaml.ScalarNode {
		r.errorf(n, "wrong_type", "a value must be text, a number, true, false or null")
		return l, false
	}
	switch n.ShortTag() {
	case "!!str":
		if n.Style == 0 && jsonNumber.MatchString(n.Value) { // beyond what a double holds, and text to YAML
			r.errorf(n, "invalid_number", "%v", checkNumber(n.Value))
			return l, false
		}
		l.Value = n.Value
	case "!!bool":
		l.Value = strings.EqualFold(n.Value, "true")
	case "!!null":
	case "!!int", "!!float":
		num, ok := r.number(n, "a value")
		if !ok {
			return l, false
		}
		l.Value = num
	default:
		r.errorf(n, "wrong_type", "a value of this kind must be put in quotes")
		return l, false
	}
	return l, true
}
