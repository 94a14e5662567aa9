// Command loop is a plain agent loop: what the model wants to do is asked before it is done. Run it
// with the agent's environment: go run ./sdk/examples/loop.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/openleash/openleash-go/sdk"
)

// patience is how long the owner has to approve a step.
const patience = 5 * time.Minute

func main() {
	client, err := sdk.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	var plan []sdk.Action
	for _, amount := range []int{45, 250, 600} {
		plan = append(plan, sdk.Action{Type: "purchase.order", Context: map[string]any{"amount": amount, "currency": "USD"}})
	}
	fmt.Fprintln(os.Stderr, "What needs its owner waits up to", patience, "for `openleash approval approve ID`; `openleash approval list` shows it.")
	for _, line := range run(context.Background(), client, plan, func(d *sdk.Decision) string { return "done, with proof " + d.ProofToken }) {
		fmt.Println(line)
	}
}

// run does each step that is allowed; it tells the model of each that is not, and goes on.
func run(ctx context.Context, client *sdk.Client, steps []sdk.Action, act func(*sdk.Decision) string) (told []string) {
	for _, step := range steps {
		d, err := client.AuthorizeAndWait(ctx, step, "a step of the plan", patience)
		switch {
		case errors.Is(err, sdk.ErrApproval):
			told = append(told, step.Type+": "+err.Error())
		case err != nil:
			// Without an answer there is no yes, and the next step would fare no better.
			return append(told, step.Type+": stopped: "+err.Error())
		case d.Allowed():
			told = append(told, step.Type+": "+act(d))
		default:
			told = append(told, step.Type+": not allowed: "+d.Reason)
		}
	}
	return told
}
