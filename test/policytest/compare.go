package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// compare says what differs from what the test expects, a line each.
func (t *trial) compare(d rego.Decision) []string {
	var out []string
	differ := func(noun, want, got string) {
		if want != got {
			out = append(out, fmt.Sprintf("%s: want %s, got %s", noun, orNone(want), orNone(got)))
		}
	}
	want := t.test.Expect
	if want.Result != "" {
		differ("result", want.Result, string(d.Result))
	}
	if want.Rule != nil {
		differ("rule", *want.Rule, d.RuleID)
	}
	if want.Policy != nil {
		differ("policy", *want.Policy, d.PolicyID)
	}
	if want.Reason != nil && !strings.Contains(d.Reason, *want.Reason) {
		differ("reason", fmt.Sprintf("something with %q", *want.Reason), fmt.Sprintf("%q", d.Reason))
	}
	if want.Obligations != nil {
		differ("obligations", types(want.Obligations), types(typesOf(d.Obligations)))
	}
	if p := want.Proof; p != nil {
		if p.Required != nil {
			differ("proof.required", fmt.Sprint(*p.Required), fmt.Sprint(d.Result == rego.Allow && d.Proof.Required))
		}
		if p.TTLSeconds != nil {
			differ("proof.ttl_seconds", fmt.Sprint(*p.TTLSeconds), fmt.Sprint(d.Proof.TTLSeconds))
		}
	}
	for _, b := range want.Budgets {
		t.compareBudget(b, differ)
	}
	if len(out) > 0 && d.Reason != "" && want.Reason == nil {
		out = append(out, "reason given: "+d.Reason)
	}
	return out
}

// compareBudget holds every budget of the id to what the test expects after the action.
func (t *trial) compareBudget(want compiler.TableBudget, differ func(noun, want, got string)) {
	for _, a := range t.ledger {
		if a.ID != want.ID {
			continue
		}
		r := a.reading()
		for _, n := range []struct {
			noun string
			want *int64
			got  int64
		}{{"spent", want.Spent, r.Spent}, {"remaining", want.Remaining, r.Remaining}, {"limit", want.Limit, r.Limit}} {
			if n.want != nil {
				differ("budgets."+want.ID+"."+n.noun, fmt.Sprint(*n.want), fmt.Sprint(n.got))
			}
		}
	}
}

func typesOf(obligations []compiler.Obligation) []string {
	out := make([]string, len(obligations))
	for i, o := range obligations {
		out[i] = o.Type
	}
	return out
}

// types joins obligation types in one order.
func types(names []string) string {
	return strings.Join(slices.Sorted(slices.Values(names)), " ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
