package compiler

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// when reads a boolean expression: one of all, any, not, match.
func (r *reader) when(n *yaml.Node) Expr {
	var e Expr
	parts := func(n *yaml.Node, key string) []Expr {
		var out []Expr
		r.list(n, key, false, func(n *yaml.Node) {
			if e := r.when(n); e != nil {
				out = append(out, e)
			}
		})
		return out
	}
	at := r.at(n)
	seen, ok := r.mapping(n, "when",
		field{"all", func(n *yaml.Node) { e = All{parts(n, "all"), at} }},
		field{"any", func(n *yaml.Node) { e = Any{parts(n, "any"), at} }},
		field{"not", func(n *yaml.Node) {
			if inner := r.when(n); inner != nil {
				e = Not{inner, at}
			}
		}},
		field{"match", func(n *yaml.Node) { e = r.match(n, "match", "path", "op") }})
	if ok && len(seen) != 1 {
		r.errorf(n, "ambiguous_when", "a condition is exactly one of all, any, not or match")
	}
	return e
}

// conditions reads the short spelling: a list that must hold as a whole.
func (r *reader) conditions(n *yaml.Node) []Expr {
	var out []Expr
	r.list(n, "conditions", false, func(n *yaml.Node) { out = append(out, r.match(n, "a condition", "field", "operator")) })
	return out
}

// match reads one comparison. The two spellings differ in the names of their keys, and a field is a
// path without $.
func (r *reader) match(n *yaml.Node, noun, pathKey, opKey string) Expr {
	r.condition(n, conditionParts)
	m := Match{Pos: r.at(n)}
	var value *yaml.Node
	seen, ok := r.mapping(n, noun,
		field{pathKey, func(n *yaml.Node) { m.Path = r.path(n, pathKey) }},
		field{opKey, func(n *yaml.Node) {
			word, _ := r.word(n, "operator", "unknown_operator", false, ops...)
			m.Op = Op(word)
		}},
		field{"value", func(n *yaml.Node) { value = n }})
	if !ok {
		return nil
	}
	for _, key := range []string{pathKey, opKey} {
		if seen[key] == nil {
			r.errorf(n, "missing_key", "%s needs %s", noun, key)
			return nil
		}
	}
	if m.Op == "" || m.Path == nil || !r.operand(n, value, &m) || !r.amounts(&m) {
		return nil
	}
	m.foldAction()
	return m
}

// foldAction makes a comparison with the action type ignore case, as action patterns do.
func (e *Match) foldAction() {
	if !slices.Equal(e.Path, Path{"action_type"}) {
		return
	}
	for i, v := range e.Values {
		switch s, ok := v.Value.(string); {
		case !ok:
		case e.Op == Regex:
			e.Values[i].Value = "(?i)" + s
		default:
			e.Values[i].Value = FoldAction(s)
		}
	}
}

// amounts refuses to compare money with what no amount can be.
func (r *reader) amounts(m *Match) bool {
	typ := m.numberType()
	if typ == "number" {
		return true
	}
	fine := true
	for _, l := range m.Values {
		num, ok := l.Value.(json.Number)
		if !ok {
			continue
		}
		exact, ok := new(big.Rat).SetString(num.String())
		if ok && exact.Sign() >= 0 && (typ != "amount" || exact.IsInt()) {
			continue
		}
		want := "0 or more"
		if typ == "amount" {
			want = "a whole number of minor units, 0 or more"
		}
		r.report(Diagnostic{Code: "invalid_amount", Pos: l.Pos,
			Message: fmt.Sprintf("%s is always %s, so it cannot be compared with %s", m.Path, want, num)})
		fine = false
	}
	return fine
}

func (r *reader) path(n *yaml.Node, key string) Path {
	s, ok := r.text(n, key)
	if !ok {
		return nil
	}
	if key == "field" && !strings.HasPrefix(s, "$") {
		s = "$." + s
	}
	path, err := parsePath(s)
	var unknown *unknownWord
	switch {
	case errors.As(err, &unknown):
		if key == "field" && unknown.suggestion() == "" {
			unknown.meant = "context" + strings.TrimPrefix(s, "$")
		}
		r.unknown(n, "unknown_field", unknown)
	case err != nil:
		r.errorf(n, "invalid_path", "%v", err)
	}
	return path
}

// operand reads the value that an operator compares with.
func (r *reader) operand(n, value *yaml.Node, m *Match) bool {
	if m.Op == Exists {
		if value == nil {
			return true
		}
		want, ok := r.boolean(value, "the value of exists")
		m.Negated = !want
		return ok
	}
	if value == nil {
		r.errorf(n, "missing_key", "the operator %s needs a value", m.Op)
		return false
	}
	before := len(r.ds)
	switch m.Op {
	case In, Nin:
		r.list(value, "the value of "+string(m.Op), false, func(n *yaml.Node) {
			r.count(n, valueParts)
			r.value(n, m)
		})
	case Lt, Lte, Gt, Gte:
		if num, ok := r.number(value, "the value of "+string(m.Op)); ok {
			m.Values = []Literal{{num, r.at(value)}}
		}
	case Regex:
		if s, ok := r.text(value, "the value of regex"); ok {
			r.regex(value, s)
			m.Values = []Literal{{s, r.at(value)}}
		}
	default:
		r.value(value, m)
	}
	return len(r.ds) == before
}

func (r *reader) value(n *yaml.Node, m *Match) {
	if l, ok := r.literal(n); ok {
		m.Values = append(m.Values, l)
	}
}

// regex refuses what is not RE2, or too large.
func (r *reader) regex(n *yaml.Node, s string) {
	if r.count(n, regexByteParts*min(len(s), MaxRegex)); r.parts > MaxParts {
		return // refused already
	}
	_, err := CheckRegex(s)
	var fault *RegexError
	if errors.As(err, &fault) {
		r.report(Diagnostic{Code: fault.Code, Pos: r.at(n), Message: fault.Message})
	}
}

// constraints reads the named limits of a rule; all of them must hold.
func (r *reader) constraints(n *yaml.Node) []Expr {
	var out []Expr
	amount := func(op Op, noun string) func(n *yaml.Node) {
		return func(n *yaml.Node) {
			r.condition(n, conditionParts)
			if _, ok := r.integer(n, noun, 0, maxSafeInteger); ok {
				out = append(out, AmountBound{op, json.Number(n.Value), r.at(n)})
			}
		}
	}
	domains := func(noun, member string, blocked bool) func(n *yaml.Node) {
		return func(n *yaml.Node) { out = append(out, r.domains(n, noun, member, blocked)) }
	}
	r.mapping(n, "constraints",
		field{"amount_max", amount(Lte, "amount_max")},
		field{"amount_min", amount(Gte, "amount_min")},
		field{"currency", func(n *yaml.Node) {
			r.condition(n, conditionParts)
			m := Match{Path: currencyPath, Op: In, Pos: r.at(n)}
			r.list(n, "currency", true, func(n *yaml.Node) {
				r.count(n, valueParts)
				code := r.form(n, "currency", currencyForm, "three capital letters, such as USD")
				m.Values = append(m.Values, Literal{code, r.at(n)})
			})
			if len(m.Values) > 0 { // none is an error, and no comparison
				out = append(out, m)
			}
		}},
		field{"merchant_domain", domains("merchant_domain", "merchant_domain", false)},
		field{"allowed_domains", domains("allowed_domains", "domain", false)},
		field{"blocked_domains", domains("blocked_domains", "domain", true)},
		field{"schedule", func(n *yaml.Node) {
			if s, ok := r.schedule(n); ok {
				out = append(out, s)
			}
		}})
	return out
}

var currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
