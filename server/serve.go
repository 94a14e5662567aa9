package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Time-outs of a connection. A client that is slower holds nothing but its connection.
const (
	readTimeout  = 20 * time.Second
	writeTimeout = 30 * time.Second // answers that are held open extend it
	idleTimeout  = 75 * time.Second
	maxHeader    = 16 << 10 // bytes
)

// Serve answers on all listeners until ctx ends: Admin on Unix sockets, Public on all others, with
// TLS if it is configured. Then it takes no more requests, finishes those in flight, within the
// configured grace, and closes the listeners.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	failed := make(chan error, len(listeners))
	servers := make([]*http.Server, len(listeners))
	crowd := newCrowd(s.cfg.Limits.Connections)
	for i, l := range listeners {
		srv := s.httpServer(l)
		srv.ConnState, srv.ConnContext = crowd.watch, crowd.welcome
		servers[i] = srv
		if s.adjusted.Load().tls != nil && l.Addr().Network() != "unix" {
			l = tls.NewListener(l, s.tlsConfig())
		}
		go func() { failed <- srv.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serving: %w", err)
	}
	s.svc.Release()
	crowd.stop()
	return errors.Join(err, s.shutDown(servers))
}

func (s *Server) httpServer(l net.Listener) *http.Server {
	handler := s.public
	if l.Addr().Network() == "unix" {
		handler = s.admin
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.cfg.Limits.Header, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug), // what strangers do wrong
	}
}

func (s *Server) shutDown(servers []*http.Server) error {
	grace, cancel := context.WithTimeout(context.Background(), s.cfg.Limits.Grace)
	defer cancel()
	var errs []error
	for _, srv := range servers {
		if err := srv.Shutdown(grace); err != nil {
			errs = append(errs, fmt.Errorf("stopping: %w", err), srv.Close())
		}
	}
	return errors.Join(append(errs, s.awaitParked(grace))...)
}
