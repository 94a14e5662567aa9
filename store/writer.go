package store

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// writer appends the members of an entry in canonical order. Every member ends with a comma; close
// turns the last into a brace. A marshaller would do the same for six times the time, and this is
// on the path of every decision.
type writer struct {
	b   []byte
	err error
}

func (w *writer) name(n string) {
	w.b = append(w.b, '"')
	w.b = append(append(w.b, n...), `":`...)
}

func (w *writer) quote(s string) {
	var err error
	if w.b, err = jsontext.AppendQuote(w.b, s); err != nil {
		w.err = err // invalid UTF-8
	}
}

// text writes a string member, unless it is empty.
func (w *writer) text(n, s string) {
	if s == "" {
		return
	}
	w.name(n)
	w.quote(s)
	w.b = append(w.b, ',')
}

func (w *writer) number(n string, v int64) {
	w.name(n)
	w.b = append(strconv.AppendInt(w.b, v, 10), ',')
}

// value writes a member that is JSON already, in canonical form.
func (w *writer) value(n string, v []byte) {
	if len(v) == 0 {
		return
	}
	w.name(n)
	if string(v) == "{}" {
		w.b = append(w.b, `{},`...)
		return
	}
	c := jsontext.Value(slices.Clone(v))
	if err := c.Canonicalize(); err != nil {
		w.err = err
		return
	}
	w.b = append(append(w.b, c...), ',')
}

func (w *writer) open(n string, bracket byte) {
	w.name(n)
	w.b = append(w.b, bracket)
}

// close ends an object or an array, and adds the comma behind it.
func (w *writer) close(bracket byte) {
	if last := len(w.b) - 1; w.b[last] == ',' {
		w.b = w.b[:last]
	}
	w.b = append(w.b, bracket, ',')
}

func (w *writer) decision(d *Decision) {
	w.open("decision", '{')
	w.text("action_hash", d.ActionHash)
	w.text("action_id", d.ActionID)
	w.text("action_type", d.ActionType)
	w.text("approval_request_id", d.ApprovalID)
	w.text("decision_id", d.ID)
	w.text("matched_policy_id", d.PolicyID)
	w.text("matched_rule_id", d.RuleID)
	w.text("nonce", d.Nonce)
	if len(d.Obligations) > 0 {
		w.open("obligations", '[')
		for _, o := range d.Obligations {
			w.b = append(w.b, '{')
			w.value("details_json", o.Details)
			w.text("obligation_id", o.ID)
			w.text("status", o.Status)
			w.text("type", o.Type)
			w.close('}')
		}
		w.close(']')
	}
	if len(d.Overages) > 0 {
		v, err := canonical(d.Overages)
		if err != nil {
			w.err = err
		}
		w.value("overages", v)
	}
	if len(d.Policies) > 0 {
		w.open("policies", '[')
		for _, p := range d.Policies {
			w.b = append(w.b, '{')
			w.text("effect", p.Effect)
			w.text("policy_id", p.PolicyID)
			w.text("rule_id", p.RuleID)
			w.close('}')
		}
		w.close(']')
	}
	w.text("policy_revision", d.PolicyRevision)
	w.text("proof_id", d.ProofID)
	if d.ProofTTL != 0 {
		w.number("proof_ttl_seconds", int64(d.ProofTTL))
	}
	w.text("proof_use", d.ProofUse)
	w.text("reason", d.Reason)
	w.text("result", string(d.Result))
	w.close('}')
}

func (w *writer) charges(charges []Charge) {
	if len(charges) == 0 {
		return
	}
	w.open("charges", '[')
	for i := range charges {
		w.b = append(w.b, '{')
		w.number("amount", charges[i].Amount)
		w.budget(&charges[i].Budget)
		if charges[i].Overage {
			w.b = append(w.b, `"overage":true,`...)
		}
		w.close('}')
	}
	w.close(']')
}

func (w *writer) budget(b *Budget) {
	w.open("budget", '{')
	if len(b.AlertAt) > 0 {
		w.open("alert_at", '[')
		for _, p := range b.AlertAt {
			w.b = append(strconv.AppendInt(w.b, int64(p), 10), ',')
		}
		w.close(']')
	}
	w.open("key", '{')
	w.text("budget_id", b.Key.BudgetID)
	w.text("currency", b.Key.Currency)
	w.text("measure", string(b.Key.Measure))
	w.text("owner_id", b.Key.OwnerID)
	w.text("policy_id", b.Key.PolicyID)
	w.text("subject", b.Key.Subject)
	w.close('}')
	w.number("limit", b.Limit)
	w.text("per", string(b.Per))
	w.open("window", '{')
	w.text("calendar", b.Window.Calendar)
	if s := int64(b.Window.Sliding / time.Second); s != 0 {
		w.number("sliding_seconds", s)
	}
	if b.Window.WeekStart != 0 {
		w.number("week_start", int64(b.Window.WeekStart))
	}
	w.text("zone", b.Window.Zone)
	w.close('}')
	w.close('}')
}

// trimLine returns a line without its newline.
func trimLine(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\n'}) }
