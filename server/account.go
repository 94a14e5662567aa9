package server

import (
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

func (s *Server) loginRoutes() []route {
	return []route{
		{method: "POST", path: "/v1/owner/setup", weight: hashes, summary: "Set the passphrase with a set-up invite",
			doc:      "Works once. It switches TOTP off and ends all sessions: it is also the way back in for an owner who lost the passphrase.",
			endpoint: takes(s.setup, "invite_id", "invite_token", "passphrase")},
		{method: "POST", path: "/v1/owner/login", weight: hashes, summary: "Log in",
			doc:      "Without user_principal_id it is the only owner. The answer for an unknown owner and for a wrong passphrase is the same. totp_code may be a recovery code.",
			endpoint: takes(s.login, "passphrase")},
	}
}

func (s *Server) accountRoutes() []route {
	code := "With TOTP on, a valid code is needed."
	return []route{
		{method: "POST", path: "/v1/owner/logout", summary: "End this session on the server", endpoint: takes(s.logout)},
		{method: "POST", path: "/v1/owner/session/refresh", summary: "End this session and start another", endpoint: takes(s.refresh)},
		{method: "GET", path: "/v1/owner/sessions", summary: "The open sessions", endpoint: gives(s.sessions)},
		{method: "DELETE", path: "/v1/owner/sessions/:id", summary: "End one of them", endpoint: gives(s.endSession)},
		{method: "GET", path: "/v1/owner/profile", summary: "The owner", endpoint: gives(s.profile)},
		{method: "PUT", path: "/v1/owner/profile", summary: "Change name or passphrase",
			doc:      "A new passphrase needs current_passphrase and ends all other sessions.",
			endpoint: takes(s.updateProfile)},
		{method: "POST", path: "/v1/owner/totp/setup", summary: "Begin a second factor", doc: code + " It is not in force before it is confirmed.",
			endpoint: takes(s.totpSetup)},
		{method: "POST", path: "/v1/owner/totp/confirm", summary: "Put it in force", doc: "The recovery codes are shown this once.",
			endpoint: takes(s.totpConfirm, "totp_code")},
		{method: "POST", path: "/v1/owner/totp/disable", summary: "Switch it off", doc: code, endpoint: takes(s.totpDisable)},
	}
}

// SetupRequest redeems a set-up invite.
type SetupRequest struct {
	InviteID    string `json:"invite_id"`
	InviteToken string `json:"invite_token"`
	Passphrase  string `json:"passphrase"` // 8 characters or more
}

func (s *Server) setup(c *call, in SetupRequest) (leash.OwnerProfile, error) {
	return s.svc.Setup(c.ctx, in.InviteID, in.InviteToken, in.Passphrase)
}

func (s *Server) login(c *call, in leash.LoginInput) (leash.SessionGrant, error) {
	in.UserAgent = c.Request().UserAgent()
	return s.svc.Login(c.ctx, in)
}

// nothing is a body in which nothing stands.
type nothing struct{}

func (s *Server) logout(c *call, _ nothing) (done, error) {
	return said(s.svc.Logout(c.ctx, c.caller))
}

func (s *Server) refresh(c *call, _ nothing) (leash.SessionGrant, error) {
	return s.svc.Refresh(c.ctx, c.caller)
}

// Sessions are an owner's open sessions.
type Sessions struct {
	Items []store.Session `json:"items"`
}

func (s *Server) sessions(c *call) (Sessions, error) {
	all, err := s.svc.Sessions(c.ctx, c.caller)
	return Sessions{all}, err
}

func (s *Server) endSession(c *call) (done, error) {
	return said(s.svc.EndSession(c.ctx, c.caller, c.id("id")))
}

func (s *Server) profile(c *call) (leash.OwnerProfile, error) { return s.svc.Profile(c.ctx, c.caller) }

func (s *Server) updateProfile(c *call, in leash.ProfileUpdate) (leash.OwnerProfile, error) {
	return s.svc.UpdateProfile(c.ctx, c.caller, in)
}

// CodeRequest is a code from the authenticator, or a recovery code.
type CodeRequest struct {
	TOTPCode string `json:"totp_code"`
}

func (s *Server) totpSetup(c *call, in CodeRequest) (leash.TOTPEnrolment, error) {
	return s.svc.TOTPSetup(c.ctx, c.caller, in.TOTPCode)
}

// RecoveryCodes each work once in the place of a code from the authenticator.
type RecoveryCodes struct {
	Codes []string `json:"recovery_codes"`
}

func (s *Server) totpConfirm(c *call, in CodeRequest) (RecoveryCodes, error) {
	codes, err := s.svc.TOTPConfirm(c.ctx, c.caller, in.TOTPCode)
	return RecoveryCodes{codes}, err
}

func (s *Server) totpDisable(c *call, in CodeRequest) (done, error) {
	return said(s.svc.TOTPDisable(c.ctx, c.caller, in.TOTPCode))
}
