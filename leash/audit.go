package leash

import (
	"context"
	"errors"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// AuditPage is a page of the log, newest first.
type AuditPage struct {
	Items      []store.Entry `json:"items"`
	NextCursor string        `json:"next_cursor,omitempty"`
}

// Audit reads the caller's part of the log, newest first. The admin without an owner reads all of it.
func (s *Service) Audit(ctx context.Context, c Caller, q store.AuditQuery) (AuditPage, error) {
	q.OwnerID = c.OwnerID
	if q.OwnerID == "" && !c.everybodys() {
		return AuditPage{}, fail(Forbidden, "the log of all owners is for the admin")
	}
	q.Limit = pageLimit(q.Limit)
	page, err := s.store.Audit(ctx, q)
	if err != nil {
		return AuditPage{}, unavailable(err)
	}
	out := AuditPage{Items: page.Items, NextCursor: page.NextCursor}
	if out.Items == nil {
		out.Items = []store.Entry{}
	}
	return out, nil
}

// Decision returns one decision of the caller's agents as the log has it.
func (s *Service) Decision(ctx context.Context, c Caller, id string) (store.Entry, error) {
	e, err := s.store.Decision(ctx, id)
	if errors.Is(err, store.ErrNotFound) || (err == nil && e.OwnerID != c.OwnerID) {
		return store.Entry{}, fail(NotFound, "there is no decision %q", id)
	}
	if err != nil {
		return store.Entry{}, unavailable(err)
	}
	return e, nil
}

// Count adds up the decisions of the caller's agents, of one or of all, by the hour and the result.
func (s *Service) Count(ctx context.Context, c Caller, agentPrincipalID string, since time.Time) (map[time.Time]store.Counts, error) {
	counts, err := s.store.Count(ctx, c.OwnerID, agentPrincipalID, since)
	if err != nil {
		return nil, unavailable(err)
	}
	return counts, nil
}

// Entry returns one entry of the caller's part of the log, by its id or by that of its decision.
func (s *Service) Entry(ctx context.Context, c Caller, id string) (store.Entry, error) {
	e, err := s.store.Entry(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && e.OwnerID != c.OwnerID && !c.everybodys() {
		return store.Entry{}, fail(NotFound, "there is no entry %q in your log", id)
	}
	if err != nil {
		return store.Entry{}, unavailable(err)
	}
	return e, nil
}

// Redact takes values out of the payload of one log entry, for ever; commitments to them stay, so the
// chain stays whole. id is that of the entry or of its decision; paths are such as $.payload.email. It
// returns the paths that were taken out.
func (s *Service) Redact(ctx context.Context, c Caller, id string, paths []string) ([]string, error) {
	if !c.Admin {
		return nil, fail(Forbidden, "only the admin redacts the log")
	}
	if len(paths) == 0 {
		return nil, fail(InvalidRequest, "name the paths to take out, such as $.payload.email")
	}
	removed, err := s.store.Redact(ctx, id, paths, c.By())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, fail(NotFound, "there is no log entry %q", id)
	case err != nil:
		return nil, unavailable(err)
	}
	return removed, nil
}

// DecisionProof returns the claims of the proof that a recorded decision of the caller's agents came
// with, but for the kid of the key that was active then; nil if it came with none.
func (s *Service) DecisionProof(ctx context.Context, c Caller, decisionID string) (*proof.Claims, error) {
	e, err := s.Decision(ctx, c, decisionID)
	if err != nil {
		return nil, err
	}
	if e.Decision.Result != store.Allow || e.Decision.ProofID == "" {
		return nil, nil
	}
	owner, err := get[store.Owner](ctx, s.store, e.OwnerID, "owner")
	if err != nil {
		return nil, err
	}
	action, err := proof.ParseAction(e.Action)
	if err != nil {
		return nil, fail(NotFound, "the action of %q was redacted, and with it the claims", decisionID)
	}
	d := *e.Decision
	d.Time, d.OwnerID, d.AgentID = e.Time, e.OwnerID, e.AgentID
	claims := proofClaims(d, owner.Type, action)
	claims.Issuer, claims.Purpose = proof.Issuer, proof.PurposeProof
	return &claims, nil
}
