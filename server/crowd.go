package server

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// pause is how long each new connection to a full crowd holds up the next: those who come back as soon
// as they are shown out must not take the processor from those who ask.
const pause = time.Millisecond

// crowd bounds how many connections wait without a whole request on them: new ones, idle ones, and
// those that send slowly. Each costs some 30 KiB. When there is one too many, the one that has waited
// for longest is closed; who really asks is through in no time.
type crowd struct {
	max int

	mu       sync.Mutex
	waiting  *list.List // of *visitor, from the longest waiting
	at       map[net.Conn]*list.Element
	stopping bool
}

// visitor is a connection that waits.
type visitor struct {
	conn   net.Conn
	silent bool // nothing at all came on it
}

func newCrowd(max int) *crowd {
	return &crowd{max: max, waiting: list.New(), at: map[net.Conn]*list.Element{}}
}

// watch follows a connection through its life; it is http.Server's ConnState. For a new connection
// that calls it before it accepts the next.
func (cr *crowd) watch(c net.Conn, state http.ConnState) {
	if cr.moved(c, state) && state == http.StateNew {
		time.Sleep(pause)
	}
}

// moved notes the new state of a connection, and says whether another had to go for it.
func (cr *crowd) moved(c net.Conn, state http.ConnState) (full bool) {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	switch state {
	case http.StateNew:
		if cr.stopping {
			_ = c.Close()
			return false
		}
		return cr.enter(c, true)
	case http.StateIdle:
		return cr.enter(c, false)
	case http.StateActive:
		if e, ok := cr.at[c]; ok {
			e.Value.(*visitor).silent = false
		}
	case http.StateClosed, http.StateHijacked:
		cr.leave(c)
	}
	return false
}

func (cr *crowd) enter(c net.Conn, silent bool) (full bool) {
	cr.leave(c)
	cr.at[c] = cr.waiting.PushBack(&visitor{c, silent})
	if cr.waiting.Len() <= cr.max {
		return false
	}
	first := cr.waiting.Front().Value.(*visitor).conn
	cr.leave(first)
	_ = first.Close()
	return true
}

func (cr *crowd) leave(c net.Conn) {
	if e, ok := cr.at[c]; ok {
		cr.waiting.Remove(e)
		delete(cr.at, c)
	}
}

// stop closes the connections on which nothing came, now and from now on. Browsers open such ahead of
// time, and http.Server would wait for them to ask.
func (cr *crowd) stop() {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	cr.stopping = true
	for c, e := range cr.at {
		if e.Value.(*visitor).silent {
			_ = c.Close()
		}
	}
}

// crowdKey is where the context of a connection keeps how it leaves the crowd.
type crowdKey struct{}

// welcome is http.Server's ConnContext.
func (cr *crowd) welcome(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, crowdKey{}, func() {
		cr.mu.Lock()
		defer cr.mu.Unlock()
		cr.leave(c)
	})
}

// whole says that a request has come whole: its connection waits no longer.
func whole(ctx context.Context) {
	if leave, ok := ctx.Value(crowdKey{}).(func()); ok {
		leave()
	}
}
