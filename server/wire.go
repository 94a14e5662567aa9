package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/labstack/echo/v4"

	"github.com/openleash/openleash-go/leash"
)

const (
	bodyLimit   = 64 << 10 // bytes of a request
	policyLimit = 1 << 20  // bytes of a request that carries a policy

	maxDepth = 32 // objects and arrays inside one another, in any request
)

// wireForm is how answers are written: times as RFC 3339 in UTC with milliseconds, absent lists as
// empty ones.
var wireForm = json.JoinOptions(
	jsonv1.OmitEmptyWithLegacySemantics(true),
	json.Deterministic(true),
	json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, t time.Time) error {
		const layout = `"2006-01-02T15:04:05.000Z"`
		return enc.WriteValue(t.UTC().AppendFormat(make([]byte, 0, len(layout)), layout))
	})),
)

// send writes an answer as JSON.
func send(c echo.Context, status int, body any) error {
	text, err := json.Marshal(body, wireForm)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	return c.Blob(status, "application/json", append(text, '\n'))
}

// bodies holds buffers that requests are read into. None may be kept once its request is answered.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// readBody reads a whole body of at most limit bytes into buf.
func readBody(r *http.Request, buf []byte, limit int64) ([]byte, error) {
	tooLarge := func() error { return fail(bodyTooLarge, fmt.Sprintf("the body is larger than %d KiB", limit>>10)) }
	if r.ContentLength > limit {
		return buf, tooLarge()
	}
	if r.ContentLength == 0 || r.Body == nil {
		return buf, nil
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Body.Read(buf[len(buf):min(cap(buf), int(limit)+1)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf, tooLarge()
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, &leash.Error{Code: leash.InvalidRequest, Message: "the body ended too early or too slowly", Err: err}
		}
	}
}

// decode reads a JSON body strictly into a struct. No body is an empty object. The members named in
// required must be there and not empty.
func decode(body []byte, into any, required []string) error {
	if len(body) == 0 {
		body = []byte("{}")
	}
	if depth(body) > maxDepth {
		return fail(leash.InvalidRequest, fmt.Sprintf("the body is nested more than %d levels deep", maxDepth))
	}
	if err := json.Unmarshal(body, into, json.RejectUnknownMembers(true)); err != nil {
		return fail(leash.InvalidRequest, explainJSON(err))
	}
	if len(required) == 0 {
		return nil
	}
	v := reflect.ValueOf(into).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		for _, want := range required {
			if name == want && v.FieldByIndex(f.Index).IsZero() {
				return fail(leash.InvalidRequest, name+" is required")
			}
		}
	}
	return nil
}

// depth counts how deep a JSON text nests, without judging it otherwise.
func depth(text []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}', c == ']':
			now--
		}
	}
	return deepest
}

// explainJSON says for people what is wrong with a body.
func explainJSON(err error) string {
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &meaning):
		return fmt.Sprintf("the key %s is not known here", clip(string(meaning.JSONPointer), 80))
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return fmt.Sprintf("the key %s is given twice", clip(string(syntax.JSONPointer), 80))
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not JSON: %v at byte %d", syntax.Err, syntax.ByteOffset)
	case errors.As(err, &meaning):
		return fmt.Sprintf("the value at %q must be %s", clip(string(meaning.JSONPointer), 80), wanted(meaning.GoType))
	}
	return "the body is not JSON"
}

func wanted(t reflect.Type) string {
	switch {
	case t == nil:
		return "of another type"
	case t == reflect.TypeFor[time.Time]():
		return "an RFC 3339 time"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// clip shortens what an answer or the log repeats of a request.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
