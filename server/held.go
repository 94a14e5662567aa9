package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// later is what an endpoint returns, as an error, when it has an answer to hold open: a long poll that
// waits, or a stream. ctx ends when the server stops, or with leave, which whoever knows of the end may call.
type later struct {
	ctx   context.Context
	leave func()
	give  giving
}

// giving writes an answer. It stops when ctx ends; end ends it.
type giving func(ctx context.Context, end func(), c echo.Context) error

func (*later) Error() string { return "the answer is held open" }

// hold makes an answer that is held open for somebody, if there is room for one more.
func (s *Server) hold(who string, give giving) error {
	ctx, leave, err := s.svc.Hold(context.Background(), who)
	if err != nil {
		return err
	}
	return &later{ctx, leave, give}
}

// isHeld says whether an error is an answer that is held open.
func isHeld(err error) (*later, bool) {
	var l *later
	return l, errors.As(err, &l)
}

// here gives the answer where the request came in.
func (l *later) here(c echo.Context) error {
	defer l.leave()
	defer context.AfterFunc(c.Request().Context(), l.leave)()
	return l.give(l.ctx, l.leave, c)
}

// park takes the connection over from net/http, which holds some 35 KiB for each that it serves, and
// gives the answer on it with a tenth of that. False: it cannot be taken over, such as with HTTP/2.
func (p plane) park(l *later, c echo.Context, began time.Time) bool {
	r := c.Request()
	conn, _, err := http.NewResponseController(c.Response()).Hijack()
	if err != nil {
		return false
	}
	// What the log tells of the request; the request itself can go.
	kept := &http.Request{Method: r.Method, URL: &url.URL{Path: strings.Clone(r.URL.Path)}, Header: http.Header{},
		RemoteAddr: netip.AddrPortFrom(p.clientAddr(r), 0).String()}
	own := c.Echo().NewContext(kept, &parked{Conn: conn, header: maps.Clone(c.Response().Header())})
	if of, ok := c.Get(callKey).(*call); ok {
		own.Set(callKey, &call{route: of.route, who: of.who})
	}
	p.parked.Go(func() {
		defer conn.Close()
		defer l.leave()
		go func() { // nothing more is to come from the client but its end
			_, _ = conn.Read(make([]byte, 1))
			l.leave()
		}()
		p.conclude(own, began, survive(func(c echo.Context) error { return l.give(l.ctx, l.leave, c) }, own))
	})
	return true
}

// parked writes an answer on a connection of its own, as HTTP/1.1 (RFC 9112). The answer ends with the
// connection.
type parked struct {
	net.Conn
	header http.Header
}

func (w *parked) Header() http.Header { return w.header }

func (w *parked) WriteHeader(status int) {
	w.header.Set("Connection", "close")
	w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat)) //nolint:forbidigo // as net/http does
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = w.header.Write(&head) // into memory
	head.WriteString("\r\n")
	_, _ = w.Write([]byte(head.String())) // what is written next fails, too
}

// Flush has nothing to do: nothing is kept back.
func (w *parked) Flush() {}

// extend gives the client some time more to take what is written.
func extend(c echo.Context, d time.Duration) {
	now := time.Now() //nolint:forbidigo // the deadlines of a connection are by the machine's clock
	// A writer without deadlines has nothing to extend.
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(now.Add(d))
}

// awaitParked waits until the answers on connections of their own are given.
func (s *Server) awaitParked(ctx context.Context) error {
	given := make(chan struct{})
	go func() {
		s.parked.Wait()
		close(given)
	}()
	select {
	case <-given:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping: answers that are held open: %w", ctx.Err())
	}
}
