package server

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/openleash/openleash-go/leash"
)

type order struct {
	Name  string    `json:"name"`
	Count int       `json:"count"`
	Tags  []string  `json:"tags"`
	At    time.Time `json:"at,omitzero"`
	inner
}

type inner struct {
	Inside *string `json:"inside"`
}

func TestDecodeIsStrict(t *testing.T) {
	for _, tt := range []struct{ name, body, says string }{
		{"unknown key", `{"name":"a","nam":"b"}`, "/nam is not known"},
		{"another case is another key", `{"Name":"a"}`, "/Name is not known"},
		{"duplicate key", `{"name":"a","name":"b"}`, "/name is given twice"},
		{"duplicate key by escape", `{"name":"a","n\u0061me":"b"}`, "given twice"},
		{"duplicate key of an embedded struct", `{"name":"a","inside":"1","inside":"2"}`, "given twice"},
		{"wrong type", `{"name":1}`, `"/name" must be a string`},
		{"string for a number", `{"name":"a","count":"1"}`, `"/count" must be a whole number`},
		{"fraction", `{"name":"a","count":1.5}`, "must be a whole number"},
		{"huge number", `{"name":"a","count":1e400}`, "must be a whole number"},
		{"object for a list", `{"name":"a","tags":{}}`, "must be a list"},
		{"no time", `{"name":"a","at":"yesterday"}`, "must be an RFC 3339 time"},
		{"list", `[]`, "must be an object"},
		{"trailing data", `{"name":"a"}{}`, "not JSON"},
		{"cut off", `{"name":"a"`, "not JSON"},
		{"bad UTF-8", "{\"name\":\"\xff\"}", "not JSON"},
		{"deep", `{"name":"a","tags":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested more than 32"},
		{"missing", `{"count":1}`, "name is required"},
		{"null is missing", `{"name":null}`, "name is required"},
		{"nothing", ``, "name is required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in order
			err := decode([]byte(tt.body), &in, []string{"name"})
			if leash.CodeOf(err) != leash.InvalidRequest || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want INVALID_REQUEST that says %q", err, tt.says)
			}
		})
	}
}

func TestDecodeNamesNoGoType(t *testing.T) {
	for _, body := range []string{`{"count":{}}`, `{"tags":[1]}`, `{"inside":[]}`, `3`, `"x"`, `{"at":{}}`} {
		var in order
		err := decode([]byte(body), &in, nil)
		if err == nil || strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "server.") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestReadBodyIsBounded(t *testing.T) {
	for _, tt := range []struct {
		size  int
		fits  bool
		known bool // by Content-Length
	}{{0, true, true}, {1, true, false}, {1000, true, true}, {1000, true, false}, {1001, false, true}, {1001, false, false}, {1 << 20, false, false}} {
		r := httptest.NewRequest("POST", "/", io.NopCloser(bytes.NewReader(make([]byte, tt.size))))
		r.ContentLength = -1
		if tt.known {
			r.ContentLength = int64(tt.size)
		}
		got, err := readBody(r, make([]byte, 0, 16), 1000)
		if tt.fits && (err != nil || len(got) != tt.size) {
			t.Errorf("%+v: %d bytes, %v", tt, len(got), err)
		}
		if !tt.fits && leash.CodeOf(err) != bodyTooLarge {
			t.Errorf("%+v: got %v, want %s", tt, err, bodyTooLarge)
		}
		if cap(got) > 64<<10 {
			t.Errorf("%+v: the buffer grew to %d bytes", tt, cap(got))
		}
	}
}

func TestReadBodySaysWhenItBreaks(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("{"), broken{}))
	r.ContentLength = 5
	_, err := readBody(r, nil, 1000)
	if leash.CodeOf(err) != leash.InvalidRequest {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the connection broke") }

func TestTimesOnTheWire(t *testing.T) {
	at := time.Date(2026, 4, 10, 14, 0, 0, 0, time.FixedZone("", 7200))
	got, err := json.Marshal(struct {
		At   time.Time  `json:"at"`
		Then *time.Time `json:"then"`
		None *time.Time `json:"none,omitempty"`
		List []string   `json:"list"`
		N    int        `json:"n,omitempty"`
	}{At: at, Then: &at}, wireForm)
	want := `{"at":"2026-04-10T12:00:00.000Z","then":"2026-04-10T12:00:00.000Z","list":[]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"name":"a","count":1,"tags":["x"],"inside":"y","at":"2026-04-10T12:00:00Z"}`, `{}`, `null`, `[[[`,
		`{"name":"\ud800"}`, `{"name":"a","name":"b"}`, `{"count":1e400}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		var in order
		err := decode(body, &in, nil)
		if !bytes.Equal(body, before) {
			t.Fatal("decoding changed the body")
		}
		if err != nil {
			if leash.CodeOf(err) != leash.InvalidRequest || len(err.Error()) > 400 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		again, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var second order
		if err := decode(again, &second, nil); err != nil {
			t.Fatalf("%q was taken, but not as %s: %v", body, again, err)
		}
	})
}
