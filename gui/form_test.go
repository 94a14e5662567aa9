package gui

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/policies"
)

const commented = `# The shop.
id: pol_shop   # stays
name: Shop

rules:
  # First the small ones.
  - id: small      # named
    action: "purchase.*"
    effect: ALLOW
    # within reason
    conditions:
      - field: context.amount
        operator: lt
        value: 100
    proof: {required: true, ttl_seconds: 60}

  # Then the others.
  - action: [purchase.*, "booking.*"]
    effect: deny
    when:
      any:
        - match: {path: $.payload.a, op: eq, value: 1}
# the end
`

// texts are policies as people write them.
func texts(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{"commented": commented, "blank": blank["blank"]}
	entries, err := policies.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasSuffix(e.Name(), "_test.yaml") {
			text, err := policies.Files.ReadFile(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			out[e.Name()] = string(text)
		}
	}
	return out
}

// sent is the form of a text, as a browser sends it.
func sent(t testing.TB, text string) url.Values {
	t.Helper()
	top, err := root(text)
	if err != nil {
		t.Fatal(err)
	}
	h := readHeader(top)
	form := url.Values{"header.name": {h.Name}, "header.description": {h.Description}, "header.default": {h.Default},
		"header.agents": {h.Agents}, "header.groups": {h.Groups}}
	if h.Enabled {
		form.Set("header.enabled", "yes")
	}
	if h.Guardrail {
		form.Set("header.guardrail", "yes")
	}
	for _, list := range []string{"rules", "budgets"} {
		l, err := cut(text, list)
		if err != nil {
			t.Fatal(err)
		}
		for i, it := range l.items {
			n, err := l.node(it)
			if err != nil {
				t.Fatal(err)
			}
			item := readItem(strings.TrimSuffix(list, "s"), i, len(l.items), n)
			for _, f := range item.Fields {
				if f.Shown {
					form.Set(f.ID, f.Value)
				}
			}
			if prefix := item.prefix(); item.HasRows {
				form.Set(prefix+"rows", "yes")
				for _, r := range item.Rows {
					form.Add(prefix+"field", r.Field)
					form.Add(prefix+"operator", r.Operator)
					form.Add(prefix+"value", r.Value)
				}
			}
		}
	}
	return form
}

func apply(t testing.TB, text string, form url.Values) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/gui/form", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	out, err := (&visit{r: r}).applyForm(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFormUntouchedChangesNothing(t *testing.T) {
	for name, text := range texts(t) {
		if got := apply(t, text, sent(t, text)); got != text {
			t.Errorf("%s became\n%s", name, got)
		}
	}
}

func TestFormChangesOneRuleAlone(t *testing.T) {
	form := sent(t, commented)
	form.Set("rule.0.constraints.amount_max", "99 USD")
	form.Set("rule.0.value", "50")
	got := apply(t, commented, form)
	for _, want := range []string{"# The shop.\nid: pol_shop   # stays\n", "  # First the small ones.\n  - id: small # named\n",
		"# within reason", "value: 50\n", "proof: {required: true, ttl_seconds: 60}", "    constraints:\n      amount_max: 9900\n      currency: [USD]\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	_, after, _ := strings.Cut(commented, "\n  # Then the others.")
	if !strings.HasSuffix(got, after) {
		t.Errorf("the other rule changed:\n%s", got)
	}
	parses(t, got)
}

func TestFormHeader(t *testing.T) {
	form := sent(t, commented)
	form.Set("header.agents", "shopper, buyer")
	form.Set("header.guardrail", "")
	form.Del("header.enabled")
	got := apply(t, commented, form)
	p := parses(t, got)
	if !slices.Equal(p.Agents, []string{"shopper", "buyer"}) || p.Enabled || p.Guardrail {
		t.Errorf("got %+v", p.Header)
	}
}

func TestRearrange(t *testing.T) {
	text, err := rearrange(commented, "rule-down", "0")
	if err != nil {
		t.Fatal(err)
	}
	if p := parses(t, text); p.Rules[1].ID != "small" {
		t.Errorf("moved down:\n%s", text)
	}
	if back, err := rearrange(text, "rule-up", "1"); err != nil || back != commented {
		t.Errorf("moved back up: %v\n%s", err, back)
	}
	added, err := rearrange(commented, "budget-add", "")
	if err != nil {
		t.Fatal(err)
	}
	if p := parses(t, added); len(p.Budgets) != 1 {
		t.Errorf("added a budget:\n%s", added)
	}
	dropped, err := rearrange(added, "budget-drop", "0")
	if err != nil || len(parses(t, dropped).Budgets) != 0 {
		t.Errorf("dropped it: %v\n%s", err, dropped)
	}
	one, err := rearrange(commented, "rule-drop", "0")
	if err != nil || len(parses(t, one).Rules) != 1 {
		t.Errorf("dropped a rule: %v\n%s", err, one)
	}
	if _, err := rearrange(one, "rule-drop", "0"); err == nil {
		t.Error("the last rule was dropped")
	}
}

func TestFormNeverBreaksAPolicy(t *testing.T) {
	all := texts(t)
	rapid.Check(t, func(rt *rapid.T) {
		text := all[rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(rt, "policy")]
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			do := rapid.SampledFrom([]string{"rule-add", "rule-up", "rule-down", "rule-drop", "budget-add", "budget-drop", "description"}).Draw(rt, "do")
			if do == "description" {
				form := sent(t, text)
				form.Set("rule.0.description", rapid.StringMatching(`[ -~äöü#:'"]{0,30}`).Draw(rt, "description"))
				text = apply(t, text, form)
			} else if out, err := rearrange(text, do, "0"); err == nil {
				text = out
			}
			if p, ds := compiler.Parse("p.yaml", []byte(text)); p == nil {
				rt.Fatalf("%v\n%s", ds.Err(), text)
			}
		}
	})
}

func TestFormLeavesWhatItCannotShow(t *testing.T) {
	for name, text := range map[string]string{
		"flow":    "id: a\nrules: [{action: x, effect: allow}]\n",
		"no yaml": "id: [",
		"list":    "- a\n",
		"empty":   "",
	} {
		if _, err := cut(text, "rules"); err == nil {
			t.Errorf("%s is shown as a form", name)
		}
	}
	l, err := cut(commented, "rules")
	if err != nil {
		t.Fatal(err)
	}
	n, err := l.node(l.items[1])
	if err != nil {
		t.Fatal(err)
	}
	if item := readItem("rule", 1, 2, n); !strings.Contains(item.Unshown, "any:") {
		t.Errorf("left alone: %q", item.Unshown)
	}
}

func parses(t testing.TB, text string) *compiler.Policy {
	t.Helper()
	p, ds := compiler.Parse("p.yaml", []byte(text))
	if p == nil {
		t.Fatalf("%v\n%s", ds.Err(), text)
	}
	return p
}
