package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// event is one log entry on its way into a stream, or the error that ends it.
type event struct {
	entry store.Entry
	err   error
}

// eventStream sends the log entries of the owner, or of all for the admin who names none, as server-sent events (WHATWG HTML, section 9.2).
func (s *Server) eventStream(c *call) error {
	after, err := s.resumeAt(c)
	if err != nil {
		return err
	}
	ctx, leave, err := s.svc.Hold(c.ctx, c.caller.By())
	if err != nil {
		return err
	}
	defer leave()
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass events on at once
	c.Response().WriteHeader(http.StatusOK)
	return s.pump(ctx, c, s.follow(ctx, c.caller, after))
}

// resumeAt is the sequence number after which the stream begins.
func (s *Server) resumeAt(c *call) (uint64, error) {
	last := c.Request().Header.Get("Last-Event-ID")
	if last == "" {
		last = c.query.Get("after")
	}
	if last != "" {
		seq, err := strconv.ParseUint(last, 10, 63)
		if err != nil {
			return 0, fail(leash.InvalidRequest, "Last-Event-ID must be the id of an event of this stream")
		}
		return seq, nil
	}
	page, err := s.svc.Audit(c.ctx, c.caller, store.AuditQuery{Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return 0, err
	}
	return page.Items[0].Seq, nil
}

// follow turns the iterator over the log into a channel, beside which one can wait for other things.
func (s *Server) follow(ctx context.Context, caller leash.Caller, after uint64) <-chan event {
	events := make(chan event)
	go func() {
		defer close(events)
		entries := s.svc.Stream(ctx, caller, after)
		if caller.OwnerID == "" {
			entries = s.svc.StreamAll(ctx, caller, after)
		}
		for e, err := range entries {
			select {
			case events <- event{e, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events
}

// pump writes events until the client is gone, the server stops, or the session has ended.
func (s *Server) pump(ctx context.Context, c *call, events <-chan event) error {
	beat := time.NewTicker(s.cfg.Limits.Heartbeat)
	defer beat.Stop()
	if err := write(c, s.cfg.Limits.Deadline, "retry: 3000\n\n"); err != nil {
		return nil
	}
	for {
		var text string
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			if !s.stillThere(ctx, c) {
				return nil
			}
			text = ": still here\n\n"
		case e, more := <-events:
			if !more || ctx.Err() != nil {
				return nil
			}
			if e.err != nil {
				return e.err
			}
			data, err := json.Marshal(e.entry, wireForm)
			if err != nil {
				return fmt.Errorf("encoding an event: %w", err)
			}
			text = fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.entry.Seq, e.entry.Type, data)
		}
		if err := write(c, s.cfg.Limits.Deadline, text); err != nil {
			return nil // the client is gone
		}
	}
}

// stillThere says whether the session that opened a stream is still good.
func (s *Server) stillThere(ctx context.Context, c *call) bool {
	if c.caller.Admin {
		return true
	}
	sessions, err := s.svc.Sessions(ctx, c.caller)
	if err != nil {
		return false
	}
	for _, open := range sessions {
		if open.ID == c.caller.SessionID {
			return true
		}
	}
	return false
}

// write sends text at once, and gives the client so long to take it.
func write(c *call, patience time.Duration, text string) error {
	c.extend(patience)
	if _, err := io.WriteString(c.Response(), text); err != nil {
		return err
	}
	return http.NewResponseController(c.Response()).Flush()
}
