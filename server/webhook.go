package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openleash/openleash-go/leash"
)

const (
	webhookTimeout  = 10 * time.Second // of one call, from connecting to the end of the answer
	webhookAtOnce   = 16
	outboxInterval  = 2 * time.Second // how often the outbox is looked at, at least
	maxWebhookReply = 64 << 10        // bytes of an answer that are read
)

// DeliverWebhooks makes the calls in the outbox until ctx ends. An agent gets one call at a time, in
// order, so that one slow target holds up no other for longer than a time-out.
func (s *Server) DeliverWebhooks(ctx context.Context) error {
	client := s.webhookClient()
	for {
		due, next, err := s.svc.DueDeliveries(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Error("reading the webhook outbox", "err", err)
		}
		if err := s.deliver(ctx, client, firstOfEach(due)); err != nil {
			s.cfg.Log.Error("recording webhook calls", "err", err)
		} else if len(due) > 0 {
			continue // those behind them
		}
		if !s.sleepUntil(ctx, next) {
			return nil
		}
	}
}

// firstOfEach keeps the oldest call of each agent.
func firstOfEach(due []leash.DueDelivery) []leash.DueDelivery {
	seen := map[string]bool{}
	var out []leash.DueDelivery
	for _, d := range due {
		if !seen[d.AgentPrincipalID] {
			seen[d.AgentPrincipalID] = true
			out = append(out, d)
		}
	}
	return out
}

// deliver makes calls side by side. An error says that a result could not be recorded.
func (s *Server) deliver(ctx context.Context, client *http.Client, due []leash.DueDelivery) error {
	var calls errgroup.Group
	calls.SetLimit(webhookAtOnce)
	for _, d := range due {
		calls.Go(func() error {
			failure := post(ctx, client, d)
			if ctx.Err() == nil { // else it was cut off by us, and counts as not tried
				s.metrics.webhook(failure)
				return s.svc.Delivered(ctx, d.ID, failure)
			}
			return nil
		})
	}
	return calls.Wait()
}

// sleepUntil waits for the next call to be due, or for a new one; false if ctx ended.
func (s *Server) sleepUntil(ctx context.Context, next time.Time) bool {
	wait := outboxInterval
	if !next.IsZero() {
		wait = max(min(wait, next.Sub(s.svc.Now())), 10*time.Millisecond)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-s.outbox:
	case <-timer.C:
	}
	return true
}

// wakeOutbox says that there may be something to deliver.
func (s *Server) wakeOutbox() {
	select {
	case s.outbox <- struct{}{}:
	default: // it is awake
	}
}

// webhookClient connects only to addresses that may be called. The check is made on the address of
// each connection, after the name was resolved, so that no DNS answer gets around it; redirects are
// not followed, and no proxy of the environment is used.
func (s *Server) webhookClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !s.svc.WebhookAddressAllowed(at.Addr()) {
			return errors.New("the address is loopback, link-local or private, which this server refuses")
		}
		return nil
	}}
	return &http.Client{
		Timeout:       webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true,
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: maxHeader},
	}
}

// post makes one call; nil means that it was taken (2xx).
func post(ctx context.Context, client *http.Client, d leash.DueDelivery) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Target.URL, bytes.NewReader(d.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "openleash")
	req.Header.Set("X-Webhook-Id", d.ID)
	if d.Target.Secret != "" {
		req.Header.Set("X-Webhook-Signature", signature(d.Target.Secret, d.Body))
	}
	if d.Target.AuthToken != "" {
		req.Header.Set("Authorization", "Bearer "+d.Target.AuthToken)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, maxWebhookReply) // what it says does not matter
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the target answered %d", res.StatusCode)
	}
	return nil
}

// signature is the hex HMAC-SHA256 of a body.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
