package server

import (
	"bytes"
	"encoding/json"
	"fmt"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// maxEvaluations bounds what one AuthZEN request may ask.
const maxEvaluations = 32

func (s *Server) authzenRoutes() []route {
	doc := "OpenID AuthZEN Authorization API 1.0, for signed agents. subject is {type: agent, id: the agent's own id} or {type: user, id: its owner}. " +
		"action.name is the action type; context and action.properties together are the payload, with resource.properties under its key resource. " +
		"context.openleash may hold {action_id, relying_party, approval_token}. decision is true only for ALLOW; the response's context is the whole answer, with obligations and proof."
	return []route{
		{method: "POST", path: "/access/v1/evaluation", summary: "Ask for a decision (AuthZEN)", doc: doc, redeems: true,
			endpoint: takes(s.evaluate, "subject", "action", "resource")},
		{method: "POST", path: "/access/v1/evaluations", summary: "Ask for several decisions (AuthZEN)", redeems: true,
			doc:      fmt.Sprintf("At most %d. What an evaluation leaves out is that of the request. options.evaluations_semantic is execute_all (the default), deny_on_first_deny or permit_on_first_permit.", maxEvaluations),
			endpoint: takes(s.evaluateAll)},
	}
}

// Evaluation is an AuthZEN access evaluation request.
type Evaluation struct {
	Subject  *EvaluationEntity         `json:"subject"`
	Action   *EvaluationAction         `json:"action"`
	Resource *EvaluationEntity         `json:"resource"`
	Context  map[string]jsontext.Value `json:"context"`
}

// EvaluationEntity is a subject or a resource.
type EvaluationEntity struct {
	Type       string                    `json:"type"`
	ID         string                    `json:"id"`
	Properties map[string]jsontext.Value `json:"properties"`
}

// EvaluationAction is what is to be done.
type EvaluationAction struct {
	Name       string                    `json:"name"`
	Properties map[string]jsontext.Value `json:"properties"`
}

// EvaluationAnswer is an AuthZEN decision. Decision is true only for ALLOW.
type EvaluationAnswer struct {
	Decision bool              `json:"decision"`
	Context  EvaluationContext `json:"context"`
}

// EvaluationContext is the whole answer, or why there is none.
type EvaluationContext struct {
	Answer *leash.Answer `json:"openleash,omitempty"`
	Error  *ErrorInfo    `json:"error,omitempty"`
}

// Evaluations are several requests; what one leaves out is that of the whole.
type Evaluations struct {
	Evaluation
	Evaluations []Evaluation      `json:"evaluations"`
	Options     EvaluationOptions `json:"options"`
}

// EvaluationOptions say how several evaluations end.
type EvaluationOptions struct {
	Semantic string `json:"evaluations_semantic"`
}

// EvaluationAnswers are the answers in the order of the requests, as far as they were evaluated.
type EvaluationAnswers struct {
	Evaluations []EvaluationAnswer `json:"evaluations"`
}

func (s *Server) evaluate(c *call, in Evaluation) (EvaluationAnswer, error) {
	action, err := in.action()
	if err != nil {
		return EvaluationAnswer{}, err
	}
	answer, err := s.decide(c, action)
	if err != nil {
		return EvaluationAnswer{}, err
	}
	return EvaluationAnswer{answer.Result == store.Allow, EvaluationContext{Answer: answer}}, nil
}

func (s *Server) evaluateAll(c *call, in Evaluations) (EvaluationAnswers, error) {
	out := EvaluationAnswers{Evaluations: []EvaluationAnswer{}}
	var stop func(EvaluationAnswer) bool
	switch in.Options.Semantic {
	case "", "execute_all":
		stop = func(EvaluationAnswer) bool { return false }
	case "deny_on_first_deny":
		stop = func(a EvaluationAnswer) bool { return !a.Decision }
	case "permit_on_first_permit":
		stop = func(a EvaluationAnswer) bool { return a.Decision }
	default:
		return out, fail(leash.InvalidRequest, "evaluations_semantic must be execute_all, deny_on_first_deny or permit_on_first_permit")
	}
	if len(in.Evaluations) > maxEvaluations {
		return out, fail(leash.InvalidRequest, fmt.Sprintf("at most %d evaluations are answered at once", maxEvaluations))
	}
	if len(in.Evaluations) == 0 {
		in.Evaluations = []Evaluation{{}} // as AuthZEN has it: the request itself is the one
	}
	for _, e := range in.Evaluations {
		answer, err := s.evaluate(c, e.orElse(in.Evaluation))
		if err != nil {
			_, body := explain(err, true)
			answer = EvaluationAnswer{false, EvaluationContext{Error: &body.Error}}
		}
		out.Evaluations = append(out.Evaluations, answer)
		if stop(answer) {
			break
		}
	}
	return out, nil
}

// orElse fills what an evaluation leaves out.
func (e Evaluation) orElse(whole Evaluation) Evaluation {
	orElse(&e.Subject, whole.Subject)
	orElse(&e.Action, whole.Action)
	orElse(&e.Resource, whole.Resource)
	if e.Context == nil {
		e.Context = whole.Context
	}
	return e
}

// extension is what AuthZEN has no name for.
type extension struct {
	ActionID      string              `json:"action_id"`
	RelyingParty  *proof.RelyingParty `json:"relying_party"`
	ApprovalToken string              `json:"approval_token"`
}

// action is the action request that an evaluation stands for.
func (e Evaluation) action() ([]byte, error) {
	if e.Subject == nil || e.Action == nil || e.Resource == nil {
		return nil, fail(leash.InvalidRequest, "subject, action and resource are required")
	}
	if len(e.Subject.Properties) > 0 {
		return nil, fail(leash.InvalidRequest, "subject.properties are not taken from an agent: the server knows its own")
	}
	out := ActionRequest{Action: proof.Action{ActionType: e.Action.Name,
		Resource: &proof.Resource{ResourceID: e.Resource.ID, ResourceType: e.Resource.Type}}}
	switch e.Subject.Type {
	case "agent":
		out.Principal = &proof.Principal{AgentID: e.Subject.ID}
	case "user", "owner":
		out.Subject = &proof.Subject{PrincipalID: e.Subject.ID}
	default:
		return nil, fail(leash.InvalidRequest, "subject.type must be agent or user")
	}
	payload, ext, err := e.payload()
	if err != nil {
		return nil, err
	}
	out.ActionID, out.RelyingParty, out.ApprovalToken, out.Payload = ext.ActionID, ext.RelyingParty, ext.ApprovalToken, payload
	return json.Marshal(out)
}

// payload joins what policies are to see, and takes our extension out of it.
func (e Evaluation) payload() (json.RawMessage, extension, error) {
	var ext extension
	all := map[string]jsontext.Value{}
	for k, v := range e.Context {
		if k != "openleash" {
			all[k] = v
			continue
		}
		if err := jsonv2.Unmarshal(v, &ext, jsonv2.RejectUnknownMembers(true)); err != nil {
			return nil, ext, fail(leash.InvalidRequest, "context.openleash: "+explainJSON(err))
		}
	}
	more := e.Action.Properties
	if len(e.Resource.Properties) > 0 {
		props, err := jsonv2.Marshal(e.Resource.Properties)
		if err != nil {
			return nil, ext, err
		}
		if _, twice := more["resource"]; twice {
			return nil, ext, fail(leash.InvalidRequest, "action.properties.resource and resource.properties are the same place")
		}
		if _, twice := all["resource"]; twice {
			return nil, ext, fail(leash.InvalidRequest, "context.resource and resource.properties are the same place")
		}
		all["resource"] = props
	}
	for k, v := range more {
		if _, twice := all[k]; twice {
			return nil, ext, fail(leash.InvalidRequest, fmt.Sprintf("%q stands in context and in action.properties", clip(k, 40)))
		}
		all[k] = bytes.Clone(v)
	}
	payload, err := jsonv2.Marshal(all, jsonv2.Deterministic(true))
	return json.RawMessage(payload), ext, err
}
