package server

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openleash/openleash-go/leash"
)

// SessionCookie is the name of the cookie in which the portal keeps a session token.
const SessionCookie = "openleash_session"

// MinAdminToken is the least length of an admin token, in bytes.
const MinAdminToken = 32

// Config says how a Server behaves.
type Config struct {
	Service *leash.Service   // required
	Log     *slog.Logger     // required
	Clock   func() time.Time // required

	// PublicURL is where clients reach the server, such as https://leash.example.com. Its host is
	// one that requests may name.
	PublicURL string
	// Hosts are further names by which clients reach the server, without port.
	Hosts []string
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	// AdminToken opens the admin routes over TCP; empty keeps them to the Unix socket.
	AdminToken string
	// Settings are what GET /v1/admin/config shows, without secrets.
	Settings any

	// Gui is served under /gui; nil for none.
	Gui http.Handler
	// Version of the program.
	Version string

	// TLS makes TCP listeners speak TLS, if its files are named.
	TLS TLS
	// Limits bound what clients may take; zero fields take the defaults.
	Limits Limits
	// Collectors add to GET /metrics, such as those of a store.
	Collectors []prometheus.Collector
}

// Limits bound what clients may take of the server.
type Limits struct {
	// Reads, Writes and Hashes are how many unauthenticated requests a second one address may make:
	// ones that read or verify (50), ones that store something (5), and ones that hash a passphrase
	// (1). Twenty times as many may come at once.
	Reads, Writes, Hashes float64
	// Connections is how many connections may wait without a whole request on them (6144).
	Connections int
	// Deadline is how long a request may take that is not held open on purpose (15 s).
	Deadline time.Duration
	// Heartbeat is the time between signs of life on a stream (15 s).
	Heartbeat time.Duration
	// Header is how long a client may take to send the head of a request (5 s).
	Header time.Duration
	// Grace is how long a stopping server waits for requests in flight (10 s).
	Grace time.Duration
}

func (l Limits) withDefaults() Limits {
	defaults := Limits{Reads: 50, Writes: 5, Hashes: 1, Connections: 6144,
		Deadline: 15 * time.Second, Heartbeat: 15 * time.Second, Header: 5 * time.Second, Grace: 10 * time.Second}
	orElse(&l.Reads, defaults.Reads)
	orElse(&l.Writes, defaults.Writes)
	orElse(&l.Hashes, defaults.Hashes)
	orElse(&l.Connections, defaults.Connections)
	orElse(&l.Deadline, defaults.Deadline)
	orElse(&l.Heartbeat, defaults.Heartbeat)
	orElse(&l.Header, defaults.Header)
	orElse(&l.Grace, defaults.Grace)
	return l
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Server is the HTTP API over one Service. It is safe for concurrent use.
type Server struct {
	cfg        Config
	svc        *leash.Service
	adminToken [sha256.Size]byte // hash; compared only if a token is configured
	adjusted   atomic.Pointer[adjustable]
	strangers  map[weight]*limiter
	metrics    *metrics
	docs       documents
	parked     sync.WaitGroup // answers on connections of their own
	outbox     chan struct{}  // wakes the webhook worker

	public, admin http.Handler
}

// New returns a Server, or says what is wrong with its configuration.
func New(cfg Config) (*Server, error) {
	if cfg.Service == nil || cfg.Log == nil || cfg.Clock == nil {
		return nil, fmt.Errorf("configuring the server: a service, a log and a clock are required")
	}
	if cfg.AdminToken != "" && len(cfg.AdminToken) < MinAdminToken {
		return nil, fmt.Errorf("configuring the server: an admin token has at least %d bytes", MinAdminToken)
	}
	orElse(&cfg.Version, "dev")
	cfg.Limits = cfg.Limits.withDefaults()
	s := &Server{cfg: cfg, svc: cfg.Service, adminToken: sha256.Sum256([]byte(cfg.AdminToken)),
		outbox: make(chan struct{}, 1)}
	if err := s.Adjust(cfg); err != nil {
		return nil, err
	}
	var err error
	if s.strangers, err = newLimiters(cfg.Limits, cfg.Clock); err != nil {
		return nil, fmt.Errorf("configuring the server: %w", err)
	}
	if s.metrics, err = newMetrics(s); err != nil {
		return nil, fmt.Errorf("configuring the server: %w", err)
	}
	routes := s.routes()
	if s.docs, err = describe(routes, cfg); err != nil {
		return nil, fmt.Errorf("describing the API: %w", err)
	}
	s.public, s.admin = s.mount(routes, false), s.mount(routes, true)
	return s, nil
}

// adjustable is what Adjust may change.
type adjustable struct {
	hosts    map[string]bool
	proxies  []netip.Prefix
	settings any
	tls      *certificate // nil: plain HTTP
}

// Adjust changes what may change while the server runs: the names of the host, TrustedProxies, Settings and the files of
// the TLS certificate, which are read again. It ignores the rest of cfg. After an error nothing has changed.
func (s *Server) Adjust(cfg Config) error {
	hosts, err := knownHosts(cfg)
	if err != nil {
		return fmt.Errorf("configuring the server: %w", err)
	}
	certificate, err := loadCertificate(cfg.TLS, s.cfg.Clock, s.cfg.Log)
	if err != nil {
		return fmt.Errorf("configuring the server: %w", err)
	}
	s.adjusted.Store(&adjustable{hosts, cfg.TrustedProxies, cfg.Settings, certificate})
	return nil
}

// Public is what a TCP listener serves: the public, agent and owner routes, the portal, the API
// reference, and the admin routes if an admin token is configured.
func (s *Server) Public() http.Handler { return s.public }

// Admin is what the Unix socket serves: everything, and its caller is the admin. Owner routes act for
// the owner that the header X-Owner-Id names, by default the only one.
func (s *Server) Admin() http.Handler { return s.admin }

// mount registers the routes of one plane.
func (s *Server) mount(routes []route, admin bool) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = func(error, echo.Context) {} // observe answers
	p := plane{s, admin}
	e.Use(p.observe, p.guard)
	for i := range routes {
		r := &routes[i]
		if r.access == forAdmin && !admin && s.cfg.AdminToken == "" {
			continue
		}
		e.Add(r.method, r.path, p.handle(r))
	}
	if s.cfg.Gui != nil {
		h := p.portal(s.cfg.Gui)
		e.Any("/gui", h)
		e.Any("/gui/*", h)
		e.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, "/gui") })
	}
	return e
}

// portal serves the owner portal, which answers for itself. Its forms for those who are not logged in
// take secrets, most hash them, and are limited like the routes that do.
func (p plane) portal(h http.Handler) echo.HandlerFunc {
	all := &route{path: "/gui"}
	hashing := map[string]bool{"/gui/login": true, "/gui/setup": true, "/gui/welcome": true, "/gui/admin/login": true}
	return func(c echo.Context) error {
		c.Set(callKey, &call{route: all})
		if r := c.Request(); r.Method == http.MethodPost && hashing[r.URL.Path] {
			if err := p.admitStranger(hashes, c); err != nil {
				return err
			}
		}
		h.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// knownHosts are the names that a request may give as its Host.
func knownHosts(cfg Config) (map[string]bool, error) {
	hosts := map[string]bool{"127.0.0.1": true, "localhost": true, "::1": true}
	if cfg.PublicURL != "" {
		u, err := url.Parse(cfg.PublicURL)
		if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("the public URL %q is not an http or https URL", cfg.PublicURL)
		}
		hosts[strings.ToLower(u.Hostname())] = true
	}
	for _, h := range cfg.Hosts {
		if h == "" || strings.ContainsAny(h, "/*") {
			return nil, fmt.Errorf("%q is not the name of a host", h)
		}
		hosts[strings.ToLower(strings.Trim(h, "[]"))] = true
	}
	return hosts, nil
}
