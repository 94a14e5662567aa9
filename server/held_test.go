package server_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/server"
)

// waitFor polls until something is so.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); !so(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it never came true that %s", what)
		}
	}
}

// held counts the answers that are held open.
func (w *world) held() string {
	for line := range strings.Lines(string(w.asAdmin("GET", "/metrics", nil).want(200).raw)) {
		if n, ok := strings.CutPrefix(line, "openleash_held_answers "); ok {
			return strings.TrimSpace(n)
		}
	}
	return ""
}

func (w *world) pending(a *agent) (id string) {
	w.t.Helper()
	asked := a.ask(purchase(250)).want(200)
	return a.do("POST", "/v1/agent/approval-requests", M{"decision_id": asked.str("decision_id"), "action": purchase(250)}).want(200).str("approval_request_id")
}

func TestLongPollEndsWithTheApproval(t *testing.T) {
	w := newWorld(t)
	a := w.join("waiter")
	w.policy(spendingPolicy).want(200)
	id := w.pending(a)
	got := make(chan answer)
	go func() { got <- a.do("GET", "/v1/agent/approval-requests/"+id+"?wait=60s", nil) }()
	waitFor(t, "the poll is held", func() bool { return w.held() == "1" })
	w.asAdmin("POST", "/v1/owner/approval-requests/"+id+"/approve", M{}).want(200)
	if polled := (<-got).want(200); polled.str("status") != "APPROVED" || polled.str("approval_token") == "" {
		t.Errorf("got %s", polled.raw)
	}
	waitFor(t, "the seat is free again", func() bool { return w.held() == "0" })
}

func TestLongPollWithoutASeatAnswersAtOnce(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxHeldEach = 1 })
	a := w.join("waiter")
	w.policy(spendingPolicy).want(200)
	id := w.pending(a)
	got := make(chan answer)
	go func() { got <- a.do("GET", "/v1/agent/approval-requests/"+id+"?wait=60s", nil) }()
	waitFor(t, "the poll is held", func() bool { return w.held() == "1" })
	if second := a.do("GET", "/v1/agent/approval-requests/"+id+"?wait=60s", nil).want(200); second.str("status") != "PENDING" || second.header.Get("Retry-After") == "" {
		t.Errorf("got %s, Retry-After %q", second.raw, second.header.Get("Retry-After"))
	}
	w.asAdmin("POST", "/v1/owner/approval-requests/"+id+"/deny", M{}).want(200)
	if polled := (<-got).want(200); polled.str("status") != "DENIED" {
		t.Errorf("got %s", polled.raw)
	}
}

func TestWaitIsChecked(t *testing.T) {
	w := newWorld(t)
	a := w.join("waiter")
	for _, wait := range []string{"-1s", "soon", "1"} {
		a.do("GET", "/v1/agent/approval-requests/apr_x?wait="+wait, nil).want(400, "INVALID_REQUEST")
	}
	a.do("GET", "/v1/agent/approval-requests/apr_x?wait=30s", nil).want(404, "APPROVAL_REQUEST_NOT_FOUND")
}

// stream reads server-sent events.
type stream struct {
	lines chan string
	close func()
}

func (w *world) stream(parts ...part) stream {
	w.t.Helper()
	r := request{method: "GET", path: "/v1/owner/events/stream", header: http.Header{}, base: w.public.URL}
	for _, p := range parts {
		p(&r)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	req, err := http.NewRequestWithContext(ctx, r.method, r.base+r.path, nil)
	w.must(err)
	req.Header = r.header
	res, err := http.DefaultTransport.RoundTrip(req)
	w.must(err)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("the stream answered %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	s := stream{make(chan string, 1000), cancel}
	go func() {
		defer close(s.lines)
		defer res.Body.Close()
		for in := bufio.NewScanner(res.Body); in.Scan(); {
			if in.Text() != "" {
				s.lines <- in.Text()
			}
		}
	}()
	w.t.Cleanup(cancel)
	return s
}

// next returns the next line with a prefix, without it; "" at the end of the stream.
func (s stream) next(prefix string) string {
	for line := range s.lines {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return rest
		}
	}
	return ""
}

func TestStreamShowsTheOwnersEventsAndResumes(t *testing.T) {
	w := newWorld(t)
	second := w.asAdmin("POST", "/v1/admin/owners", M{"display_name": "Grace"}).want(200).str("user_principal_id")
	s := w.stream(as(w.login()))
	s.next(": still here") // it has begun
	w.asAdmin("POST", "/v1/owner/agent-invites", M{}, with("X-Owner-Id", second)).want(200)
	first := w.asAdmin("POST", "/v1/owner/agent-invites", M{}, with("X-Owner-Id", w.owner)).want(200).str("invite_id")
	w.asAdmin("DELETE", "/v1/owner/agent-invites/"+first, nil, with("X-Owner-Id", w.owner)).want(200)
	id := s.next("id: ")
	if got := s.next("event: "); got != "AGENT_INVITED" {
		t.Fatalf("the first event is %q", got)
	}
	if data := s.next("data: "); !strings.Contains(data, first) {
		t.Errorf("the data is %s", data)
	}
	if got := s.next("event: "); got != "INVITE_REVOKED" {
		t.Errorf("the second event is %q; another owner's event would come before", got)
	}
	s.close()
	again := w.stream(as(w.login()), with("Last-Event-ID", id))
	if got := again.next("event: "); got != "INVITE_REVOKED" {
		t.Errorf("resumed after %s, the next event is %q", id, got)
	}
}

func TestStreamEndsWithTheSession(t *testing.T) {
	w := newWorld(t)
	token := w.login()
	s := w.stream(as(token))
	s.next(": still here")
	w.do("POST", "/v1/owner/logout", nil, as(token)).want(200)
	for range s.lines { // ends
	}
}

// The end of the session ends the stream at once, not with the next sign of life.
func TestStreamEndsAtOnce(t *testing.T) {
	w := newWorld(t, func(w *world) { w.web.Limits.Heartbeat = time.Hour })
	token := w.login()
	s := w.stream(as(token))
	w.do("POST", "/v1/owner/logout", nil, as(token)).want(200)
	for range s.lines { // ends
	}
}

func TestAdminStreamsAllOwners(t *testing.T) {
	w := newWorld(t)
	second := w.asAdmin("POST", "/v1/admin/owners", M{"display_name": "Grace"}).want(200).str("user_principal_id")
	s := w.stream(as(adminToken), func(r *request) { r.path = "/v1/admin/events/stream" })
	s.next(": still here")
	for _, owner := range []string{w.owner, second} {
		w.asAdmin("POST", "/v1/owner/agent-invites", M{}, with("X-Owner-Id", owner)).want(200)
		if data := s.next("data: "); !strings.Contains(data, owner) {
			t.Errorf("the event of %s is %s", owner, data)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxHeldEach = 2 })
	token := w.login()
	w.stream(as(token)).next(": ")
	w.stream(as(token)).next(": ")
	a := w.do("GET", "/v1/owner/events/stream", nil, as(token), unchecked).want(429, "RATE_LIMITED")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.do("GET", "/v1/owner/events/stream?after=-1", nil, as(token), unchecked).want(400, "INVALID_REQUEST")
}

// Where a connection cannot be taken over, such as with HTTP/2, the answer is given where it was asked for.
func TestHeldWithoutAConnectionOfItsOwn(t *testing.T) {
	w := newWorld(t)
	shared := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.srv.Public().ServeHTTP(struct {
			http.ResponseWriter
			http.Flusher
		}{rw, rw.(http.Flusher)}, r)
	}))
	defer shared.Close()
	here := func(r *request) { r.base = shared.URL }
	a := w.join("waiter")
	w.policy(spendingPolicy).want(200)
	id := w.pending(a)
	s := w.stream(as(w.login()), here)
	s.next("retry: ")
	got := make(chan answer)
	go func() { got <- a.do("GET", "/v1/agent/approval-requests/"+id+"?wait=60s", nil, here) }()
	waitFor(t, "both are held", func() bool { return w.held() == "2" })
	w.asAdmin("POST", "/v1/owner/approval-requests/"+id+"/approve", M{}).want(200)
	if polled := (<-got).want(200); polled.str("status") != "APPROVED" {
		t.Errorf("got %s", polled.raw)
	}
	if data := s.next("data: "); !strings.Contains(data, id) {
		t.Errorf("the event is %s", data)
	}
	s.close()
	waitFor(t, "the seats are free again", func() bool { return w.held() == "0" })
}

// A client that is gone holds nothing.
func TestHeldForNobody(t *testing.T) {
	w := newWorld(t)
	a := w.join("waiter")
	w.policy(spendingPolicy).want(200)
	id := w.pending(a)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		r := request{method: "GET", path: "/v1/agent/approval-requests/" + id + "?wait=60s", header: http.Header{}, base: w.public.URL, unchecked: true}
		a.sign(&r)
		req, err := http.NewRequestWithContext(ctx, r.method, r.base+r.path, nil)
		if err == nil {
			req.Header = r.header
			_, err = http.DefaultTransport.RoundTrip(req)
		}
		gone <- err
	}()
	waitFor(t, "the poll is held", func() bool { return w.held() == "1" })
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waitFor(t, "the seat is free again", func() bool { return w.held() == "0" })
}

// A stopping server ends what is held open, finishes what is in flight, and takes no more.
func TestServeStopsGracefully(t *testing.T) {
	w := newWorld(t)
	a := w.join("waiter")
	w.policy(spendingPolicy).want(200)
	id := w.pending(a)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	socket, err := net.Listen("unix", filepath.Join(w.dir, "test.sock"))
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- w.srv.Serve(ctx, tcp, socket) }()
	here := func(r *request) { r.base = "http://" + tcp.Addr().String() }
	got := make(chan answer)
	go func() { got <- a.do("GET", "/v1/agent/approval-requests/"+id+"?wait=60s", nil, here) }()
	s := w.stream(as(w.login()), here)
	waitFor(t, "both are held", func() bool { return w.held() == "2" })
	preconnected, err := net.Dial("tcp", tcp.Addr().String()) // as browsers do
	w.must(err)
	defer preconnected.Close()
	cancel()
	if polled := (<-got).want(200); polled.str("status") != "PENDING" {
		t.Errorf("the poll got %s", polled.raw)
	}
	for range s.lines { // ends
	}
	w.must(<-served)
	if _, err := net.Dial("tcp", tcp.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	w.do("GET", "/readyz", nil).want(503, "UNAVAILABLE")
}

func TestUnixSocketIsTheAdminPlane(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "s")
	socket, err := net.Listen("unix", path)
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = w.srv.Serve(ctx, socket) })
	defer done.Wait()
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	res, err := client.Get("http://openleash/v1/admin/owners")
	w.must(err)
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// A client that sends its request a byte at a time holds nothing but its connection.
func TestSlowClientsAreCutOff(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = w.srv.Serve(ctx, l) })
	defer done.Wait()
	defer cancel()
	conn, err := net.Dial("tcp", l.Addr().String())
	w.must(err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "))
	w.must(err)
	w.must(conn.SetReadDeadline(time.Now().Add(30 * time.Second)))
	_, err = bufio.NewReader(conn).ReadString('\n')
	var late net.Error
	if err == nil || errors.As(err, &late) && late.Timeout() {
		t.Errorf("the connection was not cut off: %v", err)
	}
}

// Connections that only wait are bounded, and honest ones still get through.
func TestConnectionsThatWaitAreBounded(t *testing.T) {
	w := newWorld(t, func(w *world) { w.web.Limits.Connections, w.web.Limits.Header = 8, time.Minute })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = w.srv.Serve(ctx, l) })
	defer done.Wait()
	defer cancel()
	here := func(r *request) { r.base = "http://" + l.Addr().String() }
	a := w.join("honest")
	w.policy(allowAll).want(200)
	cut := make(chan error, 100)
	for i := range 30 {
		conn, err := net.Dial("tcp", l.Addr().String())
		w.must(err)
		defer conn.Close()
		head := "POST /v1/verify-proof HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
		if i%2 == 0 {
			head += "\r\n{" // and nothing more of the body
		}
		_, err = conn.Write([]byte(head))
		w.must(err)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			cut <- err
		}()
		a.ask(pay(1), here).want(200)
	}
	for range 30 - 8 {
		<-cut
	}
}

func TestNewRefusesABadConfig(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(*server.Config){
		"short admin token":   func(c *server.Config) { c.AdminToken = "short" },
		"no URL":              func(c *server.Config) { c.PublicURL = "example.com" },
		"host with a slash":   func(c *server.Config) { c.Hosts = []string{"a/b"} },
		"certificate missing": func(c *server.Config) { c.TLS = server.TLS{CertFile: "/nowhere", KeyFile: "/nowhere"} },
		"half a certificate":  func(c *server.Config) { c.TLS = server.TLS{CertFile: "/nowhere"} },
		"no service":          func(c *server.Config) { c.Service = (*leash.Service)(nil) },
	} {
		cfg := w.web
		spoil(&cfg)
		if _, err := server.New(cfg); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}
