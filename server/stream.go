package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// eventStream sends the log entries of the owner, or of all for the admin who names none, as
// server-sent events (WHATWG HTML, section 9.2), until the client is gone, the server stops, or the
// session has ended.
func (s *Server) eventStream(c *call) error {
	after, err := s.resumeAt(c)
	if err != nil {
		return err
	}
	caller := c.caller
	return s.hold(caller.By(), func(ctx context.Context, end func(), c echo.Context) error {
		return s.sendEvents(ctx, end, c, caller, after)
	})
}

func (s *Server) sendEvents(ctx context.Context, end func(), c echo.Context, caller leash.Caller, after uint64) error {
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass events on at once
	c.Response().WriteHeader(http.StatusOK)
	out := &eventWriter{c: c, patience: s.cfg.Limits.Deadline}
	defer out.close()
	if out.write("retry: 3000\n\n") != nil {
		return nil
	}
	s.beat(ctx, end, caller, out)

	entries := s.svc.Stream(ctx, caller, after)
	if caller.OwnerID == "" {
		entries = s.svc.StreamAll(ctx, caller, after)
	}
	for e, err := range entries {
		if err != nil {
			return err
		}
		data, err := json.Marshal(e, wireForm)
		if err != nil {
			return fmt.Errorf("encoding an event: %w", err)
		}
		if out.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data)) != nil {
			return nil
		}
		if endsSessions(e.Type) && !s.stillThere(ctx, caller) {
			return nil
		}
	}
	return nil
}

// endsSessions reports whether an entry may be about the end of a session: a log-out, a new passphrase or a revoked
// owner ends its streams at once.
func endsSessions(t store.EventType) bool {
	return t == store.SessionEnded || t == store.OwnerUpdated || t == store.OwnerRevoked
}

// resumeAt is the sequence number after which the stream begins.
func (s *Server) resumeAt(c *call) (uint64, error) {
	last := c.Request().Header.Get("Last-Event-ID")
	if last == "" {
		last = c.query.Get("after")
	}
	if last == "" {
		return s.svc.LastSeq(), nil
	}
	seq, err := strconv.ParseUint(last, 10, 63)
	if err != nil {
		return 0, fail(leash.InvalidRequest, "Last-Event-ID must be the id of an event of this stream")
	}
	return seq, nil
}

// beat shows signs of life on a stream until ctx ends, and ends it with its session or client. Between
// two it takes no goroutine: there may be many streams.
func (s *Server) beat(ctx context.Context, end func(), caller leash.Caller, out *eventWriter) {
	time.AfterFunc(s.cfg.Limits.Heartbeat, func() {
		switch {
		case ctx.Err() != nil:
		case !s.stillThere(ctx, caller), out.write(": still here\n\n") != nil:
			end()
		default:
			s.beat(ctx, end, caller, out)
		}
	})
}

// stillThere says whether the session that opened a stream is still good.
func (s *Server) stillThere(ctx context.Context, c leash.Caller) bool {
	if c.Admin {
		return true
	}
	sessions, err := s.svc.Sessions(ctx, c)
	if err != nil {
		return false
	}
	for _, open := range sessions {
		if open.ID == c.SessionID {
			return true
		}
	}
	return false
}

// eventWriter writes to one client, for whoever has something to say.
type eventWriter struct {
	c        echo.Context
	patience time.Duration // that the client has to take what is written

	mu     sync.Mutex
	closed bool
}

// write sends text at once. It fails when the client is gone.
func (w *eventWriter) write(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	extend(w.c, w.patience)
	if _, err := io.WriteString(w.c.Response(), text); err != nil {
		return err
	}
	return http.NewResponseController(w.c.Response()).Flush()
}

// close ends writing: what answers a request may not be used once it is answered.
func (w *eventWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}
