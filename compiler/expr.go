package compiler

import (
	"encoding/json"
	"time"
)

// Expr is a condition on an action request: true, false or unknown.
type Expr interface{ pos() Position }

// All holds if every part does; Any if one does. Without parts, All holds and Any does not.
type (
	All struct {
		Exprs []Expr
		Pos   Position
	}
	Any struct {
		Exprs []Expr
		Pos   Position
	}
)

// Not swaps true and false and leaves unknown.
type Not struct {
	Expr Expr
	Pos  Position
}

// Op is a comparison.
type Op string

// The comparisons.
const (
	Eq     Op = "eq"
	Neq    Op = "neq"
	In     Op = "in"
	Nin    Op = "nin"
	Lt     Op = "lt"
	Lte    Op = "lte"
	Gt     Op = "gt"
	Gte    Op = "gte"
	Regex  Op = "regex"
	Exists Op = "exists"
)

var ops = []string{"eq", "neq", "in", "nin", "lt", "lte", "gt", "gte", "regex", "exists"}

// opposite is the comparison that holds where another is false.
var opposite = map[Op]Op{Eq: Neq, Neq: Eq, In: Nin, Nin: In, Lt: Gte, Gte: Lt, Gt: Lte, Lte: Gt}

// Match compares one field. Values has one element but for in and nin; exists has none, and Negated
// says that the field must be missing.
type Match struct {
	Path    Path
	Op      Op
	Values  []Literal
	Negated bool // of exists and regex, which have no opposite
	Pos     Position
}

// Literal is a value as the owner wrote it: string, bool, nil, or json.Number with its exact text.
type Literal struct {
	Value any
	Pos   Position
}

// kind is the JSON type of a literal.
func (l Literal) kind() string {
	switch l.Value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	default:
		return "null"
	}
}

// AmountBound compares $.payload.amount_minor, a whole number of minor units from 0: amount_max is lte,
// amount_min is gte.
type AmountBound struct {
	Op    Op
	Limit json.Number
	Pos   Position
}

// Domains asks that each given field be in a list of domains, or out of it if Blocked. None given is
// unknown.
type Domains struct {
	Paths    []Path
	Exact    []string // lower case, ASCII form
	Suffixes []string // ".example.com", of *.example.com
	Blocked  bool
	Pos      Position
}

// Schedule holds at certain times. It is always known.
type Schedule struct {
	Days       []time.Weekday // ascending; all if empty
	Start, End int            // minutes from midnight; Start > End runs over midnight; both 0: all day
	Zone       string         // IANA name
	Pos        Position
}

func (e All) pos() Position         { return e.Pos }
func (e Any) pos() Position         { return e.Pos }
func (e Not) pos() Position         { return e.Pos }
func (e Match) pos() Position       { return e.Pos }
func (e AmountBound) pos() Position { return e.Pos }
func (e Domains) pos() Position     { return e.Pos }
func (e Schedule) pos() Position    { return e.Pos }

// Where constraints and budgets look for money, unless told otherwise.
var (
	amountPath   = Path{"payload", "amount_minor"}
	currencyPath = Path{"payload", "currency"}
	domainPath   = Path{"payload", "domain"} // of allowed_domains and blocked_domains
)

// fields lists what an expression looks at.
func fields(e Expr) []FieldRef {
	switch e := e.(type) {
	case All:
		return fieldsOf(e.Exprs)
	case Any:
		return fieldsOf(e.Exprs)
	case Not:
		return fields(e.Expr)
	case Match:
		return []FieldRef{e.Field()}
	case AmountBound:
		return []FieldRef{e.Field()}
	case Domains:
		out := make([]FieldRef, len(e.Paths))
		for i, p := range e.Paths {
			out[i] = FieldRef{p, "domain"}
		}
		return out
	}
	return nil
}

func fieldsOf(exprs []Expr) []FieldRef {
	var out []FieldRef
	for _, e := range exprs {
		out = append(out, fields(e)...)
	}
	return out
}

// Field is the field that a comparison looks at.
func (e Match) Field() FieldRef { return FieldRef{e.Path, e.fieldType()} }

// Field is the field that a bound on the amount looks at.
func (e AmountBound) Field() FieldRef { return FieldRef{amountPath, "amount"} }

// fieldType is the type without which a comparison is unknown; any if every type will do.
func (e Match) fieldType() string {
	switch e.Op {
	case Lt, Lte, Gt, Gte:
		return e.numberType()
	case Regex:
		return "string"
	case Exists:
		return "any"
	}
	kind := e.Values[0].kind()
	for _, v := range e.Values[1:] {
		if v.kind() != kind {
			return "any"
		}
	}
	if kind == "number" {
		return e.numberType()
	}
	return kind
}

// numberType tells fields that name money by what they are called: an amount is never negative, and
// amount_minor is a whole number of minor units.
func (e Match) numberType() string {
	switch e.Path[len(e.Path)-1] {
	case "amount":
		return "nonnegative"
	case "amount_minor":
		return "amount"
	}
	return "number"
}
