package gui

import "net/http"

// flash names a message that the next page shows once. Only these can be shown: a cookie is not ours
// alone to write, for all ports of a host share them.
type flash string

const flashCookie = "openleash_said"

const (
	saidWelcome       flash = "welcome"
	saidLoggedOut     flash = "logged-out"
	saidApproved      flash = "approved"
	saidDenied        flash = "denied"
	saidSettled       flash = "settled"
	saidAgentAccepted flash = "agent-accepted"
	saidAgentRevoked  flash = "agent-revoked"
	saidGroups        flash = "groups"
	saidInviteRevoked flash = "invite-revoked"
	saidPolicySaved   flash = "policy-saved"
	saidPolicyDeleted flash = "policy-deleted"
	saidPolicyMoved   flash = "policy-moved"
	saidDraftApproved flash = "draft-approved"
	saidDraftDenied   flash = "draft-denied"
	saidNameChanged   flash = "name-changed"
	saidPassphrase    flash = "passphrase-changed"
	saidPassphraseSet flash = "passphrase-set"
	saidSessionEnded  flash = "session-ended"
	saidTOTPOn        flash = "totp-on"
	saidTOTPOff       flash = "totp-off"
	saidOwnerRevoked  flash = "owner-revoked"
	saidKeyRotated    flash = "key-rotated"
	saidKeyRevoked    flash = "key-revoked"
)

// messages are what the flashes say, and how.
var messages = map[flash]flashView{
	saidWelcome:       {"good", "Welcome. Your OpenLeash is ready; invite your first agent next."},
	saidLoggedOut:     {"info", "You are logged out."},
	saidApproved:      {"good", "Approved. The agent may do exactly this, once."},
	saidDenied:        {"info", "Denied. The agent has been told."},
	saidSettled:       {"good", "Settled. The budgets count the new amount."},
	saidAgentAccepted: {"good", "The agent is active."},
	saidAgentRevoked:  {"info", "The agent is revoked. It can do nothing more."},
	saidGroups:        {"good", "The groups are changed."},
	saidInviteRevoked: {"info", "The invite is worthless now."},
	saidPolicySaved:   {"good", "Saved. The policy is active."},
	saidPolicyDeleted: {"info", "The policy is deleted. Its text stays in the log."},
	saidPolicyMoved:   {"good", "The order is changed."},
	saidDraftApproved: {"good", "The draft is now an active policy."},
	saidDraftDenied:   {"info", "The draft is denied. Nothing has changed."},
	saidNameChanged:   {"good", "Your name is changed."},
	saidPassphrase:    {"good", "Your passphrase is changed. All other sessions have ended."},
	saidPassphraseSet: {"good", "Your passphrase is set. Log in with it."},
	saidSessionEnded:  {"info", "The session has ended."},
	saidTOTPOn:        {"good", "The authenticator is on. From now on, logging in needs a code."},
	saidTOTPOff:       {"ask", "The authenticator is off. Your passphrase alone opens this portal."},
	saidOwnerRevoked:  {"info", "The owner is revoked. Its sessions have ended, and its agents can do nothing more."},
	saidKeyRotated:    {"good", "A new key is in force. What the old one signed stays valid until it expires."},
	saidKeyRevoked:    {"info", "The key is revoked. What it signed is worthless now."},
}

type flashView struct{ Kind, Text string }

// said takes the message that waits for this page, if there is one.
func (v *visit) said() *flashView {
	c, err := v.r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	gone := v.cookie(flashCookie, "") //nolint:gosec // G124: cookie sets all three attributes
	gone.MaxAge = -1
	http.SetCookie(v.w, gone)
	if m, ok := messages[flash(c.Value)]; ok {
		return &m
	}
	return nil
}
