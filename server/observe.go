package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/openleash/openleash-go/leash"
)

// observe gives each request an id, survives panics, answers what no route answered, and logs and
// counts the request. The log names neither query, body nor credentials.
func (p plane) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := p.cfg.Clock()
		c.Response().Header()["X-Request-Id"] = []string{requestID(c.Request())}
		err := survive(next, c)
		if held, ok := isHeld(err); ok {
			if p.park(held, c, began) {
				return nil
			}
			err = survive(held.here, c)
		}
		p.conclude(c, began, err)
		return nil
	}
}

// conclude answers what no route answered, and logs and counts the request.
func (p plane) conclude(c echo.Context, began time.Time, err error) {
	res := c.Response()
	if err != nil && !res.Committed {
		if unanswered := refuse(c, err, false); unanswered != nil {
			err = errors.Join(err, unanswered)
		}
	}
	took := p.cfg.Clock().Sub(began)
	call, _ := c.Get(callKey).(*call)
	p.metrics.request(c.Request().Method, call.routeName(), res.Status, took)
	p.log(c, call, took, err)
}

// survive turns a panic into an error. A handler that aborts on purpose may.
func survive(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return next(c)
}

func (p plane) log(c echo.Context, call *call, took time.Duration, err error) {
	r, res := c.Request(), c.Response()
	level := slog.LevelInfo
	var known *leash.Error
	switch {
	case res.Status >= 500:
		level = slog.LevelError
	case errors.As(err, &known) && known.Err == nil:
		err = errors.New(string(known.Code)) // what the client was told says enough
	}
	if !p.cfg.Log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs, slog.String("id", res.Header().Get("X-Request-Id")), slog.String("method", r.Method), slog.String("path", clip(r.URL.Path, 200)),
		slog.Int("status", res.Status), slog.Int64("bytes", res.Size), slog.Float64("ms", float64(took.Microseconds())/1000))
	if addr := p.clientAddr(r); addr.IsValid() {
		attrs = append(attrs, slog.String("ip", addr.String()))
	}
	if call != nil && call.who != "" {
		attrs = append(attrs, slog.String("who", call.who))
	}
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	p.cfg.Log.LogAttrs(context.Background(), level, "request", attrs...)
}

// routeName is the route of a request, in metrics; "none" if it has none.
func (c *call) routeName() string {
	if c == nil {
		return "none"
	}
	return c.route.path
}

// requestID is the client's, if it is fit for a log, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= 64 {
		for i := range len(id) {
			if c := id[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && c != '_' {
				return newRequestID()
			}
		}
		return id
	}
	return newRequestID()
}

func newRequestID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
