package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// entries yields log entries after a sequence number, then those to come: the
// server-sent events of GET /v1/admin/events/stream.
func (c *api) entries(ctx context.Context, after uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		body, err := c.stream(ctx, http.MethodGet, fmt.Sprintf("/v1/admin/events/stream?after=%d", after), nil)
		if err != nil {
			if ctx.Err() == nil {
				yield(store.Entry{}, err)
			}
			return
		}
		defer body.Close()
		lines := bufio.NewReaderSize(body, 1<<20)
		for {
			line, err := lines.ReadString('\n')
			if ctx.Err() != nil || errors.Is(err, io.EOF) {
				return
			}
			var e store.Entry
			data, isData := strings.CutPrefix(line, "data: ")
			switch {
			case err != nil:
				err = fmt.Errorf("reading the stream: %w", err)
			case !isData:
				continue
			default:
				err = json.Unmarshal([]byte(data), &e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// history yields the log entries as far as they go now, oldest first.
func (c *api) history(ctx context.Context) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var last leash.AuditPage
		if err := c.call(ctx, http.MethodGet, "/v1/admin/audit?limit=1", nil, &last); err != nil {
			yield(store.Entry{}, err)
			return
		}
		if len(last.Items) == 0 {
			return
		}
		for e, err := range c.entries(ctx, 0) {
			if !yield(e, err) || e.Seq >= last.Items[0].Seq {
				return
			}
		}
	}
}

// between passes on the entries from since on and before until; a zero time does not restrict.
func between(all iter.Seq2[store.Entry, error], since, until time.Time) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range all {
			outside := err == nil && (e.Time.Before(since) || !until.IsZero() && !e.Time.Before(until))
			if !outside && !yield(e, err) {
				return
			}
		}
	}
}

func one(e store.Entry) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) { yield(e, nil) }
}

func readJSON(name string, into any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", name, jsonFault(err))
	}
	return nil
}
