package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen opens a TCP address that a setting names, or says why it cannot be opened and what to do.
func listen(ctx context.Context, setting, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	flag := "--" + flagOf(setting)
	host, port, _ := net.SplitHostPort(addr)
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, advise(fmt.Errorf("listening on %s: another program uses this address", addr),
			"stop that program (`ss -ltnp 'sport = :%s'` names it), or choose another address with %s", port, flag)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return nil, advise(fmt.Errorf("listening on %s: this user may not open port %s", addr, port),
			"choose a port from 1024 on with %s, or give the program the right: `setcap cap_net_bind_service=+ep` or AmbientCapabilities=CAP_NET_BIND_SERVICE", flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, advise(fmt.Errorf("listening on %s: this machine does not have the address %s", addr, host),
			"`ip addr` lists its addresses; choose one of them with %s, or 0.0.0.0 for all", flag)
	case errors.As(err, &unknown):
		return nil, advise(fmt.Errorf("listening on %s: the name %s cannot be resolved", addr, host), "give an IP address with %s", flag)
	}
	return nil, advise(fmt.Errorf("listening on %s: %w", addr, err), "choose another address with %s", flag)
}
