package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// A page that panics is one failed request, and tells nobody why.
func TestPanicIsOneFailedRequest(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.web.Gui = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a secret reason") })
	})
	a := w.do("GET", "/gui/home", nil, unchecked).want(500, "INTERNAL")
	if strings.Contains(string(a.raw), "secret") {
		t.Errorf("the answer tells the cause: %s", a.raw)
	}
	if !strings.Contains(w.log.String(), "a secret reason") {
		t.Error("the log does not tell the cause")
	}
	w.do("GET", "/v1/health", nil).want(200)
}
