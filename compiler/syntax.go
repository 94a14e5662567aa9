package compiler

import (
	"encoding/json"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The builders of nodes. Each node gets the emitter's position. A node may stand in several places: OPA
// copies a module before it compiles it.

func (e *emitter) location() *ast.Location {
	if at := e.at; e.located == nil || e.located.File != at.File || e.located.Row != at.Line || e.located.Col != at.Column {
		e.located = &ast.Location{File: at.File, Row: at.Line, Col: at.Column, Text: []byte(at.String())}
	}
	return e.located
}

func (e *emitter) term(v ast.Value) *ast.Term { return &ast.Term{Value: v, Location: e.location()} }

func (e *emitter) text(s string) *ast.Term { return e.term(ast.String(s)) }

func (e *emitter) number(n int) *ast.Term { return e.term(ast.Number(json.Number(strconv.Itoa(n)))) }

func (e *emitter) variable(name ast.Var) *ast.Term { return e.term(name) }

// index is list[i].
func (e *emitter) index(list *ast.Term, i int) *ast.Term {
	return e.term(ast.Ref{list, e.number(i)})
}

func (e *emitter) expr(x *ast.Expr) *ast.Expr {
	x.Location = e.location()
	return x
}

// call is an expression that calls a built-in function.
func (e *emitter) call(b *ast.Builtin, args ...*ast.Term) *ast.Expr {
	terms := make([]*ast.Term, 1, len(args)+1)
	terms[0] = e.term(b.Ref())
	return e.expr(ast.NewExpr(append(terms, args...)))
}

// function is an expression that calls a function of the module.
func (e *emitter) function(name ast.Var, arg *ast.Term) *ast.Expr {
	return e.expr(ast.NewExpr([]*ast.Term{e.term(ast.Ref{e.variable(name)}), arg}))
}

// termCall is a built-in function's result.
func (e *emitter) termCall(b *ast.Builtin, args ...*ast.Term) *ast.Term {
	t := b.Call(args...)
	t.Location = e.location()
	return t
}

func (e *emitter) input(name string) *ast.Term { return e.field(Path{name}) }

func (e *emitter) field(p Path) *ast.Term {
	ref := make(ast.Ref, 1, len(p)+1)
	ref[0] = e.term(ast.InputRootDocument.Value)
	for _, s := range p {
		switch s := s.(type) {
		case int:
			ref = append(ref, e.number(s))
		case string:
			ref = append(ref, e.text(s))
		}
	}
	return e.term(ref)
}

// value keeps the exact text of a number.
func (e *emitter) value(l Literal) *ast.Term {
	switch v := l.Value.(type) {
	case string:
		return e.text(v)
	case bool:
		return e.term(ast.Boolean(v))
	case json.Number:
		return e.term(ast.Number(v))
	}
	return e.term(ast.NullValue)
}

func (e *emitter) set(values ...Literal) *ast.Term {
	terms := make([]*ast.Term, len(values))
	for i, v := range values {
		terms[i] = e.value(v)
	}
	return e.term(ast.NewSet(terms...))
}
