package server

import (
	"cmp"

	"github.com/openleash/openleash-go/leash"
)

func (s *Server) registrationRoutes() []route {
	return []route{
		{method: "POST", path: "/v1/agents/registration-challenge", weight: writes, summary: "Ask for a challenge to register by",
			doc:      "For an agent without an invite. It signs the challenge's bytes with its key and registers with the signature.",
			endpoint: takes(s.challenge, "agent_id", "agent_pubkey_b64")},
		{method: "POST", path: "/v1/agents/register", weight: writes, summary: "Register with a signed challenge",
			doc:      "The agent is PENDING and can do nothing until its owner accepts it.",
			endpoint: takes(s.register, "challenge_id", "agent_id", "agent_pubkey_b64", "signature_b64")},
		{method: "GET", path: "/v1/agents/register-with-invite", summary: "What an invite is for",
			query:    []param{{"invite_id", "string", "of the invite"}, {"invite_token", "string", "of the invite; it is not looked at"}},
			endpoint: gives(s.explainInvite)},
		{method: "POST", path: "/v1/agents/register-with-invite", weight: writes, summary: "Redeem an invite",
			doc: "The agent is ACTIVE at once. An invite works once. invite_id and invite_token may stand in the query or in the body. " +
				"An agent_id that is in use is 409 AGENT_ID_TAKEN, unless its owner's invite replaces its key.",
			query:    []param{{"invite_id", "string", "if not in the body"}, {"invite_token", "string", "if not in the body"}},
			endpoint: takes(s.redeemInvite, "agent_id", "agent_pubkey_b64")},
	}
}

// ChallengeRequest is leash.ChallengeInput with the name that older clients have for owner_id.
type ChallengeRequest struct {
	leash.ChallengeInput
	OwnerPrincipalID string `json:"owner_principal_id"`
}

func (s *Server) challenge(c *call, in ChallengeRequest) (leash.ChallengeView, error) {
	in.OwnerID = cmp.Or(in.OwnerID, in.OwnerPrincipalID)
	if from := network(s.clientAddr(c.Request())); from.IsValid() {
		in.From = from.String()
	}
	return s.svc.RegistrationChallenge(c.ctx, in.ChallengeInput)
}

// RegisterRequest is leash.RegisterInput with the name that older clients have for owner_id.
type RegisterRequest struct {
	leash.RegisterInput
	OwnerPrincipalID string `json:"owner_principal_id"`
}

func (s *Server) register(c *call, in RegisterRequest) (leash.Registration, error) {
	in.OwnerID = cmp.Or(in.OwnerID, in.OwnerPrincipalID)
	return s.svc.Register(c.ctx, in.RegisterInput)
}

func (s *Server) redeemInvite(c *call, in leash.RedeemInput) (leash.Registration, error) {
	in.InviteID = cmp.Or(in.InviteID, c.query.Get("invite_id"))
	in.InviteToken = cmp.Or(in.InviteToken, c.query.Get("invite_token"))
	return s.svc.RedeemInvite(c.ctx, in)
}

// InviteGuide tells an agent that opened an invite's URL what to do next.
type InviteGuide struct {
	Message string            `json:"message"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Body    map[string]string `json:"body"`
}

func (s *Server) explainInvite(c *call) (InviteGuide, error) {
	return InviteGuide{
		Message: "This invite lets one agent join its owner, once. Make an Ed25519 key pair, keep the private key, and POST " +
			"the public key here. Requests are then signed as /reference describes.",
		Method: "POST",
		URL:    s.cfg.PublicURL + "/v1/agents/register-with-invite",
		Body: map[string]string{
			"invite_id":          cmp.Or(clip(c.query.Get("invite_id"), 64), "from the invite"),
			"invite_token":       "from the invite",
			"agent_id":           "a name of your choice, unique on this server",
			"agent_pubkey_b64":   "base64 of the public key as DER (SPKI)",
			"webhook_url":        "optional: where to be told of approvals",
			"webhook_secret":     "optional: signs those calls",
			"webhook_auth_token": "optional: sent with those calls as Bearer",
		},
	}, nil
}
