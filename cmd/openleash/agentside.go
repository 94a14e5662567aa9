package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

func agentRegister(a *app) *cobra.Command {
	var invite, agentID, env, serverURL, owner string
	c := &cobra.Command{
		Use:   "register --agent-id ID --output-env FILE (--invite URL | --url URL --owner-id ID)",
		Short: "As an agent: make a key and join an owner",
		Long: `Makes an Ed25519 key, joins, and writes the agent's environment to a file of mode 0600. With an invite the agent
is active at once; without one it asks the owner, and waits for ` + "`openleash agent accept`" + `.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (invite == "") == (owner == "") {
				return misuse("give either --invite, or --url and --owner-id")
			}
			file, err := newSecret(env)
			if err != nil {
				return err
			}
			defer file.drop()
			key, err := sdk.GenerateKeyPair()
			if err != nil {
				return fmt.Errorf("making the agent's key: %w", err)
			}
			var r *sdk.Registration
			if invite != "" {
				r, err = sdk.RedeemInvite(cmd.Context(), invite, agentID, key)
			} else {
				r, err = sdk.Register(cmd.Context(), serverURL, agentID, sdk.Owner{Type: "HUMAN", ID: owner}, key)
			}
			if err != nil {
				return err
			}
			if err := file.keep(r.Env()); err != nil {
				return err
			}
			if a.asJSON {
				return a.printJSON(r)
			}
			a.say("%s is %s; its environment, with its private key, is in %s.", r.AgentID, a.paint.verdict(r.Status), env)
			if r.Status == "PENDING" {
				a.say("Next, its owner: openleash agent accept %s", r.AgentPrincipalID)
			}
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&invite, "invite", "", "URL of an invite")
	f.StringVar(&agentID, "agent-id", "", "id of the agent, unique on the server")
	f.StringVar(&env, "output-env", "", "file for the agent's environment, with its private key (mode 0600)")
	f.StringVar(&serverURL, "url", "http://127.0.0.1:8787", "server to ask, without an invite")
	f.StringVar(&owner, "owner-id", "", "owner to ask, without an invite")
	_ = c.MarkFlagRequired("agent-id") // the flag exists
	_ = c.MarkFlagRequired("output-env")
	return c
}

// request is what `agent authorize` asks.
type request struct {
	env, payload, domain            string
	money                           amountFlags
	amount                          *int64 // in minor units; nil if it is not given: 0 is an amount
	actionID, justification         string
	wait                            time.Duration
	saveAction, actionFile, redeems string
}

func agentAuthorize(a *app) *cobra.Command {
	var r request
	c := &cobra.Command{
		Use:   "authorize ACTION_TYPE",
		Short: "As an agent: ask whether an action is allowed",
		Long: `Asks the server, and prints the decision. The exit code is 0 for ALLOW, 3 for DENY, 4 if the owner has to approve it
(or has not within --wait), 5 if nobody could be asked, and 2 if the command line is wrong. So a shell script may write
authorize … && command. A hook of a coding agent takes 2 for "blocked" and lets all other codes pass: do not use this
command as one.

--amount 45.00 --currency USD fills payload.amount with 45, payload.amount_minor with 4500 and payload.currency.
With --wait, a decision that needs its owner is asked for, and the answer waited for. By hand: keep the action
with --save-action, let the owner approve, and ask again with --action and --approval-token.`,
		Example: `  openleash agent authorize purchase.order --payload '{"amount": 45, "currency": "USD"}' --env agent.env
  openleash agent authorize purchase.order --amount 250.00 --currency USD --env agent.env --wait=5m`,
		Args: oneActionType,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (r.actionFile != "") {
				return misuse("give an action type, or the action of an earlier request with --action")
			}
			if (r.actionFile != "") != (r.redeems != "") {
				return misuse("--action and --approval-token go together")
			}
			var err error
			if r.amount, err = r.money.value(cmd); err != nil {
				return err
			}
			client, err := a.agentClient(r.env)
			if err != nil {
				return notAllowed(err)
			}
			d, err := r.send(cmd.Context(), a, client, args)
			if err != nil {
				return notAllowed(err)
			}
			return a.showDecision(d)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&r.env, "env", "", "file with the agent's environment (default: the environment)")
	f.StringVar(&r.payload, "payload", "", "what the policy looks at: a JSON object, or @FILE")
	r.money.add(c, "amount of the action")
	f.StringVar(&r.domain, "domain", "", "domain of the counterparty, the audience of the proof")
	f.StringVar(&r.actionID, "action-id", "", "idempotency key (default: a random one)")
	f.DurationVar(&r.wait, "wait", 0, "ask the owner for approval where it is needed, and wait this long")
	f.Lookup("wait").NoOptDefVal = "10m"
	f.StringVar(&r.justification, "justification", "", "why, for the owner to read")
	f.StringVar(&r.saveAction, "save-action", "", "write the action, as it was sent, to this file")
	f.StringVar(&r.actionFile, "action", "", "file with the action of an earlier request")
	f.StringVar(&r.redeems, "approval-token", "", "token of its approval")
	return c
}

// notAllowed gives an error of asking its exit code.
func notAllowed(err error) error {
	var wrong usageError
	var approval *sdk.ApprovalError
	switch {
	case errors.As(err, &wrong):
		return err
	case sdk.Code(err) == "INVALID_ACTION":
		return usageError{err}
	case !errors.As(err, &approval):
		return ended{err, unasked, ""}
	case approval.Request.Status == "DENIED":
		return ended{err, denied, "APPROVAL_DENIED"}
	case approval.Request.Status == "EXPIRED":
		return ended{err, needsOwner, "APPROVAL_EXPIRED"}
	}
	return ended{err, needsOwner, "APPROVAL_" + approval.Request.Status}
}

// oneActionType takes the action type, if any. A time behind a bare --wait would be taken for a second one.
func oneActionType(cmd *cobra.Command, args []string) error {
	if len(args) == 2 && cmd.Flags().Changed("wait") {
		if _, err := time.ParseDuration(args[1]); err == nil {
			return advise(fmt.Errorf("--wait and its time are one word"), "write --wait=%s", args[1])
		}
	}
	return cobra.MaximumNArgs(1)(cmd, args)
}

func (r *request) send(ctx context.Context, a *app, client *sdk.Client, args []string) (*sdk.Decision, error) {
	if r.actionFile != "" {
		action, err := os.ReadFile(r.actionFile)
		if err != nil {
			return nil, fmt.Errorf("reading the action: %w", err)
		}
		return client.Redeem(ctx, &sdk.Decision{Action: action}, r.redeems)
	}
	action, err := r.action(args[0])
	if err != nil {
		return nil, err
	}
	d, err := client.Authorize(ctx, action)
	if err != nil {
		return nil, err
	}
	if r.saveAction != "" {
		if err := os.WriteFile(r.saveAction, d.Action, 0o600); err != nil {
			return nil, fmt.Errorf("saving the action: %w", err)
		}
	}
	if r.wait <= 0 || !d.NeedsApproval() {
		return d, nil
	}
	asked, err := client.RequestApproval(ctx, d, r.justification)
	if err != nil {
		return nil, err
	}
	a.note("%s: waiting until %s for its owner: openleash approval approve %s",
		d.Result, when(a.clock().Add(r.wait)), asked.ID)
	approved, err := client.WaitForApproval(ctx, asked.ID, r.wait)
	if pending := new(sdk.ApprovalError); errors.As(err, &pending) && pending.Request.Status == "PENDING" {
		return nil, r.keepWaiting(err, d, asked.ID)
	}
	if err != nil {
		return nil, err
	}
	return client.Redeem(ctx, d, approved.Token)
}

// keepWaiting keeps the action that waits longer than the program does: its approval fits nothing else.
func (r *request) keepWaiting(err error, d *sdk.Decision, approvalID string) error {
	file := cmp.Or(r.saveAction, approvalID+".json")
	if err := os.WriteFile(file, d.Action, 0o600); err != nil {
		return fmt.Errorf("saving the action: %w", err)
	}
	return advise(err, "the request still waits, and its action is kept: once it is approved, "+
		"`openleash agent authorize --action %s --approval-token TOKEN`; `openleash approval approve %s` prints the token", file, approvalID)
}

// action builds the action request from the flags.
func (r *request) action(kind string) (sdk.Action, error) {
	text := r.payload
	if file, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return sdk.Action{}, fmt.Errorf("reading the payload: %w", err)
		}
		text = string(b)
	}
	payload, err := readPayload(text)
	if err != nil {
		return sdk.Action{}, err
	}
	add := func(key string, value any) error {
		if _, twice := payload[key]; twice {
			return misuse("%s is given twice, in --payload too", key)
		}
		raw, err := json.Marshal(value)
		payload[key] = raw
		return err
	}
	var errs []error
	if r.amount != nil {
		errs = append(errs, add("amount_minor", *r.amount))
	}
	if plain := r.money.plain(); plain != "" {
		errs = append(errs, add("amount", json.RawMessage(plain)))
	}
	if r.money.currency != "" {
		errs = append(errs, add("currency", r.money.currency))
	}
	out := sdk.Action{Type: kind, ID: r.actionID, Context: payload}
	if r.domain != "" {
		out.RelyingParty = &proof.RelyingParty{Domain: r.domain}
	}
	return out, errors.Join(errs...)
}

// readPayload reads a JSON object as strictly as the server does: here a key that is given twice would be lost
// before the server can refuse it.
func readPayload(text string) (map[string]json.RawMessage, error) {
	payload := map[string]json.RawMessage{}
	if text == "" {
		return payload, nil
	}
	if err := json.Unmarshal([]byte(text), &payload); err != nil {
		return nil, misuse("--payload is not a JSON object: %w", jsonFault(err))
	}
	if payload == nil {
		return nil, misuse("--payload is null: want a JSON object")
	}
	if _, err := proof.ParseAction([]byte(`{"action_type":"a","payload":` + text + `}`)); err != nil {
		return nil, misuse("--payload is not valid: %w", err)
	}
	return payload, nil
}

// showDecision prints a decision. Only an ALLOW is success.
func (a *app) showDecision(d *sdk.Decision) error {
	if a.asJSON {
		if err := a.printJSON(d); err != nil {
			return err
		}
	} else {
		a.say("%s  %s", a.paint.bold(a.paint.verdict(d.Result)), printable(d.Reason))
		a.say("  decision  %s", d.ID)
		for _, b := range d.Budgets {
			a.say("  budget    %s: %s", b.ID, left(b.Remaining, b.Limit, b.Currency, b.ResetsAt))
		}
		if d.ProofToken != "" {
			a.say("  proof     until %s\n%s", when(d.ProofExpiresAt), d.ProofToken)
		}
	}
	switch {
	case d.Allowed():
		return nil
	case d.NeedsApproval():
		return exitCode(needsOwner)
	}
	return exitCode(denied) // DENY, and any result that this program does not know
}

// left says in words what is left of a budget.
func left(remaining, limit int64, currency string, resets *time.Time) string {
	number, _, _ := strings.Cut(measured(remaining, currency), " ")
	text := number + " left of " + measured(limit, currency)
	if resets != nil {
		text += ", until " + when(*resets)
	}
	return text
}
