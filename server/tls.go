package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLS names the certificate chain and the private key, both PEM. Changed files are taken up without
// a restart.
type TLS struct {
	CertFile, KeyFile string
}

const recheck = time.Second // how often, at most, the files are looked at

// certificate is the one in force. A file that cannot be read leaves the one before in force.
type certificate struct {
	files TLS
	clock func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]time.Time // when the files in force were written
	looked  time.Time
}

// loadCertificate reads the files, which must be good. It returns nil if none are named.
func loadCertificate(files TLS, clock func() time.Time, log *slog.Logger) (*certificate, error) {
	if files == (TLS{}) {
		return nil, nil
	}
	c := &certificate{files: files, clock: clock, log: log}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return c, nil
}

func (c *certificate) load() error {
	stamp, err := c.files.written()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return err
	}
	c.current, c.stamp = &pair, stamp
	return nil
}

func (f TLS) written() (stamp [2]time.Time, err error) {
	for i, name := range []string{f.CertFile, f.KeyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, err
		}
		stamp[i] = info.ModTime()
	}
	return stamp, nil
}

// get returns the certificate in force, having looked whether its files changed.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if now.Sub(c.looked).Abs() < recheck {
		return c.current, nil
	}
	c.looked = now
	stamp, err := c.files.written()
	if err == nil && stamp == c.stamp {
		return c.current, nil
	}
	if err == nil {
		err = c.load()
	}
	if err != nil {
		c.log.Error("the TLS certificate cannot be reloaded; the one before stays in force", "err", err)
	} else {
		c.log.Info("the TLS certificate was reloaded", "file", c.files.CertFile)
	}
	return c.current, nil
}

// tlsConfig serves the certificate that is active when a client connects.
func (s *Server) tlsConfig() *tls.Config {
	get := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c := s.adjusted.Load().tls; c != nil {
			return c.get(hello)
		}
		return nil, errors.New("no certificate is configured")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: []string{"h2", "http/1.1"}}
}
