package policytest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/test/policytest"
)

const regoTest = `package openleash.policy_test

ask(amount) := {
	"action_type": "purchase.order",
	"action_patterns": ["purchase.order", "purchase.order.*", "purchase.*", "*"],
	"payload": {"amount": amount, "currency": "USD"},
}

decision := data.openleash.policy.pol_spending_limit.decision

test_small if decision.effect == "allow" with input as ask(45)

test_small_owes_nothing if decision.obligations == [] with input as ask(45)

test_medium if decision.obligations == [{"type": "HUMAN_APPROVAL"}] with input as ask(250)

test_large if decision.effect == "deny" with input as ask(600)

test_text_is_denied if decision.rule_id == "rule_3" with input as ask("45")

test_other_actions if {
	not decision with input as {"action_type": "data.read", "action_patterns": ["data.read", "*"]}
}

test_default if data.openleash.policy.pol_spending_limit.default_effect == "deny"

test_that_fails if decision.effect == "allow" with input as ask(600)
`

// TestStockOPA runs one file of tests by this package, on the compiled modules, and by OPA's tester on the
// Rego that they print as, which is what opa test does with the output of openleash policy compile -o DIR.
func TestStockOPA(t *testing.T) {
	spending, err := os.ReadFile("../../policies/spending-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	write(t, "spending-policy.yaml", string(spending))
	write(t, "spending_test.rego", regoTest)
	report, err := policytest.Run(t.Context(), policytest.Options{})
	if err != nil || report.Problems.Err() != nil {
		t.Fatal(err, report.Problems)
	}
	ours := map[string]bool{}
	for _, c := range report.Suites[0].Cases {
		ours[c.Name] = len(c.Failures) == 0
	}

	engine, ds := rego.Compile(t.Context(), "usr_1", []string{"usr_1"}, []rego.File{{Path: "spending-policy.yaml", Text: spending}}, rego.Options{})
	if engine == nil {
		t.Fatal(ds)
	}
	if err := rego.WriteModules("out", engine); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join("out", "spending_test.rego"), regoTest)
	modules, store, err := tester.Load([]string{"out"}, loader.GlobExcludeName("none", 1))
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]bool{}
	if err := storage.Txn(t.Context(), store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		results, err := tester.NewRunner().SetStore(store).SetModules(modules).RunTests(t.Context(), txn)
		if err != nil {
			return err
		}
		for r := range results {
			theirs["openleash.policy_test."+r.Name] = r.Pass()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(ours) != 8 || len(theirs) != len(ours) {
		t.Errorf("%d tests here, %d in OPA", len(ours), len(theirs))
	}
	for name, pass := range ours {
		if theirs[name] != pass || pass == (name == "openleash.policy_test.test_that_fails") {
			t.Errorf("%s: %v here, %v in OPA", name, pass, theirs[name])
		}
	}
}
