package rego

import (
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxGrowth bounds how many nodes the value of a rule can have, what the input and built-in functions yield counted
// as one node each. Values that hold one another twice, such as x1 := [x0, x0], grow as 2^n: OPA's type checker and
// its comparisons then take that long and heed no deadline.
const maxGrowth = 1 << 14

// mostGrowth is maxGrowth, but in a test of what is behind it.
var mostGrowth int64 = maxGrowth

// tooLarge finds a term of the module whose value can grow beyond maxGrowth; nil if there is none. It looks at the
// text alone, before OPA's compiler does. Calls of built-in functions need no look: their operands are bounded when
// they are called.
func tooLarge(m *ast.Module) *ast.Term {
	g := &growth{module: m, rules: map[ast.Var][]*ast.Rule{}, known: map[ast.Var]linear{}}
	for _, r := range m.Rules {
		name := r.Head.Ref()[0].Value.(ast.Var)
		for ; r != nil; r = r.Else {
			g.rules[name] = append(g.rules[name], r)
		}
	}
	for name := range g.rules {
		g.rule(name)
	}
	return g.found
}

// linear is a number of nodes: some, and so many times those of the largest argument of the function that it is in.
type linear struct{ nodes, times int64 }

var one = linear{nodes: 1}

// tooMuch is what numbers of nodes stop at.
const tooMuch = 1 << 40

func capped(n int64) int64 { return min(n, tooMuch) }

func (a linear) plus(b linear) linear {
	return linear{capped(a.nodes + b.nodes), capped(a.times + b.times)}
}
func (a linear) scaled(n int64) linear {
	return linear{capped(capped(a.nodes) * min(n, tooMuch>>20)), capped(capped(a.times) * min(n, tooMuch>>20))}
}
func (a linear) most(b linear) linear { return linear{max(a.nodes, b.nodes), max(a.times, b.times)} }

// growth computes the sizes of the rules of one module. Rego has no recursion; OPA's compiler refuses it later.
type growth struct {
	module *ast.Module
	rules  map[ast.Var][]*ast.Rule
	known  map[ast.Var]linear
	found  *ast.Term
}

// scope is the variables of a body.
type scope map[ast.Var]linear

func (g *growth) rule(name ast.Var) linear {
	if size, ok := g.known[name]; ok {
		return size
	}
	g.known[name] = one // of a rule that refers to itself, which OPA refuses
	size := one
	for _, r := range g.rules[name] {
		vars := scope{}
		for _, arg := range r.Head.Args {
			ast.WalkVars(arg, func(v ast.Var) bool { vars[v] = linear{times: 1}; return false })
		}
		many := r.Head.Key != nil // a partial set or object: one element for each way to meet the body
		rounds := g.body(r.Body, vars, many)
		head := one
		for _, t := range []*ast.Term{r.Head.Key, r.Head.Value} {
			if t != nil {
				head = head.plus(g.term(t, vars))
			}
		}
		for _, t := range r.Head.Ref()[1:] {
			head = head.plus(g.term(t, vars))
		}
		if many {
			size = size.plus(head.scaled(rounds))
		} else {
			size = size.most(head)
		}
	}
	g.known[name] = size
	return size
}

// body learns the sizes of a body's variables, and returns in how many ways it can be met by values that are known
// from the text. elements says that the variables of a loop stand for one node each, because what the body is for
// is counted once for each way.
func (g *growth) body(body ast.Body, vars scope, elements bool) int64 {
	for range len(body) + 1 { // expressions may come in any order
		before := maps.Clone(vars)
		for _, x := range body {
			g.learn(x, vars, elements)
		}
		if maps.Equal(before, vars) || g.found != nil {
			break
		}
	}
	rounds := int64(1)
	for _, x := range body {
		if x.Negated {
			continue
		}
		if collection := loopOf(x); collection != nil {
			rounds = capped(rounds * min(g.term(collection, vars).nodes, tooMuch>>20))
			continue
		}
		ast.WalkRefs(x, func(r ast.Ref) bool {
			if n := g.ref(r, vars).nodes; n > 1 && hasVar(r[1:]) {
				rounds = capped(rounds * min(n, tooMuch>>20))
			}
			return false
		})
	}
	return rounds
}

// loopOf is the collection of "some x in collection", or nil.
func loopOf(x *ast.Expr) *ast.Term {
	if some, ok := x.Terms.(*ast.SomeDecl); ok && len(some.Symbols) == 1 {
		if call, ok := some.Symbols[0].Value.(ast.Call); ok {
			return call[len(call)-1]
		}
	}
	return nil
}

func hasVar(r ast.Ref) bool {
	for _, t := range r {
		if _, ok := t.Value.(ast.Var); ok {
			return true
		}
	}
	return false
}

// learn takes what one expression says of variables.
func (g *growth) learn(x *ast.Expr, vars scope, elements bool) {
	set := func(pattern *ast.Term, size linear) {
		ast.WalkVars(pattern, func(v ast.Var) bool {
			if _, isRule := g.rules[v]; !isRule {
				vars[v] = vars[v].most(size)
			}
			return false
		})
	}
	switch terms := x.Terms.(type) {
	case *ast.SomeDecl:
		if collection := loopOf(x); collection != nil {
			size := g.term(collection, vars)
			if elements {
				size = one
			}
			call := terms.Symbols[0].Value.(ast.Call)
			for _, t := range call[1 : len(call)-1] {
				set(t, size)
			}
		}
	case *ast.Every:
		inner := maps.Clone(vars)
		size := g.term(terms.Domain, vars)
		for _, t := range []*ast.Term{terms.Key, terms.Value} {
			if t != nil {
				ast.WalkVars(t, func(v ast.Var) bool { inner[v] = size; return false })
			}
		}
		g.body(terms.Body, inner, false)
	case *ast.Term:
		g.term(terms, vars)
	case []*ast.Term:
		sizes := make([]linear, len(terms))
		for i, t := range terms[1:] {
			sizes[i+1] = g.term(t, vars)
		}
		if len(terms) == 3 && (x.IsAssignment() || x.IsEquality()) {
			set(terms[1], sizes[2])
			set(terms[2], sizes[1])
		} else if len(terms) > 1 {
			g.call(terms[0], sizes[1:])
		}
	}
}

// term is how many nodes the value of a term can have.
func (g *growth) term(t *ast.Term, vars scope) linear {
	size := g.value(t, vars)
	if size.nodes > mostGrowth && g.found == nil {
		g.found = t
	}
	return size
}

func (g *growth) value(t *ast.Term, vars scope) linear {
	size := one
	add := func(inner *ast.Term) { size = size.plus(g.term(inner, vars)) }
	switch v := t.Value.(type) {
	case ast.Var:
		return g.ref(ast.Ref{t}, vars)
	case ast.Ref:
		return g.ref(v, vars)
	case *ast.Array:
		v.Foreach(add)
	case ast.Set:
		v.Foreach(add)
	case ast.Object:
		v.Foreach(func(k, inner *ast.Term) { add(k); add(inner) })
	case *ast.ArrayComprehension:
		return g.comprehension(v.Body, vars, v.Term)
	case *ast.SetComprehension:
		return g.comprehension(v.Body, vars, v.Term)
	case *ast.ObjectComprehension:
		return g.comprehension(v.Body, vars, v.Key, v.Value)
	case ast.Call:
		sizes := make([]linear, len(v)-1)
		for i, arg := range v[1:] {
			sizes[i] = g.term(arg, vars)
		}
		return g.call(v[0], sizes)
	case *ast.TemplateString:
		for _, part := range v.Parts {
			if inner, ok := part.(*ast.Term); ok {
				add(inner)
			}
		}
	}
	return size
}

func (g *growth) comprehension(body ast.Body, outer scope, head ...*ast.Term) linear {
	vars := maps.Clone(outer)
	rounds := g.body(body, vars, true)
	size := one
	for _, t := range head {
		size = size.plus(g.term(t, vars))
	}
	return one.plus(size.scaled(rounds))
}

// call is the size of what a function returns: one of the module's own, by its arguments, or a built-in.
func (g *growth) call(operator *ast.Term, args []linear) linear {
	name, own := g.own(operator)
	if !own {
		return one
	}
	f, arg := g.rule(name), one
	for _, a := range args {
		arg = arg.most(a)
	}
	return linear{capped(f.nodes), 0}.plus(arg.scaled(f.times))
}

// ref is the size of what a reference leads to: at most that of what it begins with.
func (g *growth) ref(r ast.Ref, vars scope) linear {
	if v, ok := r[0].Value.(ast.Var); ok {
		if size, ok := vars[v]; ok {
			return size.most(one)
		}
	}
	if name, ok := g.own(ast.NewTerm(r)); ok {
		return g.rule(name)
	}
	if _, ok := r[0].Value.(ast.Var); !ok {
		return g.term(r[0], vars) // [1, 2][i]
	}
	return one
}

// own is the name of the module's rule that a term refers to.
func (g *growth) own(t *ast.Term) (ast.Var, bool) {
	r, ok := t.Value.(ast.Ref)
	if !ok {
		if v, isVar := t.Value.(ast.Var); isVar {
			r = ast.Ref{ast.NewTerm(v)}
		}
	}
	if len(r) == 0 {
		return "", false
	}
	if path := g.module.Package.Path; r.HasPrefix(path) && len(r) > len(path) {
		if s, ok := r[len(path)].Value.(ast.String); ok {
			_, known := g.rules[ast.Var(s)]
			return ast.Var(s), known
		}
	}
	v, ok := r[0].Value.(ast.Var)
	_, known := g.rules[v]
	return v, ok && known
}
