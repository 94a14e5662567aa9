package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openleash/openleash-go/compiler"
	"github.com/openleash/openleash-go/rego"
)

// truth is Kleene's: no < unknown < yes, so that all is the least and any the greatest.
type truth int

const (
	no truth = iota
	unknown
	yes
)

func known(b bool) truth {
	if b {
		return yes
	}
	return no
}

// Situation is what an action is decided in.
type Situation struct {
	Action    map[string]any // decoded with numbers as json.Number, context renamed payload
	AgentID   string
	Groups    []string
	Now       time.Time
	Assurance string
}

// ReadAction decodes a request body for a Situation.
func ReadAction(body []byte) (map[string]any, error) {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	var action map[string]any
	if err := d.Decode(&action); err != nil {
		return nil, fmt.Errorf("reading the action: %w", err)
	}
	if context, ok := action["context"]; ok {
		action["payload"] = context
		delete(action, "context")
	}
	return action, nil
}

// Reference decides by the words of the language alone. It knows no policies in Rego.
func Reference(policies []*compiler.Policy, s Situation) Outcome {
	out := s.decide(policies)
	if out.Result != rego.Allow {
		out.Proof, out.ProofTTL = false, 0
	}
	return out
}

func (s Situation) decide(policies []*compiler.Policy) Outcome {
	guardrail, possibly := s.first(policies, true)
	if guardrail == nil && len(possibly) > 0 {
		guardrail, possibly = possibly[0], possibly[1:]
	}
	if guardrail != nil {
		for _, p := range possibly {
			guardrail = strictest(guardrail, p)
		}
		if guardrail.Result == rego.Deny {
			return *guardrail
		}
	}
	layer, possibly := s.first(policies, false)
	if layer == nil {
		layer = s.byDefault(policies)
	}
	for _, p := range possibly {
		layer = strictest(layer, p)
	}
	if guardrail == nil || layer.Result == rego.Deny {
		return *layer
	}
	return *strictest(layer, guardrail)
}

// strictest is an outcome with what another adds: a denial stays one, and what either owes is owed. It is the
// other's if that keeps the action from passing and the outcome does not.
func strictest(o, other *Outcome) *Outcome {
	if o.Result == rego.Deny {
		return o
	}
	out := *o
	if o.Result == rego.Allow && other.Result != rego.Allow {
		out = *other
	}
	out.Obligations = slices.Concat(o.Obligations, other.Obligations)
	slices.Sort(out.Obligations)
	out.Obligations = slices.Compact(out.Obligations)
	out.Result = result(out.Obligations)
	out.Proof = o.Proof || other.Proof
	out.ProofTTL = shorter(o.ProofTTL, other.ProofTTL)
	return &out
}

// shorter is the less of two lives, of which 0 is the server's default.
func shorter(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// applying are the policies that apply to the agent, in order.
func (s Situation) applying(policies []*compiler.Policy, guardrail bool) []*compiler.Policy {
	var out []*compiler.Policy
	tier := map[*compiler.Policy]int{}
	for _, p := range policies {
		inGroup := slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(s.Groups, g) })
		switch {
		case !p.Enabled || p.Guardrail != guardrail:
			continue
		case slices.Contains(p.Agents, s.AgentID):
			tier[p] = 1
		case inGroup:
			tier[p] = 2
		case len(p.Agents)+len(p.Groups) == 0:
			tier[p] = 3
		default:
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *compiler.Policy) int {
		return cmp.Or(cmp.Compare(tier[a], tier[b]), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// first is what the first rule says that certainly matches, or possibly if it denies, of the first policy that has
// one; and what the rules before it say that possibly match and owe something.
func (s Situation) first(policies []*compiler.Policy, guardrail bool) (*Outcome, []*Outcome) {
	var possibly []*Outcome
	for _, p := range s.applying(policies, guardrail) {
		for _, r := range p.Rules {
			t := s.matches(r)
			out := s.outcome(p, r)
			switch {
			case t == yes || t == unknown && r.Effect == compiler.Deny:
				return out, possibly
			case t == unknown && len(out.Obligations) > 0:
				possibly = append(possibly, out)
			}
		}
	}
	return nil, possibly
}

func (s Situation) matches(r compiler.Rule) truth {
	action, _ := s.Action["action_type"].(string)
	action = lower(action)
	if !slices.ContainsFunc(r.Actions, func(pattern string) bool {
		under, isPrefix := strings.CutSuffix(pattern, ".*")
		return pattern == "*" || pattern == action || isPrefix && (action == under || strings.HasPrefix(action, under+"."))
	}) {
		return no
	}
	t := yes
	for _, x := range []compiler.Expr{r.When, r.Constraints} {
		if x != nil {
			t = min(t, s.eval(x))
		}
	}
	return t
}

var assurance = []string{"", "LOW", "SUBSTANTIAL", "HIGH"}

func (s Situation) outcome(p *compiler.Policy, r compiler.Rule) *Outcome {
	if r.Effect == compiler.Deny {
		return &Outcome{Result: rego.Deny, Policy: p.ID, Rule: r.ID}
	}
	out := &Outcome{Policy: p.ID, Rule: r.ID, Proof: r.Proof.Required, ProofTTL: r.Proof.TTLSeconds}
	for _, o := range r.Obligations {
		out.Obligations = append(out.Obligations, o.Type)
	}
	if slices.Index(assurance, s.Assurance) < slices.Index(assurance, r.MinAssurance) {
		out.Obligations = append(out.Obligations, compiler.StepUpAuth)
	}
	slices.Sort(out.Obligations)
	out.Result = result(out.Obligations)
	return out
}

func (s Situation) byDefault(policies []*compiler.Policy) *Outcome {
	for _, p := range s.applying(policies, false) {
		switch p.Default {
		case compiler.DefaultPassthrough:
			continue
		case compiler.DefaultAllow:
			return &Outcome{Result: rego.Allow, Policy: p.ID, Proof: true}
		case compiler.DefaultRequireApproval:
			return &Outcome{Result: rego.RequireApproval, Policy: p.ID, Proof: true, Obligations: []string{compiler.HumanApproval}}
		}
		return &Outcome{Result: rego.Deny, Policy: p.ID}
	}
	return &Outcome{Result: rego.Deny}
}

func result(obligations []string) rego.Result {
	switch {
	case slices.Contains(obligations, compiler.HumanApproval):
		return rego.RequireApproval
	case slices.Contains(obligations, compiler.StepUpAuth):
		return rego.RequireStepUp
	case slices.Contains(obligations, compiler.Deposit):
		return rego.RequireDeposit
	}
	return rego.Allow
}

func (s Situation) eval(x compiler.Expr) truth {
	switch x := x.(type) {
	case compiler.All:
		t := yes
		for _, part := range x.Exprs {
			t = min(t, s.eval(part))
		}
		return t
	case compiler.Any:
		t := no
		for _, part := range x.Exprs {
			t = max(t, s.eval(part))
		}
		return t
	case compiler.Not:
		return yes - s.eval(x.Expr)
	case compiler.Match:
		return s.match(x)
	case compiler.AmountBound:
		return s.match(compiler.Match{Path: compiler.Path{"payload", "amount_minor"}, Op: x.Op, Values: []compiler.Literal{{Value: x.Limit}}})
	case compiler.Domains:
		return s.domains(x)
	case compiler.Schedule:
		return s.schedule(x)
	}
	panic(fmt.Sprintf("no meaning for %T", x))
}

// missing is the value of a field that is not there.
type missing struct{}

func (s Situation) lookup(p compiler.Path) any {
	var v any = s.Action
	for _, segment := range p {
		switch segment := segment.(type) {
		case string:
			object, _ := v.(map[string]any)
			next, ok := object[segment]
			if !ok {
				return missing{}
			}
			v = next
		case int:
			list, _ := v.([]any)
			if segment >= len(list) {
				return missing{}
			}
			v = list[segment]
		}
	}
	return v
}

func (s Situation) match(m compiler.Match) truth {
	v := s.lookup(m.Path)
	if text, ok := v.(string); ok && m.Path.String() == "$.action_type" {
		v = lower(text)
	}
	if m.Op == compiler.Exists {
		return known((v != missing{}) != m.Negated)
	}
	if n, ok := v.(json.Number); ok && !isAmount(m.Path, number(n)) {
		return unknown
	}
	switch m.Op {
	case compiler.Regex:
		text, ok := v.(string)
		if !ok {
			return unknown
		}
		return known(regexp.MustCompile(m.Values[0].Value.(string)).MatchString(text))
	case compiler.Eq, compiler.In:
		return among(v, m.Values)
	case compiler.Neq, compiler.Nin:
		return yes - among(v, m.Values)
	}
	n, ok := v.(json.Number)
	if !ok {
		return unknown
	}
	order := number(n).Cmp(number(m.Values[0].Value.(json.Number)))
	switch m.Op {
	case compiler.Lt:
		return known(order < 0)
	case compiler.Lte:
		return known(order <= 0)
	case compiler.Gt:
		return known(order > 0)
	default:
		return known(order >= 0)
	}
}

// isAmount: money is never negative, and minor units are whole.
func isAmount(p compiler.Path, n *big.Rat) bool {
	switch p[len(p)-1] {
	case "amount":
		return n.Sign() >= 0
	case "amount_minor":
		return n.Sign() >= 0 && n.IsInt()
	}
	return true
}

func number(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		panic("no number: " + n.String())
	}
	return r
}

// among is yes if a value is in a list, no if it is not but has the type of something in it.
func among(v any, list []compiler.Literal) truth {
	t := unknown
	for _, l := range list {
		if kind(v) != kind(l.Value) {
			continue
		}
		have, isNumber := v.(json.Number)
		if v == l.Value || isNumber && number(have).Cmp(number(l.Value.(json.Number))) == 0 {
			return yes
		}
		t = no
	}
	return t
}

func kind(v any) string { return fmt.Sprintf("%T", v) }

var host = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

func (s Situation) domains(d compiler.Domains) truth {
	t, given := yes, false
	for _, p := range d.Paths {
		v := s.lookup(p)
		if v == (missing{}) {
			continue
		}
		given = true
		name, ok := v.(string)
		name = lower(name)
		if !ok || !host.MatchString(name) {
			t = min(t, unknown)
			continue
		}
		listed := slices.Contains(d.Exact, name) || slices.ContainsFunc(d.Suffixes, func(suffix string) bool {
			return strings.HasSuffix(name, suffix)
		})
		t = min(t, known(listed != d.Blocked))
	}
	if !given {
		return unknown
	}
	return t
}

// lower is for ASCII alone: no other letter is part of a domain.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func (s Situation) schedule(x compiler.Schedule) truth {
	zone, err := time.LoadLocation(x.Zone)
	if err != nil {
		panic(err)
	}
	local := s.Now.In(zone)
	minute := 60*local.Hour() + local.Minute()
	on := func(d time.Weekday) bool { return len(x.Days) == 0 || slices.Contains(x.Days, d) }
	today, yesterday := on(local.Weekday()), on((local.Weekday()+6)%7)
	switch {
	case x.Start == 0 && x.End == 0:
		return known(today)
	case x.Start < x.End:
		return known(today && x.Start <= minute && minute < x.End)
	}
	return known(today && minute >= x.Start || yesterday && minute < x.End)
}
