package browser

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/openleash/openleash-go/leash"
)

func signB64(key ed25519.PrivateKey, message string) string {
	raw, err := base64.StdEncoding.DecodeString(message)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(ed25519.Sign(key, raw))
}

const spending = `id: pol_everyday
name: Everyday purchases
description: What the shopping agents may buy by themselves.

# Small things pass, larger ones come to me.
rules:
  - id: small
    action: "purchase.*"
    effect: allow
    description: Small purchases pass.
    constraints:
      amount_max: 10000
      currency: [USD]
  - id: medium
    action: "purchase.*"
    effect: require_approval
    description: Larger purchases come to me.
    constraints:
      amount_max: 100000
      currency: [USD]
  - id: rest
    action: "purchase.*"
    effect: deny

budgets:
  - id: daily_spend
    limit: 50000
    currency: USD
    window: day
    actions: ["purchase.*"]
    on_exceed: require_approval
    alert_at: [80, 100]
  - id: monthly_spend
    limit: 2000000
    currency: USD
    window: month
    per: owner
    actions: ["purchase.*"]
`

const guardrail = `id: pol_no_gambling
name: No gambling
description: Nobody buys from these shops, whatever else allows it.
guardrail: true
rules:
  - id: blocked
    action: "purchase.*"
    effect: deny
    when:
      match: {path: $.payload.merchant_domain, op: in, value: [casino.example, bets.example]}
`

const travel = `id: pol_travel
name: Travel bookings
applies_to:
  groups: [travel]
rank: 10
rules:
  - id: trains
    action: booking.train
    effect: allow
  - id: flights
    action: booking.flight
    effect: require_step_up
`

const mailing = `id: pol_mail
name: Mail within the company
applies_to:
  agents: [mailer]
default: deny
rules:
  - id: inside
    action: mail.send
    effect: allow
    when:
      match: {path: $.payload.to, op: regex, value: "@example\\.com$"}
  - id: outside
    action: mail.send
    effect: require_approval
`

// populate fills a world with two weeks of a busy owner.
func (w *world) populate() {
	w.Helper()
	w.at(15 * 24 * time.Hour)
	w.setUp()
	for _, text := range []string{spending, guardrail, travel, mailing} {
		w.policy(text)
	}
	shopper, tripper, mailer := w.agent("shopper", "shopping"), w.agent("trip-planner", "travel"), w.agent("mailer")
	r := rand.New(rand.NewPCG(1, 2))
	shops := []string{"books.example", "office.example", "garden.example", "casino.example"}
	for day := 14; day >= 0; day-- {
		for i := range 3 + r.IntN(9) {
			w.at(time.Duration(day)*24*time.Hour + time.Duration(12-i)*20*time.Minute)
			switch r.IntN(6) {
			case 0:
				tripper.ask("booking.train", `{"from":"Utrecht","to":"Berlin","passengers":1}`)
			case 1:
				mailer.ask("mail.send", `{"to":"team@example.com","subject":"Weekly notes"}`)
			default:
				minor := 500 + r.IntN(9000)
				if r.IntN(7) == 0 {
					minor = 120000
				}
				shopper.ask("purchase.order", fmt.Sprintf(`{"amount_minor":%d,"currency":"USD","merchant_domain":%q}`, minor, shops[r.IntN(len(shops))]))
			}
		}
		if day > 1 && day%3 == 0 {
			req := shopper.wants("purchase.order", fmt.Sprintf(`{"amount_minor":%d,"currency":"USD","merchant_domain":"office.example","item":"Desk lamp"}`, 15000+day*1000), "The team asked for it.")
			if day%2 == 0 {
				_, err := w.Approve(w.Context(), w.owner, req.ID, leash.ApproveInput{})
				w.must(err)
			} else {
				_, err := w.DenyApproval(w.Context(), w.owner, req.ID, "We have enough lamps.")
				w.must(err)
			}
		}
	}
	w.at(14 * time.Minute)
	shopper.wants("purchase.order", `{"amount_minor":24900,"currency":"USD","merchant_domain":"office.example","item":"Standing desk converter","quantity":1,"delivery":{"city":"Utrecht","days":3}}`,
		"The order of last week was cancelled by the shop. This is the same model from another one, and it ships on Monday.")
	w.at(6 * time.Minute)
	mailer.wants("mail.send", `{"to":"press@newspaper.example","subject":"Our answer to your question","body":"Dear editors, thank you for your question."}`, "")
	w.at(3 * time.Minute)
	tripper.wants("booking.flight", `{"from":"AMS","to":"TXL","date":"2026-12-03","amount_minor":18650,"currency":"EUR"}`, "No train arrives in time.")
	w.at(2 * time.Minute)
	w.knocks("invoice-reader")
	_, err := w.SubmitDraft(w.Context(), shopper.signedIn(), leash.DraftInput{Name: "Buy books without asking", Justification: "Most approvals of the last month were books below 30 USD.",
		PolicyYAML: "id: pol_books\nrules:\n  - id: books\n    action: purchase.order\n    effect: allow\n    constraints:\n      amount_max: 3000\n      currency: [USD]\n      merchant_domain: [books.example]\n"})
	w.must(err)
	w.at(0)
}

var leashPending = leash.ApprovalQuery{Status: "PENDING"}
