package rego

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/openleash/openleash-go/compiler"
)

// File is the text of one policy. Path is relative to the policies folder; see NameOf for how it ends.
type File struct {
	Path string
	Text []byte
}

// Policy is one compiled policy. It is immutable.
type Policy struct {
	compiler.Header
	File    string
	Raw     bool             // written in Rego
	YAML    *compiler.Policy // nil if Raw
	Text    []byte
	Default compiler.Default // empty for a guardrail
	Budgets []compiler.Budget

	sum   [sha256.Size]byte
	query ast.Body // for match of a YAML policy, decision of a raw one
	tightening
	ready readiness
	// readsBudgets: the module looks at input.budgets.
	readsBudgets bool
	watch        bool         // nobody can say how long an evaluation takes
	stuck        *atomic.Bool // one was given up and has not ended
}

// answer is the variable that queries bind.
const answer = ast.Var("answer")

// Check compiles one file by itself, whoever owns it. The policy is nil if it has errors.
func Check(f File) (*Policy, compiler.Diagnostics) { return compileFile(f) }

// compileFile compiles one file by itself. The policy is nil if it has errors.
func compileFile(f File) (*Policy, compiler.Diagnostics) {
	if len(f.Text) > compiler.MaxFile {
		return nil, compiler.Diagnostics{{Code: "file_too_large", Pos: compiler.Position{File: f.Path, Line: 1, Column: 1},
			Message: fmt.Sprintf("a policy file is at most %d bytes", compiler.MaxFile)}}
	}
	if strings.EqualFold(path.Ext(f.Path), ".rego") {
		if ds := checked(f); ds != nil {
			return nil, ds
		}
		return compileRego(f)
	}
	parsed, ds := compiler.Parse(f.Path, f.Text)
	if parsed == nil {
		return nil, ds
	}
	module, err := compiler.Compile(parsed)
	if err != nil {
		return nil, append(ds, diagnostics(f.Path, err)...)
	}
	p := &Policy{Header: parsed.Header, File: f.Path, YAML: parsed, Text: f.Text, Budgets: parsed.Budgets, tightening: tighteningOf(parsed)}
	if !p.Guardrail {
		p.Default = parsed.Default
	}
	if err := p.prepare(module, "match"); err != nil {
		return nil, append(ds, diagnostics(f.Path, err)...)
	}
	return p, ds
}

// Module returns the policy's OPA module, before OPA's compiler saw it. It is made anew each time.
func (p *Policy) Module() (*ast.Module, error) {
	if p.Raw {
		return parseRego(p.File, p.Text)
	}
	return compiler.Compile(p.YAML)
}

// prepare compiles the module, for one of its documents to be asked for.
func (p *Policy) prepare(m *ast.Module, document string) error {
	p.sum = sha256.Sum256(p.Text)
	c, err := p.compile(m)
	if err != nil {
		return err
	}
	p.ready.compiler.Store(c)
	p.watch, p.stuck = p.Raw || calls(m, ast.RegexMatch), new(atomic.Bool)
	p.readsBudgets = readsBudgets(m)
	p.query = p.queryFor(document)
	return nil
}

// compile has OPA compile the module.
func (p *Policy) compile(m *ast.Module) (*ast.Compiler, error) {
	c := ast.NewCompiler().WithCapabilities(capabilities()).SetErrorLimit(100)
	if c.Compile(map[string]*ast.Module{p.File: m}); c.Failed() {
		return nil, c.Errors
	}
	if p.Raw {
		bound(c)
		return c, nil
	}
	// Evaluation does not ask for them: types are wanted only where functions are mocked, which YAML
	// cannot say.
	c.TypeEnv, c.Graph, c.ModuleTree = nil, nil, nil
	return c, nil
}

// queryFor asks for one document of the policy. It is simple enough to need no compiler.
func (p *Policy) queryFor(document string) ast.Body {
	ref := compiler.Package(p.ID).Append(ast.StringTerm(document))
	return ast.NewBody(ast.Equality.Expr(ast.NewTerm(answer), ast.NewTerm(ref)))
}

// readsBudgets says whether a module looks at input.budgets, or at input as a whole.
func readsBudgets(m *ast.Module) bool {
	reads := false
	ast.WalkRefs(m, func(r ast.Ref) bool {
		if r[0].Equal(ast.InputRootDocument) && (len(r) == 1 || !isOtherString(r[1].Value, "budgets")) {
			reads = true
		}
		return reads
	})
	return reads || mentionsInput(m)
}

// isOtherString: a member of the input with a name that is known not to be want.
func isOtherString(v ast.Value, want string) bool {
	s, ok := v.(ast.String)
	return ok && string(s) != want
}

// mentionsInput: the bare word input stands somewhere, so all of it may be read.
func mentionsInput(m *ast.Module) bool {
	found := false
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if _, isRef := t.Value.(ast.Ref); isRef {
			return true // seen by its members
		}
		found = found || t.Equal(ast.InputRootDocument)
		return found
	})
	return found
}

// evaluate runs a query of the policy; nil if the document is undefined. What YAML compiles to ends
// soon; what people write in Rego, and a regular expression on a long text, are watched.
func (p *Policy) evaluate(q ast.Body, ev *evaluation, input *ast.Term) (ast.Value, error) {
	if p.watch {
		return p.watched(q, ev, input)
	}
	return p.run(q, ev, input)
}

// run evaluates a query.
func (p *Policy) run(q ast.Body, ev *evaluation, input *ast.Term) (out ast.Value, err error) {
	defer func() {
		if fault := recover(); fault != nil { // a fault of OPA's denies, and stops nothing else
			out, err = nil, fmt.Errorf("evaluation panicked: %v", fault)
		}
	}()
	c, err := p.compiler()
	if err != nil {
		return nil, err
	}
	data := noData()
	query := topdown.NewQuery(q).WithCompiler(c).WithInput(input).
		WithStore(data.store).WithTransaction(data.txn).WithCancel(ev).WithStrictBuiltinErrors(true).
		WithBuiltins(bounded()).WithMetrics(metrics.NoOp())
	if ev.tracer != nil {
		query = query.WithQueryTracer(ev.tracer)
	}
	err = query.Iter(ev.ctx, func(r topdown.QueryResult) error {
		out = r[answer].Value
		return nil
	})
	return out, err
}

// emptyStore is what policies find under data, besides themselves.
type emptyStore struct {
	store storage.Store
	txn   storage.Transaction
}

// noData opens the empty store. Its one read transaction never ends, for nothing is ever written.
var noData = sync.OnceValue(func() emptyStore {
	store := inmem.New()
	return emptyStore{store, storage.NewTransactionOrDie(context.Background(), store)}
})

// diagnostics turns OPA's errors into ours, with their positions.
func diagnostics(file string, err error) compiler.Diagnostics {
	var many ast.Errors
	var single *ast.Error
	switch {
	case errors.As(err, &many):
	case errors.As(err, &single):
		many = ast.Errors{single}
	default:
		return compiler.Diagnostics{{Code: "rego_error", Pos: compiler.Position{File: file, Line: 1, Column: 1}, Message: err.Error()}}
	}
	ds := make(compiler.Diagnostics, len(many))
	for i, e := range many {
		pos := compiler.Position{File: file, Line: 1, Column: 1}
		if l := e.Location; l != nil && l.Row > 0 {
			pos.Line, pos.Column = l.Row, max(l.Col, 1)
		}
		ds[i] = compiler.Diagnostic{Code: e.Code, Pos: pos, Message: e.Message}
	}
	return ds
}

// Sum is the SHA-256 of the policy's text, in hex.
func (p *Policy) Sum() string { return hex.EncodeToString(p.sum[:]) }
