package compiler

import (
	"errors"
	"fmt"
	"regexp/syntax"
)

// Limits on one regular expression. RE2 takes up to a few nanoseconds for each byte of the text and each
// instruction of the program: these take about 100 ms, the deadline of an evaluation, for the longest
// action that there is.
const (
	MaxRegex        = 1024 // bytes
	MaxRegexProgram = 300  // instructions; a{n} has n
)

// RegexError says why a policy may not use a regular expression: the code is invalid_regex or
// regex_too_large.
type RegexError struct{ Code, Message string }

func (e *RegexError) Error() string { return e.Message }

// CheckRegex returns the length of an expression's program, in instructions. An expression that is not
// RE2, which alone is safe on hostile input, or that is beyond the limits is a *RegexError.
func CheckRegex(s string) (program int, err error) {
	if len(s) > MaxRegex {
		return 0, &RegexError{"regex_too_large", fmt.Sprintf("a regex is at most %d bytes", MaxRegex)}
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		msg := err.Error()
		var se *syntax.Error
		if errors.As(err, &se) {
			msg = se.Code.String() + ": " + se.Expr
		}
		return 0, &RegexError{"invalid_regex", "the regex is not RE2: " + msg}
	}
	compiled, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, &RegexError{"invalid_regex", "the regex is not RE2: " + err.Error()}
	}
	if n := len(compiled.Inst); n > MaxRegexProgram {
		return 0, &RegexError{"regex_too_large", fmt.Sprintf("the regex takes %d steps for a letter, and at most %d are allowed; repeat less often", n, MaxRegexProgram)}
	}
	return len(compiled.Inst), nil
}
