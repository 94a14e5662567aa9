package compiler

import (
	"encoding/json"
	"iter"
	"math/big"
	"slices"
	"strings"
)

// Bounds on examples.
const (
	maxExamples       = 500
	maxExamplesOfRule = 40
	maxExampleValues  = 4 // of one list
)

// Examples makes up action requests of which a policy speaks, to show what it does: for each rule one
// that meets its conditions, as far as can be told, and some that differ from it in one field, so that
// they lie on the other side of a condition: an amount one higher, another domain, no such field. They
// are JSON objects, at most 500; equal policies have equal examples.
func Examples(p *Policy) []json.RawMessage {
	var out []json.RawMessage
	seen := map[string]bool{}
	for _, rule := range p.Rules {
		s := sketch{}
		for _, e := range []Expr{rule.When, rule.Constraints} {
			if e != nil {
				s.conditions(e, true)
			}
		}
		s.money()
		for action := range s.actions(rule.Actions) {
			text, err := json.Marshal(action)
			if err == nil && !seen[string(text)] {
				seen[string(text)] = true
				out = append(out, text)
			}
			if len(out) == maxExamples {
				return out
			}
		}
	}
	return out
}

// sketch is the fields that a rule looks at, in order, with values worth trying.
type sketch []*sketched

// sketched is one field. The first value is one that the rule wants, if there is such.
type sketched struct {
	path   Path
	wanted int // how many of the values the rule wants; they stand first
	values []any
}

func (s *sketch) at(p Path) *sketched {
	for _, f := range *s {
		if f.path.String() == p.String() {
			return f
		}
	}
	f := &sketched{path: p}
	*s = append(*s, f)
	return f
}

func (s *sketch) add(p Path, wanted bool, values ...any) {
	f := s.at(p)
	for _, v := range values {
		switch {
		case slices.Contains(f.values, v):
		case wanted:
			f.values = slices.Insert(f.values, f.wanted, v)
			f.wanted++
		default:
			f.values = append(f.values, v)
		}
	}
}

// conditions notes what makes an expression hold, or fail.
func (s *sketch) conditions(e Expr, hold bool) {
	switch e := e.(type) {
	case All:
		for _, part := range e.Exprs {
			s.conditions(part, hold)
		}
	case Any:
		for _, part := range e.Exprs {
			s.conditions(part, hold)
		}
	case Not:
		s.conditions(e.Expr, !hold)
	case AmountBound:
		s.compared(amountPath, e.Op, e.Limit, hold)
	case Domains:
		s.domains(e, hold != e.Blocked)
	case Match:
		s.matched(e, hold != e.Negated)
	}
}

func (s *sketch) matched(m Match, hold bool) {
	op := m.Op
	if !hold && opposite[op] != "" {
		op = opposite[op]
	}
	switch op {
	case Lt, Lte, Gt, Gte:
		if n, ok := m.Values[0].Value.(json.Number); ok {
			s.compared(m.Path, op, n, true)
		}
	case Eq, In, Neq, Nin:
		listed := op == Eq || op == In
		for _, v := range m.Values[:min(len(m.Values), maxExampleValues)] {
			s.add(m.Path, listed, v.Value)
		}
		s.add(m.Path, !listed, unlike(m.Path, m.Values))
	case Exists:
		s.add(m.Path, hold, "something")
	case Regex: // which texts match cannot be told
		s.add(m.Path, false, "something")
	}
}

// unlike is a value of the type of the first that is none of them.
func unlike(p Path, values []Literal) any {
	has := func(v any) bool { return slices.ContainsFunc(values, func(l Literal) bool { return l.Value == v }) }
	switch v := values[0].Value.(type) {
	case bool:
		return !v
	case json.Number:
		for _, l := range values {
			if n, ok := l.Value.(json.Number); ok && compareNumbers(n, v) > 0 {
				v = n
			}
		}
		return beside(v, 1)
	}
	if p[len(p)-1] == "currency" {
		for _, c := range []string{"EUR", "USD", "GBP", "CHF"} {
			if !has(c) {
				return c
			}
		}
	}
	return "something else"
}

// compared notes the two numbers on the sides of a limit.
func (s *sketch) compared(p Path, op Op, limit json.Number, hold bool) {
	if !hold {
		op = opposite[op]
	}
	below, above := beside(limit, -1), beside(limit, 1)
	in, out := limit, above
	switch op {
	case Lt:
		in, out = below, limit
	case Gte:
		out = below
	case Gt:
		in, out = above, limit
	}
	s.add(p, true, in)
	s.add(p, false, out)
}

// beside is the number one step of its last decimal up or down; never below zero from above it.
func beside(n json.Number, steps int64) json.Number {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return n
	}
	_, fraction, _ := strings.Cut(n.String(), ".")
	decimals := len(fraction)
	if strings.ContainsAny(n.String(), "eE") || decimals > 9 {
		decimals = 0
	}
	step := new(big.Rat).SetFrac64(steps, 1)
	for range decimals {
		step.Quo(step, big.NewRat(10, 1))
	}
	next := new(big.Rat).Add(r, step)
	if next.Sign() < 0 && r.Sign() >= 0 {
		return n
	}
	return json.Number(next.FloatString(decimals))
}

func (s *sketch) domains(d Domains, listed bool) {
	var known []any
	for _, name := range d.Exact[:min(len(d.Exact), maxExampleValues)] {
		known = append(known, name)
	}
	for _, suffix := range d.Suffixes[:min(len(d.Suffixes), maxExampleValues)] {
		known = append(known, "www"+suffix)
	}
	s.add(d.Paths[0], listed, known...)
	s.add(d.Paths[0], !listed, "elsewhere.example")
}

// money gives an amount the currency without which it says little.
func (s *sketch) money() {
	has := func(p Path) bool {
		return slices.ContainsFunc(*s, func(f *sketched) bool { return f.path.String() == p.String() })
	}
	if has(amountPath) && !has(currencyPath) {
		s.add(currencyPath, true, "USD")
	}
}

// actions yields the sketched requests, those that the rule wants first.
func (s *sketch) actions(patterns []string) iter.Seq[map[string]any] {
	base := make([]any, len(*s))
	for i, f := range *s {
		base[i] = f.values[0]
	}
	return func(yield func(map[string]any) bool) {
		left := maxExamplesOfRule
		more := func(pattern string, values []any, missing int) bool {
			left--
			return yield(s.action(concrete(pattern), values, missing)) && left > 0
		}
		for _, p := range patterns {
			if !more(p, base, -1) {
				return
			}
		}
		for i, f := range *s {
			for _, v := range f.values[1:] {
				values := slices.Clone(base)
				values[i] = v
				if !more(patterns[0], values, -1) {
					return
				}
			}
			if !more(patterns[0], base, i) {
				return
			}
		}
	}
}

// concrete is an action type that a pattern matches.
func concrete(pattern string) string {
	if pattern == "*" {
		return "something"
	}
	return strings.TrimSuffix(pattern, ".*")
}

// action writes the values into one request, without the field at missing.
func (s *sketch) action(typ string, values []any, missing int) map[string]any {
	out := map[string]any{"action_type": typ}
	for i, f := range *s {
		if i != missing {
			put(out, f.path, values[i])
		}
	}
	return out
}

// put sets a member of nested objects. Paths into lists, or through something else, are left alone.
func put(in map[string]any, p Path, value any) {
	for i, segment := range p {
		name, ok := segment.(string)
		if !ok {
			return
		}
		if i == len(p)-1 {
			in[name] = value
			return
		}
		next, ok := in[name].(map[string]any)
		if in[name] == nil {
			next, ok = map[string]any{}, true
			in[name] = next
		}
		if !ok {
			return
		}
		in = next
	}
}
