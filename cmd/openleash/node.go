package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/server"
	"github.com/openleash/openleash-go/store/file"
)

// node is everything that one process needs of a data folder, wired together.
type node struct {
	store   *file.Store
	service *leash.Service
	server  *server.Server
	watch   *logWatch
	commits *commits
	log     *slog.Logger
	level   *slog.LevelVar
	inForce atomic.Pointer[[]setting]

	policyScan time.Duration // between two scans of the policies folder
}

// open opens the data folder, making it if there is none: to serve, or for a command, which has no
// portal and logs only what is wrong.
func (a *app) open(ctx context.Context, serves bool) (*node, error) {
	s := &a.settings
	least := slog.LevelWarn
	if serves {
		least = slog.LevelDebug
	}
	log, level, err := s.logger(a.err, least)
	if err != nil {
		return nil, err
	}
	n := &node{policyScan: s.policyScan, log: log, level: level, watch: &logWatch{dir: s.data}, commits: newCommits()}
	n.store, err = file.Open(ctx, s.data, file.Options{Clock: a.clock, Log: log, Redact: s.redact, Committed: n.commits.observe})
	if err != nil {
		return nil, locked(err)
	}
	if err := n.wire(ctx, a, serves && !s.noGUI); err != nil {
		return nil, errors.Join(err, n.store.Close())
	}
	return n, nil
}

// locked says what to do if another process holds the folder.
func locked(err error) error {
	var held *file.LockedError
	if errors.As(err, &held) {
		return advise(err, "one process owns a data folder; wait for that one, stop it, or name another folder with --data")
	}
	return err
}

func (n *node) wire(ctx context.Context, a *app, withGUI bool) (err error) {
	s := &a.settings
	n.inForce.Store(&a.inForce)
	if n.service, err = leash.New(ctx, s.service(a, n), n.store); err != nil {
		return err
	}
	cfg, err := s.server(n, a, a.inForce)
	if err != nil {
		return err
	}
	if withGUI {
		cfg.Gui = portal(a, n)
	}
	n.server, err = server.New(cfg)
	return err
}

// settings are those that are active now.
func (n *node) settings() []setting { return *n.inForce.Load() }

// service is the configuration of the use cases.
func (s *settings) service(a *app, n *node) leash.Config {
	return leash.Config{
		Clock: a.clock, Log: n.log, PublicURL: s.url(),
		ProofTTL: s.proofTTL, ApprovalTTL: s.approvalTTL, TokenTTL: s.tokenTTL, InviteTTL: s.inviteTTL,
		SessionTTL: s.sessionTTL, PolicyTimeout: s.policyTimeout, AllowPrivateWebhooks: s.privateWebhooks,
	}
}

// server is the configuration of the HTTP API, without a portal.
func (s *settings) server(n *node, a *app, inForce []setting) (server.Config, error) {
	proxies, err := s.proxies()
	return server.Config{
		Service: n.service, Log: n.log, Clock: a.clock, PublicURL: s.url(), Hosts: s.hosts, TrustedProxies: proxies,
		AdminToken: s.adminToken, Settings: inForce, Version: version(),
		Collectors: n.commits.collectors(), TLS: server.TLS{CertFile: s.tlsCert, KeyFile: s.tlsKey},
	}, err
}

func (n *node) close() error { return n.store.Close() }

// hasData says whether the data folder was ever opened.
func (s *settings) hasData() (bool, error) {
	_, err := os.Stat(filepath.Join(s.data, "state.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// hasOwner says whether somebody was set up in the data folder.
func (s *settings) hasOwner() (bool, error) {
	files, err := os.ReadDir(filepath.Join(s.data, "owners"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(files) > 0, err
}

// socket is the address of the admin plane.
func (s *settings) socket() string { return filepath.Join(s.data, "openleash.sock") }
