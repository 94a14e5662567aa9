package gui

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"
)

func TestActivityCountsEachDecisionOnce(t *testing.T) {
	s := newSite(t, "http://127.0.0.1:8787")
	summary := regexp.MustCompile(`aria-label="(\d+ allowed, \d+ put to you, \d+ denied), by day"`)
	home := func() string {
		return string(summary.FindSubmatch([]byte(body(t, s.do(s.request(http.MethodGet, "/gui/", nil)))))[1])
	}
	s.fill(t, 1, 0, 3)
	if got := home(); got != "3 allowed, 0 put to you, 0 denied" {
		t.Errorf("after 3: %s", got)
	}
	agent := s.join(t, "another")
	ask := func(n int) {
		for range n {
			_, err := s.Authorize(t.Context(), agent, []byte(`{"action_type":"search.web"}`))
			must(t, err)
		}
	}
	ask(maxActivity + 50) // more than a visit reads of the log
	want := fmt.Sprintf("%d allowed, 0 put to you, 0 denied", 3+maxActivity+50)
	if got := home(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
