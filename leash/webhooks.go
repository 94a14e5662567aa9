package leash

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"time"

	"github.com/openleash/openleash-go/store"
)

const (
	maxWebhookURL    = 2048
	maxWebhookSecret = 256
	// MaxAttempts is how often a webhook is tried before it is a dead letter.
	MaxAttempts = 8
	firstRetry  = 10 * time.Second // doubled with each further attempt: the last is 21 minutes later
)

// webhook checks where an agent wants to be told. The address that a name resolves to is checked
// again by whoever connects, at each connection.
func (s *Service) webhook(in WebhookInput) (*store.Webhook, error) {
	if in.URL == "" {
		return nil, nil
	}
	u, err := url.Parse(in.URL)
	switch {
	case err != nil || len(in.URL) > maxWebhookURL || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, fail(InvalidWebhook, "webhook_url must be an http or https URL without credentials")
	case len(in.Secret) > maxWebhookSecret || len(in.AuthToken) > 4*maxWebhookSecret:
		return nil, fail(InvalidWebhook, "webhook_secret or webhook_auth_token is too long")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !s.WebhookAddressAllowed(addr) {
		return nil, fail(InvalidWebhook, "webhook_url is a loopback, link-local or private address, which this server refuses")
	}
	return &store.Webhook{URL: in.URL, Secret: in.Secret, AuthToken: in.AuthToken}, nil
}

// WebhookAddressAllowed says whether a webhook may connect to an address: only to what is reachable
// from the whole internet, unless the operator allows private ones.
func (s *Service) WebhookAddressAllowed(addr netip.Addr) bool {
	if s.adjusted.Load().AllowPrivateWebhooks {
		return true
	}
	addr = addr.Unmap()
	for _, p := range refusedNetworks {
		if p.Contains(addr) {
			return false
		}
	}
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast()
}

// refusedNetworks are the blocks of the IANA special-purpose address registries (RFC 6890) that are not reachable
// from the whole internet, or that lead to an IPv4 address which was not looked at.
var refusedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),   // shared address space, carrier NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // IETF protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relay
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarking
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("::/96"),           // IPv4-compatible, unspecified, loopback
	netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4-translated
	netip.MustParsePrefix("64:ff9b::/96"),    // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),  // local NAT64
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/23"),       // IETF protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("5f00::/16"),       // segment routing
	netip.MustParsePrefix("fec0::/10"),       // site-local
}

func webhookEvent(t store.EventType) string {
	switch t {
	case store.ApprovalApproved:
		return "approval_request.approved"
	case store.ApprovalDenied:
		return "approval_request.denied"
	case store.ApprovalExpired:
		return "approval_request.expired"
	case store.DraftApproved:
		return "policy_draft.approved"
	default:
		return "policy_draft.denied"
	}
}

// notify puts a webhook call into the outbox, if the agent wants one.
func (s *Service) notify(ctx context.Context, tx store.Tx, agentPrincipalID, event string, data map[string]any) error {
	agent, err := store.Get[store.Agent](ctx, tx, agentPrincipalID)
	if errors.Is(err, store.ErrNotFound) || (err == nil && agent.Webhook == nil) {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.Now()
	body, err := json.Marshal(map[string]any{"event_type": event, "timestamp": now,
		"agent_principal_id": agent.PrincipalID, "data": data})
	if err != nil {
		return err
	}
	return tx.Insert(store.Delivery{ID: s.newID("whd"), AgentPrincipalID: agent.PrincipalID, OwnerID: agent.OwnerID,
		EventType: event, Body: body, Status: store.Pending, NextAttempt: now, CreatedAt: now})
}

// DueDelivery is a webhook call to be made now.
type DueDelivery struct {
	store.Delivery
	Target store.Webhook
}

// DueDeliveries returns the webhook calls to be made now, and when the next one will be due (zero
// if none waits).
func (s *Service) DueDeliveries(ctx context.Context) (due []DueDelivery, next time.Time, err error) {
	waiting, err := store.Find[store.Delivery](ctx, s.store, store.ByStatus(store.Pending))
	if err != nil {
		return nil, next, unavailable(err)
	}
	for _, d := range waiting {
		if d.NextAttempt.After(s.Now()) {
			if next.IsZero() || d.NextAttempt.Before(next) {
				next = d.NextAttempt
			}
			continue
		}
		agent, err := store.Get[store.Agent](ctx, s.store, d.AgentPrincipalID)
		if err != nil || agent.Webhook == nil {
			continue
		}
		due = append(due, DueDelivery{d, *agent.Webhook})
	}
	return due, next, nil
}

// Delivered settles one attempt: with a nil failure the call is done; else it is tried again later,
// or becomes a dead letter after MaxAttempts.
func (s *Service) Delivered(ctx context.Context, id string, failure error) error {
	return s.update(ctx, func(tx store.Tx) error {
		d, err := store.Get[store.Delivery](ctx, tx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if failure == nil {
			return tx.Delete(store.KindDelivery, id)
		}
		d.Attempts++
		d.LastError = clip(failure.Error(), 500)
		d.NextAttempt = s.Now().Add(firstRetry << (d.Attempts - 1))
		if d.Attempts >= MaxAttempts {
			d.Status = store.Dead
		}
		return tx.Put(d)
	})
}

// Deliveries lists the caller's webhook calls that are not done: waiting and dead ones.
func (s *Service) Deliveries(ctx context.Context, c Caller) ([]store.Delivery, error) {
	all, err := store.Find[store.Delivery](ctx, s.store, store.ByOwner(c.OwnerID))
	if err != nil {
		return nil, unavailable(err)
	}
	return all, nil
}
