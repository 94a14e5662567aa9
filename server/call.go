package server

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// call is one request on its way through its route.
type call struct {
	echo.Context
	route  *route
	who    string          // agent, owner or admin; for the log
	ctx    context.Context // ends with the client, or at the deadline
	body   []byte          // valid until the request is answered
	query  url.Values      // only what the route names
	agent  *leash.Agent    // on routes for agents
	caller leash.Caller    // on routes for owners and the admin
}

// callKey is where echo's context keeps the call, for the log.
const callKey = "call"

// plane is one of the two ways into the server.
type plane struct {
	*Server
	admin bool // the Unix socket, whose caller is the admin
}

// handle serves one route: read the body, find out who asks, then do it.
func (p plane) handle(r *route) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := p.serve(r, c)
		if _, held := isHeld(err); held || err == nil || c.Response().Committed {
			return err
		}
		if answer := refuse(c, err, r.redeems); answer != nil {
			return answer
		}
		return err
	}
}

func (p plane) serve(r *route, c echo.Context) error {
	req := c.Request()
	call := &call{Context: c, route: r, ctx: req.Context()}
	c.Set(callKey, call)
	if r.access == forAnyone && !p.admin {
		if err := p.admitStranger(r.weight, c); err != nil {
			return err
		}
	}
	if !r.untimed {
		var cancel context.CancelFunc
		call.ctx, cancel = context.WithTimeout(call.ctx, p.cfg.Limits.Deadline)
		defer cancel()
	}
	if req.ContentLength != 0 {
		buf := bodies.Get().(*[]byte)
		defer bodies.Put(buf)
		var err error
		if *buf, err = readBody(req, (*buf)[:0], r.limit); err != nil {
			return err
		}
		call.body = *buf
	}
	whole(req.Context())
	if err := p.identify(r.access, call); err != nil {
		return err
	}
	var err error
	if call.query, err = readQuery(req.URL, r.query); err != nil {
		return err
	}
	return r.endpoint.serve(call)
}

// readQuery parses a query strictly: what the route does not name, or what is given twice, is an
// error, so that a misspelt filter never shows more than was asked for.
func readQuery(u *url.URL, params []param) (url.Values, error) {
	if u.RawQuery == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fail(leash.InvalidRequest, "the query cannot be parsed")
	}
next:
	for name, values := range q {
		for _, p := range params {
			if p.name == name && len(values) == 1 {
				continue next
			}
		}
		if len(values) > 1 {
			return nil, fail(leash.InvalidRequest, fmt.Sprintf("the query parameter %s is given twice", strings.ToValidUTF8(clip(name, 40), "\uFFFD")))
		}
		return nil, fail(leash.InvalidRequest, fmt.Sprintf("the query parameter %s is not known here", strings.ToValidUTF8(clip(name, 40), "\uFFFD")))
	}
	return q, nil
}

// id is the path's parameter of that name, unescaped.
func (c *call) id(name string) string {
	v := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// number is a query parameter from 0 to max; 0 if it is not given.
func (c *call) number(name string, max int) (int, error) {
	v := c.query.Get(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > max {
		return 0, fail(leash.InvalidRequest, fmt.Sprintf("%s must be a number from 0 to %d", name, max))
	}
	return n, nil
}

// time is a query parameter that is an RFC 3339 time; zero if it is not given.
func (c *call) time(name string) (time.Time, error) {
	v := c.query.Get(name)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return t, fail(leash.InvalidRequest, name+" must be an RFC 3339 time such as 2026-04-10T12:00:00Z")
	}
	return t, nil
}

// oneOf is a query parameter that is one of some words; "" if it is not given. Another word is an error: an empty
// list would look like the truth.
func oneOf[T ~string](c *call, name string, words ...T) (T, error) {
	v := T(c.query.Get(name))
	if v == "" || slices.Contains(words, v) {
		return v, nil
	}
	return "", fail(leash.InvalidRequest, fmt.Sprintf("%s must be one of %s", name, strings.Trim(fmt.Sprint(words), "[]")))
}

// The statuses of an agent, an approval request and a draft, as queries name them.
func (c *call) agentStatus() (store.Status, error) {
	return oneOf(c, "status", store.Pending, store.Active, store.Revoked)
}

func (c *call) approvalStatus() (store.Status, error) {
	return oneOf(c, "status", store.Pending, store.Approved, store.Denied, store.Expired, store.Consumed)
}

func (c *call) draftStatus() (store.Status, error) {
	return oneOf(c, "status", store.Pending, store.Approved, store.Denied)
}
