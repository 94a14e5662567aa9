package compiler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// certain returns expressions that hold together exactly where x is known to be true, or known to be
// false if negated.
func (e *emitter) certain(x Expr, negated bool) []*ast.Expr {
	cases := e.cases(x, negated)
	if len(cases) == 1 {
		return cases[0]
	}
	return []*ast.Expr{e.helper(called(x), x.pos(), cases)}
}

// possible returns expressions that hold together exactly where x is not known to be false.
func (e *emitter) possible(x Expr) []*ast.Expr {
	switch x := x.(type) {
	case All:
		return e.each(x.Exprs, e.possible)
	case Schedule:
		return e.certain(x, false) // always known
	}
	fails := e.helper("fails", x.pos(), e.cases(x, true))
	fails.Negated = true
	return []*ast.Expr{fails}
}

// cases returns the alternatives, each a list of expressions, of which one holds exactly where x is known
// to be true, or known to be false if negated.
func (e *emitter) cases(x Expr, negated bool) [][]*ast.Expr {
	certain := func(part Expr) []*ast.Expr { return e.certain(part, negated) }
	switch x := x.(type) {
	case Not:
		return e.cases(x.Expr, !negated)
	case All:
		if !negated {
			return one(e.each(x.Exprs, certain)...)
		}
		return e.anyOf(x.Exprs, true)
	case Any:
		if negated {
			return one(e.each(x.Exprs, certain)...)
		}
		return e.anyOf(x.Exprs, false)
	}
	e.at = x.pos()
	return e.comparison(x, negated)
}

func (e *emitter) each(parts []Expr, form func(Expr) []*ast.Expr) []*ast.Expr {
	var out []*ast.Expr
	for _, part := range parts {
		out = append(out, form(part)...)
	}
	return out
}

func (e *emitter) anyOf(parts []Expr, negated bool) [][]*ast.Expr {
	var out [][]*ast.Expr
	for _, part := range parts {
		out = append(out, e.cases(part, negated)...)
	}
	return out
}

// called is what the helper rule of an expression is called, where it takes one.
func called(x Expr) string {
	switch x.(type) {
	case Domains:
		return "domains"
	case Schedule:
		return "hours"
	}
	return "any"
}

// helper adds a rule that holds where one of the cases does, and returns a reference to it.
func (e *emitter) helper(what string, at Position, cases [][]*ast.Expr) *ast.Expr {
	name := e.name(what)
	for _, body := range cases {
		e.at = at
		if len(body) > 0 {
			e.at = positionOf(body[0].Location)
		}
		e.add(&e.helpers, ast.NewHead(name, nil, e.term(ast.Boolean(true))), body)
	}
	e.at = at
	return e.expr(ast.NewExpr(e.term(name)))
}

// name is that of a new helper rule: the id of the rule that it belongs to, what it is for, and a number
// if there is more than one such. Names of the module's own end otherwise.
func (e *emitter) name(what string) ast.Var {
	id := strings.ReplaceAll(e.current, "-", "_")
	if id[0] >= '0' && id[0] <= '9' {
		id = "rule_" + id
	}
	name := id + "_" + what
	e.named[name]++
	if n := e.named[name]; n > 1 {
		name = fmt.Sprintf("%s_%d", name, n)
	}
	return ast.Var(name)
}

func positionOf(l *ast.Location) Position { return Position{l.File, l.Row, l.Col} }

// comparison returns the alternatives under which a leaf is known to be true, or false if negated.
func (e *emitter) comparison(x Expr, negated bool) [][]*ast.Expr {
	switch x := x.(type) {
	case Match:
		return e.match(x, negated)
	case AmountBound:
		return e.amount(x, negated)
	case Domains:
		return e.domains(x, negated)
	case Schedule:
		return e.schedule(x, negated)
	}
	panic(fmt.Sprintf("no form for %T", x)) // the set of expressions is closed
}

func (e *emitter) match(m Match, negated bool) [][]*ast.Expr {
	ref := e.field(m.Path)
	switch m.Op {
	case Exists:
		there := e.given(m.Path)
		there.Negated = m.Negated != negated
		return one(there)
	case Regex:
		hit := e.call(ast.RegexMatch, e.value(m.Values[0]), ref)
		hit.Negated = negated
		return one(e.call(ast.IsString, ref), hit)
	case In, Nin, Eq, Neq:
		if negated {
			m.Op = opposite[m.Op]
		}
		return e.membership(ref, m)
	}
	if negated {
		m.Op = opposite[m.Op]
	}
	return one(append(e.isNumber(ref, m.numberType()), e.call(order[m.Op], ref, e.value(m.Values[0])))...)
}

// isNumber checks that a field is a number of the given type.
func (e *emitter) isNumber(ref *ast.Term, typ string) []*ast.Expr {
	checks := []*ast.Expr{e.call(ast.IsNumber, ref)}
	if typ != "number" {
		checks = append(checks, e.call(ast.GreaterThanEq, ref, e.number(0)))
	}
	if typ == "amount" {
		checks = append(checks, e.call(ast.Equal, e.termCall(ast.Floor, ref), ref))
	}
	return checks
}

// isKind checks that a field has the type of a literal.
func (e *emitter) isKind(ref *ast.Term, m Match, kind string) []*ast.Expr {
	if kind == "number" {
		return e.isNumber(ref, m.numberType())
	}
	return []*ast.Expr{e.call(typeChecks[kind], ref)}
}

var order = map[Op]*ast.Builtin{Lt: ast.LessThan, Lte: ast.LessThanEq, Gt: ast.GreaterThan, Gte: ast.GreaterThanEq}

// membership: a value that is in the list has a type of the list; one that is not must have one of
// these types, or it is unknown.
func (e *emitter) membership(ref *ast.Term, m Match) [][]*ast.Expr {
	switch m.Op {
	case Eq:
		return one(e.call(ast.Equal, ref, e.value(m.Values[0])))
	case In:
		return one(e.call(ast.Member, ref, e.set(m.Values...)))
	case Neq:
		return one(append(e.isKind(ref, m, m.Values[0].kind()), e.call(ast.NotEqual, ref, e.value(m.Values[0])))...)
	}
	var kinds []string
	for _, v := range m.Values {
		if !slices.Contains(kinds, v.kind()) {
			kinds = append(kinds, v.kind())
		}
	}
	bodies := make([][]*ast.Expr, len(kinds))
	for i, kind := range kinds {
		out := e.call(ast.Member, ref, e.set(m.Values...))
		out.Negated = true
		bodies[i] = append(e.isKind(ref, m, kind), out)
	}
	return bodies
}

var typeChecks = map[string]*ast.Builtin{"string": ast.IsString, "boolean": ast.IsBoolean, "null": ast.IsNull}

// amount compares a whole number of minor units from 0; anything else is unknown.
func (e *emitter) amount(a AmountBound, negated bool) [][]*ast.Expr {
	op := a.Op
	if negated {
		op = opposite[op]
	}
	ref := e.field(amountPath)
	return one(append(e.isNumber(ref, "amount"), e.call(order[op], ref, e.term(ast.Number(a.Limit))))...)
}

// domains: certain where at least one field is given and all that are given fit; certainly not where
// one that is given does not fit.
func (e *emitter) domains(d Domains, negated bool) [][]*ast.Expr {
	listed := d.Blocked == negated // what the hosts that count are
	fits := e.hosts(d, listed)
	fit := func(p Path) *ast.Expr { return e.function(fits, e.field(p)) }
	missing := func(p Path) *ast.Expr {
		x := e.given(p)
		x.Negated = true
		return x
	}
	a, b := d.Paths[0], d.Paths[1]
	if negated {
		return [][]*ast.Expr{{fit(a)}, {fit(b)}}
	}
	return [][]*ast.Expr{{fit(a), fit(b)}, {fit(a), missing(b)}, {fit(b), missing(a)}}
}

// hosts adds a function that holds for the hosts that are in a list of domains, or for those that are not.
func (e *emitter) hosts(d Domains, listed bool) ast.Var {
	host := e.variable("host")
	isDomain := e.function(e.isDomain(), host)
	lower := e.termCall(ast.Lower, host)
	var in []*ast.Expr
	if len(d.Exact) > 0 {
		in = append(in, e.call(ast.Member, lower, e.set(texts(d.Exact)...)))
	}
	if len(d.Suffixes) > 0 {
		suffixes := make([]*ast.Term, len(d.Suffixes))
		for i, s := range d.Suffixes {
			suffixes[i] = e.text(s)
		}
		in = append(in, e.call(ast.AnySuffixMatch, lower, e.term(ast.NewArray(suffixes...))))
	}
	if listed {
		name := e.name("listed")
		for _, x := range in {
			e.defineFunction(name, isDomain.Copy(), x)
		}
		return name
	}
	name := e.name("unlisted")
	for _, x := range in {
		x.Negated = true
	}
	e.defineFunction(name, append([]*ast.Expr{isDomain}, in...)...)
	return name
}

// isDomain is a function that holds for host names; there is one in a module that needs it.
func (e *emitter) isDomain() ast.Var {
	const name = ast.Var("is_domain")
	if e.named[string(name)] == 0 {
		e.named[string(name)]++
		host := e.variable("host")
		e.defineFunction(name, e.call(ast.IsString, host), e.call(ast.RegexMatch, e.text(DomainForm), host))
	}
	return name
}

// defineFunction adds "name(host) if { body }".
func (e *emitter) defineFunction(name ast.Var, body ...*ast.Expr) {
	head := ast.NewHead(name, nil, e.term(ast.Boolean(true)))
	head.Args = ast.Args{e.variable("host")}
	e.add(&e.helpers, head, body)
}

func texts(words []string) []Literal {
	out := make([]Literal, len(words))
	for i, w := range words {
		out[i] = Literal{Value: w}
	}
	return out
}

// given holds for a field that is there, whatever its value: it equals itself. Negated, it holds for one
// that is missing, which a call of a built-in would not: its operand is looked up outside of the not.
func (e *emitter) given(p Path) *ast.Expr { return e.call(ast.Equal, e.field(p), e.field(p)) }

// schedule is always known, so its negation is a plain not.
func (e *emitter) schedule(s Schedule, negated bool) [][]*ast.Expr {
	bodies := e.times(s)
	if !negated {
		return bodies
	}
	not := e.helper("hours", s.Pos, bodies)
	not.Negated = true
	return one(not)
}

func (e *emitter) times(s Schedule) [][]*ast.Expr {
	local := ast.ArrayTerm(e.input("now_ns"), e.text(s.Zone))
	onDay := func(shift time.Weekday) []*ast.Expr {
		if len(s.Days) == 0 {
			return nil
		}
		var names []Literal
		for _, d := range s.Days {
			names = append(names, Literal{Value: ((d + shift) % 7).String()})
		}
		return []*ast.Expr{e.call(ast.Member, e.termCall(ast.Weekday, local), e.set(names...))}
	}
	if s.Start == 0 && s.End == 0 {
		return [][]*ast.Expr{onDay(0)}
	}
	clock := e.variable("clock")
	read := func() *ast.Expr { return e.call(ast.Assign, clock, e.termCall(ast.Clock, local)) }
	minutes := e.termCall(ast.Plus, e.termCall(ast.Multiply, e.index(clock, 0), e.number(60)), e.index(clock, 1))
	from := func() *ast.Expr { return e.call(ast.GreaterThanEq, minutes, e.number(s.Start)) }
	until := func() *ast.Expr { return e.call(ast.LessThan, minutes, e.number(s.End)) }
	if s.Start < s.End {
		return [][]*ast.Expr{append(onDay(0), read(), from(), until())}
	}
	// Over midnight: what is left of a night belongs to the day on which it began.
	return [][]*ast.Expr{append(onDay(0), read(), from()), append(onDay(1), read(), until())}
}

func one(exprs ...*ast.Expr) [][]*ast.Expr { return [][]*ast.Expr{exprs} }
