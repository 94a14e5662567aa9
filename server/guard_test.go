package server

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/openleash/openleash-go/leash"
)

func TestHostKnown(t *testing.T) {
	hosts, err := knownHosts(Config{PublicURL: "https://Leash.Example.com:8443/x", Hosts: []string{"openleash", "[fd00::1]"}})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{}
	s.adjusted.Store(&adjustable{hosts: hosts})
	for host, want := range map[string]bool{
		"127.0.0.1:8787": true, "localhost": true, "LOCALHOST:1": true, "[::1]:8787": true, "[::1]": true,
		"leash.example.com": true, "leash.example.com:443": true, "openleash:8787": true, "[fd00::1]:80": true,
		"10.1.2.3:8787": true, // the address that the client connected to
		"":              false, "evil.example": false, "evil.example:8787": false, "127.0.0.1.evil.example": false,
		"localhost.evil.example": false, "10.1.2.4": false, "leash.example.com.": false, "x@localhost": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		local := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 8787}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		if got := s.hostKnown(r); got != want {
			t.Errorf("%q: got %t, want %t", host, got, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{PublicURL: "leash.example.com"}, {PublicURL: "ftp://x"}, {PublicURL: "https://"}, {PublicURL: "http://%"},
		{Hosts: []string{""}}, {Hosts: []string{"*.example.com"}}, {Hosts: []string{"http://x"}}} {
		if _, err := knownHosts(cfg); err == nil {
			t.Errorf("%q %q was taken", cfg.PublicURL, cfg.Hosts)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tt := range []struct {
		method, site, origin string
		ok                   bool
	}{
		{"POST", "same-origin", "http://127.0.0.1:8787", true},
		{"POST", "same-origin", "", true},
		{"POST", "", "http://127.0.0.1:8787", true},
		{"GET", "", "", true},
		{"GET", "none", "", true},
		{"GET", "same-origin", "", true},
		{"POST", "", "", false},
		{"POST", "none", "", false},
		{"POST", "same-site", "http://127.0.0.1:3000", false},
		{"POST", "cross-site", "https://evil.example", false},
		{"POST", "", "https://evil.example", false},
		{"POST", "", "http://127.0.0.1:3000", false},
		{"POST", "", "null", false},
		{"GET", "same-site", "", false},
		{"GET", "cross-site", "", false},
		{"GET", "", "https://evil.example", false},
		{"DELETE", "x", "http://127.0.0.1:8787", false},
	} {
		r := httptest.NewRequest(tt.method, "http://127.0.0.1:8787/v1/owner/profile", nil)
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if err := (&Server{}).sameOrigin(r); (err == nil) != tt.ok {
			t.Errorf("%+v: got %v", tt, err)
		}
	}
}

func TestClientAddr(t *testing.T) {
	s := &Server{}
	s.adjusted.Store(&adjustable{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	for _, tt := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.7:1", nil, "192.0.2.7"},
		{"192.0.2.7:1", []string{"198.51.100.1"}, "192.0.2.7"}, // a stranger's header
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"}, // the client wrote the first
		{"10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"rubbish"}, "10.0.0.1"},
		{"[::1]:1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, "198.51.100.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		for _, f := range tt.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := s.clientAddr(r).String(); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

func TestLimiterIsBoundedAndRefills(t *testing.T) {
	now := time.Unix(0, 0)
	limiters, err := newLimiters(Limits{Reads: 1, Writes: 1, Hashes: 1}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	l := limiters[writes]
	one := netip.MustParseAddr("192.0.2.1")
	for i := range burst {
		if l.admit(one) != 0 {
			t.Fatalf("request %d was refused", i)
		}
	}
	if wait := l.admit(one); wait != 1 {
		t.Errorf("got a wait of %d s, want 1", wait)
	}
	if l.admit(netip.MustParseAddr("192.0.2.2")) != 0 {
		t.Error("another address was refused")
	}
	now = now.Add(time.Second)
	if l.admit(one) != 0 {
		t.Error("after a second it is still refused")
	}
	for i := range 3 * maxAddresses {
		l.admit(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := l.buckets.Len(); n > maxAddresses {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestLimiterTakesAnIPv6NetworkAsOneClient(t *testing.T) {
	limiters, err := newLimiters(Limits{Reads: 1, Writes: 1, Hashes: 1}, func() time.Time { return time.Unix(0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range 2 * burst {
		a := netip.MustParseAddr("2001:db8::").As16()
		a[15] = byte(i)
		if limiters[reads].admit(netip.AddrFrom16(a)) > 0 {
			refused++
		}
	}
	if refused != burst {
		t.Errorf("%d of %d were refused, want %d", refused, 2*burst, burst)
	}
}

func TestReadQuery(t *testing.T) {
	params := []param{{"status", "string", ""}, {"limit", "integer", ""}}
	for query, want := range map[string]string{
		"": "", "status=PENDING": "", "status=&limit=1": "",
		"statu=PENDING": "statu is not known", "status=a&status=b": "given twice", "limit=%zz": "cannot be parsed", "a;b": "cannot be parsed",
	} {
		_, err := readQuery(&url.URL{RawQuery: query}, params)
		if want == "" && err != nil || want != "" && leash.CodeOf(err) != leash.InvalidRequest {
			t.Errorf("%q: got %v, want %q", query, err, want)
		}
	}
}
