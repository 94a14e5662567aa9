package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// TestListsGoOnToTheLastPage: a list that comes in pages is shown whole.
func TestListsGoOnToTheLastPage(t *testing.T) {
	const pages = 3
	mux := http.NewServeMux()
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // "" is the first
		answer := page[int]{Items: []int{2 * n, 2*n + 1}}
		if n+1 < pages {
			answer.NextCursor = fmt.Sprint(n + 1)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	l := newPipeListener()
	s := &http.Server{Handler: mux}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	c := apiOver(l.dial, func() error { return nil })
	all, err := c.all(t.Context(), "/list?status=")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%s", all); got != "[0 1 2 3 4 5]" {
		t.Errorf("got %s", got)
	}
}
