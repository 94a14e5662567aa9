package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/leash"
)

func approvalCommand(a *app) *cobra.Command {
	return forOwner(a, noun("approval", "Approval requests: list, show, approve, deny",
		approvalList(a), approvalShow(a), approvalApprove(a), approvalDeny(a)))
}

const approvals = "/v1/owner/approval-requests"

func approvalPath(id string) string { return approvals + "/" + url.PathEscape(id) }

func approvalList(a *app) *cobra.Command {
	var status string
	var all bool
	c := &cobra.Command{Use: "list", Short: "List the requests that wait, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status = strings.ToUpper(status)
			if all {
				status = ""
			}
			path := approvals + "?" + url.Values{"status": {status}}.Encode()
			return askAll(cmd.Context(), a, path, func(p leash.ApprovalPage) error {
				switch {
				case len(p.Items) > 0:
				case status == "PENDING":
					a.say("Nothing waits for you.")
					return nil
				default:
					a.say("No such requests.")
					return nil
				}
				var rows [][]string
				for _, r := range p.Items {
					rows = append(rows, []string{r.ID, string(r.Status), r.AgentID, r.ActionType, compact(r.Action), when(r.ExpiresAt)})
				}
				a.table([]string{"ID", "STATUS", "AGENT", "ACTION", "PAYLOAD", "EXPIRES"}, rows)
				return nil
			})
		}}
	c.Flags().StringVar(&status, "status", "PENDING", "only PENDING, APPROVED, DENIED, EXPIRED or CONSUMED ones")
	c.Flags().BoolVar(&all, "all", false, "whatever their status")
	return c
}

// compact is the payload of an action on one line, shortened.
func compact(action json.RawMessage) string {
	var parts struct{ Payload, Context json.RawMessage }
	_ = json.Unmarshal(action, &parts) // it was an action when it was stored
	text := string(parts.Payload)
	if text == "" {
		text = string(parts.Context)
	}
	return orDash(shorten(text, 60))
}

func approvalShow(a *app) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show one request with the whole action", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodGet, approvalPath(args[0]), nil, func(r leash.ApprovalView) error {
				a.say("%s  %s asks for %s", a.paint.bold(a.paint.verdict(string(r.Status))), printable(r.AgentID), a.paint.bold(r.ActionType))
				a.say("  needs     %s", r.Required)
				if r.RuleID != "" {
					a.say("  rule      %s of %s", r.RuleID, r.PolicyID)
				}
				a.say("  because   %s", orDash(printable(r.Reason)))
				a.say("  it says   %s", orDash(printable(r.Justification)))
				a.say("  asked     %s, waits until %s", when(r.CreatedAt), when(r.ExpiresAt))
				for _, b := range r.Overages {
					a.say("  over      %s", a.paint.yellow(fmt.Sprintf("budget %s: %s", b.ID, left(b.Remaining, b.Limit, b.Currency, b.ResetsAt))))
				}
				var action bytes.Buffer
				if err := json.Indent(&action, r.Action, "  ", "  "); err != nil {
					return fmt.Errorf("reading the action: %w", err)
				}
				a.say("\n  %s", action.String())
				for _, path := range r.Redacted {
					a.say("  %s (redacted)", printable(path))
				}
				return nil
			})
		}}
}

func approvalApprove(a *app) *cobra.Command {
	var in leash.ApproveInput
	c := &cobra.Command{Use: "approve ID", Short: "Approve this one action", Args: cobra.ExactArgs(1),
		Long: "Approves one action, once: the agent asks again with the token, and policy and budgets are looked at again.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodPost, approvalPath(args[0])+"/approve", in, func(g leash.ApprovalGrant) error {
				a.say("%s. The agent may redeem it until %s; one that waits has the token already:\n\n%s",
					a.paint.verdict(string(g.Status)), when(g.TokenExpiresAt), g.Token)
				return nil
			})
		}}
	c.Flags().StringVar(&in.TOTPCode, "totp-code", "", "code of your authenticator, for a step-up")
	c.Flags().StringVar(&in.DepositReference, "deposit-reference", "", "reference of the payment, for a deposit")
	return c
}

func approvalDeny(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{Use: "deny ID", Short: "Deny it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), a, http.MethodPost, approvalPath(args[0])+"/deny", map[string]string{"reason": reason}, func(r leash.ApprovalView) error {
				a.say("%s.", a.paint.verdict(string(r.Status)))
				return nil
			})
		}}
	c.Flags().StringVar(&reason, "reason", "", "why, for the agent to read")
	return c
}
