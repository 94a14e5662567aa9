package gui

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/openleash/openleash-go/store"
)

// entryView is a log entry in words.
type entryView struct {
	store.Entry
	Title string
	Note  string
	Kind  string // of its pill: good, bad, ask or empty
	Word  string
	Owner string // name of whose it is, where those of several owners are listed
	Day   string // set on the first entry of a day, where days are shown
}

// eventNames say what an event type means.
var eventNames = map[store.EventType]string{
	store.DecisionCreated: "Decision", store.ChargeSettled: "Charge settled", store.BudgetAlert: "Budget alert",
	store.ApprovalRequested: "Approval asked for", store.ApprovalApproved: "Approved", store.ApprovalDenied: "Approval denied", store.ApprovalExpired: "Approval expired",
	store.ProofRedeemed: "Proof redeemed", store.SettlementRefused: "Settlement refused", store.LogAdopted: "Log adopted",
	store.AgentInvited: "Agent invited", store.InviteRevoked: "Invite revoked", store.AgentRegistered: "Agent joined",
	store.AgentUpdated: "Agent changed", store.AgentRevoked: "Agent revoked", store.PolicyUpdated: "Policy changed",
	store.PolicyDeleted: "Policy deleted", store.PolicyRefused: "Policy refused", store.PolicyRecovered: "Policy file fixed", store.DraftSubmitted: "Draft proposed",
	store.DraftApproved: "Draft approved", store.DraftDenied: "Draft denied", store.OwnerCreated: "Owner created",
	store.OwnerUpdated: "Owner changed", store.OwnerRevoked: "Owner revoked", store.SessionStarted: "Logged in",
	store.SessionEnded: "Logged out", store.KeyRotated: "Key rotated", store.KeyRevoked: "Key revoked",
	store.EntryRedacted: "Entry redacted", store.LogCheckpoint: "Checkpoint", store.LogRecovered: "Log recovered",
	store.BudgetRenamed: "Budget renamed", store.BudgetRestarted: "Budget started at 0",
}

func eventName(t store.EventType) string {
	return cmp.Or(eventNames[t], strings.ToLower(strings.ReplaceAll(string(t), "_", " ")))
}

// describe says a log entry in words.
func describe(e store.Entry) entryView {
	v := entryView{Entry: e, Title: eventName(e.Type), Note: e.AgentID}
	if d := e.Decision; d != nil {
		a := readAction(e.Action)
		v.Title = d.ActionType
		v.Note = join(e.AgentID, a.Amount, a.To)
		v.Kind, v.Word = pills[string(d.Result)][0], pills[string(d.Result)][1]
		return v
	}
	var data struct {
		PolicyID    string `json:"policy_id"`
		ActionType  string `json:"action_type"`
		Reason      string `json:"reason"`
		DisplayName string `json:"display_name"`
		Percent     int    `json:"percent"`
		BudgetID    string `json:"budget_id"`
		KID         string `json:"kid"`
		Passphrase  string `json:"passphrase"`
		TOTP        string `json:"totp"`
		Status      string `json:"status"`
	}
	_ = json.Unmarshal(e.Data, &data) // what it does not hold is left out of the words
	switch {
	case data.Passphrase != "":
		v.Title = "Passphrase changed"
	case data.TOTP != "":
		v.Title = "Authenticator " + data.TOTP
	case e.Type == store.AgentUpdated && data.Status == string(store.Active):
		v.Title = "Agent accepted"
	}
	v.Note = join(e.AgentID, data.ActionType, data.PolicyID, data.BudgetID, data.DisplayName, data.KID, data.Reason)
	switch e.Type {
	case store.PolicyRefused, store.BudgetAlert, store.LogRecovered:
		v.Kind, v.Word = "ask", "Look"
	}
	return v
}

// describe says a log entry in words to whoever visits.
func (v *visit) describe(e store.Entry) entryView {
	out := describe(e)
	if e.Decision != nil && e.Decision.Result == store.RequireApproval {
		out.Word = "Asks " + v.you()
	}
	return out
}

// join puts what there is of some words into one line.
func join(words ...string) string {
	var out []string
	for _, w := range words {
		if w = short(w); w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, " · ")
}
