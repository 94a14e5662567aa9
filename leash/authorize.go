package leash

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// Answer is what an agent gets for an action request. Only the result ALLOW permits anything.
type Answer struct {
	DecisionID      string              `json:"decision_id"`
	ActionID        string              `json:"action_id"`
	ActionHash      string              `json:"action_hash"`
	Result          store.Result        `json:"result"`
	MatchedRuleID   *string             `json:"matched_rule_id"`
	MatchedPolicyID *string             `json:"matched_policy_id"`
	Reason          string              `json:"reason"`
	ProofToken      *string             `json:"proof_token"`
	ProofExpiresAt  *time.Time          `json:"proof_expires_at"`
	Obligations     []store.Obligation  `json:"obligations"`
	Budgets         []store.BudgetState `json:"budgets,omitempty"`
}

// Authorize answers an action request: resolve the layers, decide, record, mint the proof. body is
// the JSON of the request. A denial is an Answer; an error is never an ALLOW.
func (s *Service) Authorize(ctx context.Context, a *Agent, body []byte) (*Answer, error) {
	now := s.Now()
	action, err := s.readAction(a, body)
	if err != nil {
		return nil, err
	}
	var out *Answer
	err = s.unchangedFor(ctx, a, func(a *Agent) (err error) {
		out, err = s.authorize(ctx, a, action, now)
		return err
	})
	return out, err
}

// authorize decides once, in the state of the agent.
func (s *Service) authorize(ctx context.Context, a *Agent, action *proof.ParsedAction, now time.Time) (*Answer, error) {
	if a.layers.Empty() {
		return nil, s.noPolicy(ctx, a, action, now)
	}
	approval, err := s.presented(ctx, a, action, now)
	if err != nil {
		return nil, err
	}
	d, charges, err := s.decide(ctx, a, action, approval, now)
	if err != nil {
		return nil, err
	}
	recorded, err := s.record(ctx, a, d.Decision, charges)
	if err != nil {
		return nil, err
	}
	if err := s.recheck(ctx, &recorded, d); err != nil {
		return nil, err
	}
	return s.answer(a, action, recorded)
}

// recheck denies a repeated ALLOW that was released, or that the policies which are active now do not allow.
func (s *Service) recheck(ctx context.Context, r *store.Recorded, now decided) error {
	if !r.Replayed || r.Decision.Result != store.Allow {
		return nil
	}
	fate, err := s.store.Fate(ctx, r.Decision.ID)
	if err != nil {
		return unavailable(err)
	}
	approved := r.Decision.ApprovalID != "" && now.policies != rego.Deny
	switch {
	case fate.Released:
		r.Decision.Reason = "this action was allowed and then released; ask with a new action_id"
	case now.policies != rego.Allow && !approved:
		r.Decision.Reason = "this action was allowed before, and is not any more: " + now.Reason
	default:
		return nil
	}
	r.Decision.Result, r.Decision.ProofID, r.Decision.ProofTTL, r.Decision.Obligations = store.Deny, "", 0, nil
	r.Decision.ProofUse = ""
	return nil
}

// decided is a decision before it is recorded.
type decided struct {
	store.Decision
	policies rego.Result // what the policies say, before an approval and budgets
}

// noPolicy records the denial of an agent to which no policy applies, and returns the error that says so.
func (s *Service) noPolicy(ctx context.Context, a *Agent, action *proof.ParsedAction, now time.Time) error {
	d := s.newDecision(a, action, now)
	d.Result, d.Reason = store.Deny, store.NoPolicy
	if _, err := s.record(ctx, a, d, nil); err != nil {
		return err
	}
	return fail(NoPolicy, "no policy applies to the agent %q yet, so nothing is allowed; ask its owner to write one", a.AgentID)
}

// newDecision is a decision on an action, without its result.
func (s *Service) newDecision(a *Agent, action *proof.ParsedAction, now time.Time) store.Decision {
	return store.Decision{
		ID: s.newID("dec"), Time: now, OwnerID: a.OwnerID, AgentID: a.AgentID,
		AgentPrincipalID: a.PrincipalID, Groups: a.Groups,
		ActionID: action.ActionID, ActionType: action.ActionType, ActionHash: action.Hash, Action: action.Canonical,
		PolicyRevision: a.engine.Revision(), Nonce: a.nonce, Generation: a.generation,
	}
}

// readAction decodes an action request and holds it to the agent that signed it.
func (s *Service) readAction(a *Agent, body []byte) (*proof.ParsedAction, error) {
	action, err := ParseAction(body)
	if err != nil {
		return nil, err
	}
	if p := action.Principal; p != nil && p.AgentID != a.AgentID {
		return nil, fail(AgentMismatch, "principal.agent_id is not the agent that signed the request")
	}
	if p := action.Subject; p != nil && p.PrincipalID != a.OwnerID {
		return nil, fail(SubjectMismatch, "subject.principal_id is not the owner of the agent that signed the request")
	}
	if action.ActionID == "" {
		action.ActionID = s.newUUID()
	}
	return action, nil
}

// ParseAction decodes an action request strictly; what is wrong with it is an *Error.
func ParseAction(body []byte) (*proof.ParsedAction, error) {
	action, err := proof.ParseAction(body)
	var invalid *proof.ActionError
	if errors.As(err, &invalid) {
		return nil, &Error{Code: InvalidAction, Message: invalid.Error(),
			Details: map[string]string{"code": string(invalid.Code), "path": invalid.Path}}
	}
	return action, err
}

// decide evaluates the policies, applies a presented approval, and works out what is to be charged.
func (s *Service) decide(ctx context.Context, a *Agent, action *proof.ParsedAction, approval *store.Approval, now time.Time) (decided, []store.Charge, error) {
	in := rego.Input{Action: action.Input, ActionType: action.ActionType, Now: now}
	if approval != nil {
		in.AssuranceLevel = approval.AssuranceLevel
	}
	var err error
	if in.Budgets, err = s.readings(ctx, a, now); err != nil {
		return decided{}, nil, err
	}
	said := a.layers.Decide(ctx, in)
	if said.Err != nil {
		s.cfg.Log.ErrorContext(ctx, "policy error", "owner_id", a.OwnerID, "policy_id", said.PolicyID, "err", said.Err)
	}
	d := s.newDecision(a, action, now)
	d.Result, d.PolicyID, d.RuleID, d.Reason = store.Result(said.Result), said.PolicyID, said.RuleID, said.Reason
	for _, m := range said.Matches {
		d.Policies = append(d.Policies, store.PolicyMatch(m))
	}
	if approval != nil {
		d.ApprovalID = approval.ID
	}
	owed := said.Obligations
	if d.Result != store.Deny {
		owed = outstanding(said.Obligations, approval)
		d.Result = store.Result(rego.ResultOf(owed))
	}
	d.Obligations = s.obligations(said.Obligations, owed)
	if d.Result == store.Allow && said.Proof.Required {
		d.ProofID = s.newID("prf")
		d.ProofTTL = s.proofTTL(said.Proof)
		if said.Proof.Redeem {
			d.ProofUse = proof.UseOnceOnline
		}
	}
	charges, err := s.charge(ctx, a, said, &d, approval)
	return decided{d, said.Result}, charges, err
}

// outstanding drops the obligations that an approval has satisfied. What an agent says in its
// payload satisfies none.
func outstanding(obligations []compiler.Obligation, approval *store.Approval) []compiler.Obligation {
	if approval == nil {
		return obligations
	}
	var owed []compiler.Obligation
	for _, o := range obligations {
		switch o.Type {
		case compiler.HumanApproval:
			continue
		case compiler.StepUpAuth:
			if rego.Satisfies(o, approval.AssuranceLevel) {
				continue
			}
		case compiler.Deposit:
			if approval.DepositReference != "" {
				continue
			}
		}
		owed = append(owed, o)
	}
	return owed
}

func (s *Service) obligations(all, owed []compiler.Obligation) []store.Obligation {
	out := make([]store.Obligation, 0, len(all))
	for _, o := range all {
		status := "SATISFIED"
		for _, w := range owed {
			if w.Type == o.Type {
				status = "PENDING"
			}
		}
		details := o.Params
		if len(details) == 0 {
			details = json.RawMessage("{}")
		}
		out = append(out, store.Obligation{ID: s.newID("obl"), Type: o.Type, Status: status, Details: details})
	}
	return out
}

func (s *Service) proofTTL(p compiler.ProofSpec) int {
	ttl := time.Duration(p.TTLSeconds) * time.Second
	if ttl <= 0 {
		ttl = s.adjusted.Load().ProofTTL
	}
	return int(min(ttl, MaxProofTTL) / time.Second)
}

// record writes the decision. If a budget was taken by another request in the meantime, what is
// written is the refusal.
func (s *Service) record(ctx context.Context, a *Agent, d store.Decision, charges []store.Charge) (store.Recorded, error) {
	recorded, err := s.store.Record(ctx, d, charges)
	var full *store.ExceededError
	if errors.As(err, &full) {
		refuse(&d, a.layers, full.Budgets, s.newID)
		recorded, err = s.store.Record(ctx, d, nil)
		recorded.Budgets = full.Budgets
	}
	switch {
	case err == nil:
		return recorded, nil
	case errors.Is(err, store.ErrChanged):
		return recorded, err
	case errors.Is(err, store.ErrActionIDReused):
		return recorded, fail(ActionIDReused, "the action_id %q was used for another action; use a new one", d.ActionID)
	case errors.Is(err, store.ErrConsumed):
		return recorded, fail(ApprovalTokenConsumed, "the approval was used before; it is good for one action")
	default:
		return recorded, unavailable(err)
	}
}

// answer mints the proof of a recorded ALLOW and says everything the agent may know. A replayed
// decision gets the same proof again: its claims are those of the first time.
func (s *Service) answer(a *Agent, action *proof.ParsedAction, r store.Recorded) (*Answer, error) {
	d := r.Decision
	out := &Answer{
		DecisionID: d.ID, ActionID: d.ActionID, ActionHash: d.ActionHash, Result: d.Result,
		MatchedRuleID: nullable(d.RuleID), MatchedPolicyID: nullable(d.PolicyID),
		Reason: d.Reason, Obligations: d.Obligations, Budgets: r.Budgets,
	}
	if out.Obligations == nil {
		out.Obligations = []store.Obligation{}
	}
	if d.Result != store.Allow || d.ProofID == "" {
		return out, nil
	}
	claims := proofClaims(d, a.Owner.Type, action)
	token, err := s.keys.Load().Mint(proof.PurposeProof, claims)
	if err != nil {
		return nil, unavailable(err)
	}
	out.ProofToken, out.ProofExpiresAt = &token, &claims.ExpiresAt
	return out, nil
}

// proofClaims is what a proof says of a recorded ALLOW: the same each time it is asked.
func proofClaims(d store.Decision, ownerType string, action *proof.ParsedAction) proof.Claims {
	claims := proof.Claims{
		IssuedAt: d.Time, NotBefore: d.Time, ExpiresAt: d.Time.Add(time.Duration(d.ProofTTL) * time.Second), ID: d.ProofID,
		DecisionID: d.ID, Decision: string(store.Allow), OwnerType: ownerType, OwnerID: d.OwnerID, AgentID: d.AgentID,
		ActionID: d.ActionID, ActionType: d.ActionType, ActionHash: d.ActionHash,
		MatchedRuleID: nullable(d.RuleID), PolicyRevision: d.PolicyRevision,
		AmountMinor: action.AmountMinor, Currency: action.Currency, Use: d.ProofUse,
	}
	if rp := action.RelyingParty; rp != nil {
		claims.Audience, claims.TrustProfile = rp.Domain, rp.TrustProfile
	}
	return claims
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
