package rego

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// Matching a pattern is one call of a built-in, which no deadline stops. So what it may take is known
// before it begins.

const (
	// maxSearch bounds one search of a regular expression, in instructions times bytes: about 100 ms.
	maxSearch = compiler.MaxRegexProgram << 16
	// maxSearches bounds the search for one match after the other, each of which may look at all that is
	// left: seconds at worst, and far less for most expressions.
	maxSearches = 1 << 30
	// maxGlob bounds the ways to share a text out between the stars of a glob: about 100 ms.
	maxGlob = 1 << 26
)

// searches are the operands of a built-in that matches a regular expression: the pattern, the text, and how
// many matches are wanted, if one says so (0: it is the pattern or the text).
type searches struct {
	pattern, text, most int
	once                bool // it looks for one match
}

var patterns = map[string]searches{
	ast.RegexMatch.Name:                 {pattern: 0, text: 1, once: true},
	ast.RegexFind.Name:                  {pattern: 0, text: 1, most: 2},
	ast.RegexFindAllStringSubmatch.Name: {pattern: 0, text: 1, most: 2},
	ast.RegexSplit.Name:                 {pattern: 0, text: 1},
	ast.RegexReplace.Name:               {pattern: 1, text: 0},
}

// fits says whether a call may be made.
func (s searches) fits(operands []*ast.Term) error {
	pattern, ok := operands[s.pattern].Value.(ast.String)
	if !ok {
		return nil // the built-in says so
	}
	program, err := compiler.CheckRegex(string(pattern))
	if err != nil {
		return err
	}
	length := textLen(operands[s.text].Value)
	switch search := program * length; {
	case search > maxSearch:
		return fmt.Errorf("a text of %d bytes is too long for this regex", length)
	case !s.once && search*s.matches(operands, length) > maxSearches:
		return fmt.Errorf("a text of %d bytes is too long to find all matches of this regex; ask for fewer", length)
	}
	return nil
}

// matches is how many a call may look for in a text.
func (s searches) matches(operands []*ast.Term, length int) int {
	if number, ok := operands[s.most].Value.(ast.Number); ok {
		if most, ok := number.Int(); ok && most >= 0 {
			return min(most, length)
		}
	}
	return length
}

// globFits says whether a glob may be matched: each star tries every rest that the one before it leaves.
func globFits(operands []*ast.Term) error {
	pattern, _ := operands[0].Value.(ast.String)
	if len(pattern) > compiler.MaxRegex {
		return fmt.Errorf("a glob is at most %d bytes", compiler.MaxRegex)
	}
	stars := strings.Count(string(pattern), "*")
	if ways(textLen(operands[2].Value), stars-1) > maxGlob {
		return errors.New("the text is too long for a glob with so many stars")
	}
	return nil
}

// ways is about how many ways there are to choose up to k places in a text.
func ways(length, k int) float64 {
	k = max(0, min(k, length/2))
	factorial := func(n int) float64 { log, _ := math.Lgamma(float64(n + 1)); return log }
	return math.Exp(factorial(length) - factorial(k) - factorial(length-k))
}

// badPatterns finds the regular expressions of a module that no call may match.
func badPatterns(file string, m *ast.Module) compiler.Diagnostics {
	var ds compiler.Diagnostics
	bytes := 0 // of all patterns
	check := func(call []*ast.Term) {
		s, ok := patterns[call[0].String()]
		if !ok || len(call) <= s.pattern+1 {
			return
		}
		operand := call[s.pattern+1]
		pattern, ok := operand.Value.(ast.String)
		if !ok {
			return // known when it is called
		}
		before := bytes
		if bytes += len(pattern); bytes > compiler.MaxParts {
			if before <= compiler.MaxParts {
				ds = append(ds, compiler.Diagnostic{Code: "regex_too_large", Pos: position(file, operand.Location),
					Message: fmt.Sprintf("the regular expressions of a policy have at most %d bytes together", compiler.MaxParts)})
			}
			return
		}
		var fault *compiler.RegexError
		if _, err := compiler.CheckRegex(string(pattern)); errors.As(err, &fault) {
			ds = append(ds, compiler.Diagnostic{Code: fault.Code, Pos: position(file, operand.Location), Message: fault.Message})
		}
	}
	ast.WalkNodes(m, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Expr:
			if n.IsCall() {
				check(n.Terms.([]*ast.Term))
			}
		case *ast.Term:
			if call, ok := n.Value.(ast.Call); ok {
				check(call)
			}
		}
		return false
	})
	ds.Sort()
	return ds
}
