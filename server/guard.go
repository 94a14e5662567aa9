package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/openleash/openleash-go/leash"
)

// guard sets the headers that every answer has, and refuses requests that name another host.
func (p plane) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		setHeaders(c.Response().Header(), r.TLS != nil)
		if !p.admin && !p.hostKnown(r) && !isProbe(r.URL.Path) {
			return refuse(c, fail(wrongHost, "this server does not go by the name in the Host header; its operator can add it to the configuration"), false)
		}
		return next(c)
	}
}

// Header values are shared between answers; nothing appends to them.
var (
	noSniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	noFrames   = []string{"DENY"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
	noStore    = []string{"no-store"}
	ownOrigin  = []string{"same-origin"}
	onlyTLS    = []string{"max-age=31536000"}
)

// setHeaders says to browsers what they may not do with an answer. A handler may relax it.
func setHeaders(h http.Header, tls bool) {
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["X-Frame-Options"] = noFrames
	h["Content-Security-Policy"] = noContent
	h["Cross-Origin-Resource-Policy"] = ownOrigin
	h["Cache-Control"] = noStore
	if tls {
		h["Strict-Transport-Security"] = onlyTLS
	}
}

// isProbe names the two paths that orchestrators ask by address. They tell nothing.
func isProbe(path string) bool { return path == "/livez" || path == "/readyz" }

// hostKnown says whether the Host header is a name of ours. A page of another origin whose name was
// made to resolve to this machine (DNS rebinding) still names its own.
func (s *Server) hostKnown(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if hosts := s.adjusted.Load().hosts; hosts[host] || hosts[strings.ToLower(host)] {
		return true
	}
	// The address that the client connected to cannot be rebound.
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap() == addr.Unmap()
}

// sameOrigin refuses a request that carries the owner's cookie unless it comes from our own pages.
// SameSite=Strict is not enough: to a browser all ports of localhost are one site.
func (s *Server) sameOrigin(r *http.Request) error {
	foreign := fail(crossOrigin, "a request with the session cookie must come from this server's own pages")
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return nil
	case "none": // typed by the owner; such a request changes nothing
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return nil
		}
		return foreign
	case "":
	default:
		return foreign
	}
	switch origin := r.Header.Get("Origin"); {
	case origin != "":
		_, host, found := strings.Cut(origin, "://")
		if !found || !strings.EqualFold(host, r.Host) {
			return foreign
		}
		return nil
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return nil
	}
	return foreign // browsers send one of the two headers with whatever changes something
}

// clientAddr is the address of the client. X-Forwarded-For is believed as far as trusted proxies
// wrote it.
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // the Unix socket
	}
	addr := at.Addr().Unmap().WithZone("")
	proxies := s.adjusted.Load().proxies
	if len(proxies) == 0 {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusted(proxies, addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr
}

func trusted(proxies []netip.Prefix, addr netip.Addr) bool {
	for _, p := range proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// admitStranger limits what one address may ask without credentials.
func (s *Server) admitStranger(w weight, c echo.Context) error {
	l := s.strangers[w]
	if l == nil {
		return nil
	}
	if wait := l.admit(s.clientAddr(c.Request())); wait > 0 {
		return &leash.Error{Code: leash.RateLimited, Message: "too many requests from this address; wait a moment",
			Details: map[string]int{"retry_after_seconds": wait}}
	}
	return nil
}
