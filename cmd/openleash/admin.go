package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/openleash/openleash-go/leash"
)

// api speaks to a server: to its admin plane, or with a token as an owner.
type api struct {
	http  http.Client
	owner string // for whom the admin acts on owner routes; empty is the only one
	token string // of an owner's session
	host  string // that requests name; a server on TCP knows its own names only
	close func() error
}

// admin reaches the server that holds the data folder through its socket, or else opens the folder
// and serves itself.
func (a *app) admin(ctx context.Context) (*api, error) {
	if c, ok := a.running(ctx); ok {
		return c, nil
	}
	there, err := a.settings.hasData()
	if err != nil {
		return nil, fmt.Errorf("looking for the data folder: %w", err)
	}
	if !there {
		return nil, a.noData()
	}
	n, err := a.open(ctx, false)
	if err != nil {
		return nil, err
	}
	return adminIn(n), nil
}

// running reaches the server that holds the data folder, if one does.
func (a *app) running(ctx context.Context) (*api, bool) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", a.settings.socket())
	}
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil, false
	}
	_ = conn.Close() // it was only to see whether somebody answers
	return apiOver(dial, func() error { return nil }), true
}

// adminIn speaks to a node of this process over memory.
func adminIn(n *node) *api {
	l := newPipeListener()
	s := &http.Server{Handler: n.server.Admin()} //nolint:gosec // G112: its only client is this process
	go func() { _ = s.Serve(l) }()               // ends with the listener
	return apiOver(l.dial, func() error { return errors.Join(s.Close(), n.close()) })
}

// overTCP speaks to a server as anyone may.
func overTCP(addr string) *api {
	c := apiOver(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}, nil)
	c.host = addr
	return c
}

func apiOver(dial func(ctx context.Context, network, addr string) (net.Conn, error), close func() error) *api {
	return &api{http: http.Client{Transport: &http.Transport{DialContext: dial}}, close: close}
}

// call sends in as JSON and decodes the answer into out; either may be nil. What the server refuses is
// a *leash.Error.
func (c *api) call(ctx context.Context, method, path string, in, out any) error {
	body, err := c.stream(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw = text
		return nil
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// stream is call with an answer that is read as it comes. The caller closes it.
func (c *api) stream(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+cmp.Or(c.host, "openleash")+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.owner != "" {
		req.Header.Set("X-Owner-Id", c.owner)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err // the URL is made up
		}
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	if res.StatusCode/100 == 2 {
		return res.Body, nil
	}
	defer res.Body.Close()
	var answer struct {
		Error struct {
			Code    leash.Code      `json:"code"`
			Message string          `json:"message"`
			Details json.RawMessage `json:"details"`
		} `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Error.Code == "" {
		return nil, fmt.Errorf("asking the server: it answered %s", res.Status)
	}
	told := &leash.Error{Code: answer.Error.Code, Message: answer.Error.Message}
	if len(answer.Error.Details) > 0 {
		told.Details = answer.Error.Details
	}
	return nil, told
}

// pipeListener is a listener in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, served := net.Pipe()
	select {
	case l.conns <- served:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close is called once, by the http.Server.
func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// with runs fn with the admin plane, and shows the answer that it left: as JSON, or by show.
func (a *app) with(ctx context.Context, fn func(c *api) error) (err error) {
	c, err := a.admin(ctx)
	if err != nil {
		return err
	}
	c.owner = a.owner
	defer func() { err = errors.Join(err, c.close()) }()
	if err = fn(c); leash.CodeOf(err) == leash.AmbiguousOwner {
		err = advise(err, "name one with --owner; `openleash owner list` shows them")
	}
	return err
}

// noData says that the data folder is not there.
func (a *app) noData() error {
	return advise(fmt.Errorf("there is no data folder at %s", a.settings.data),
		"make one with `openleash wizard` or `openleash init`, or name another with --data")
}

// ask makes one call of the admin plane, and prints what comes back: as it is for programs, by show
// for people.
func ask[Out any](ctx context.Context, a *app, method, path string, in any, show func(Out) error) error {
	return a.with(ctx, func(c *api) error {
		if a.asJSON {
			var raw json.RawMessage
			if err := c.call(ctx, method, path, in, &raw); err != nil {
				return err
			}
			return a.printJSON(raw)
		}
		var out Out
		if err := c.call(ctx, method, path, in, &out); err != nil {
			return err
		}
		return show(out)
	})
}

// askAll is ask for a list that comes in pages: it follows them to the end.
func askAll[Out any](ctx context.Context, a *app, path string, show func(Out) error) error {
	return a.with(ctx, func(c *api) error {
		items, err := c.all(ctx, path)
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(page[json.RawMessage]{Items: items})
		}
		text, err := json.Marshal(page[json.RawMessage]{Items: items})
		if err != nil {
			return err
		}
		var out Out
		if err := json.Unmarshal(text, &out); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		return show(out)
	})
}

// all reads a list to its last page.
func (c *api) all(ctx context.Context, path string) ([]json.RawMessage, error) {
	items := []json.RawMessage{}
	for cursor := ""; ; {
		var next page[json.RawMessage]
		if err := c.call(ctx, http.MethodGet, path+"&limit=500&cursor="+url.QueryEscape(cursor), nil, &next); err != nil {
			return nil, err
		}
		items = append(items, next.Items...)
		if cursor = next.NextCursor; cursor == "" {
			return items, nil
		}
	}
}

// page is a list as the API gives it.
type page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty"`
}

// empty is the body of a request in which nothing stands.
type empty struct{}
