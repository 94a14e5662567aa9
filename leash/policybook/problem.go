package policybook

import "github.com/openleash/openleash-go/compiler"

// Problem is one diagnostic of a policy, as clients and the log see it.
type Problem struct {
	Code       string `json:"code"`
	Severity   string `json:"severity"` // "error" or "warning"
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`
	Column     int    `json:"column,omitempty"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"`
}

// Problems turns diagnostics into their wire form.
func Problems(ds compiler.Diagnostics) []Problem {
	out := make([]Problem, len(ds))
	for i, d := range ds {
		out[i] = Problem{d.Code, d.Severity.String(), d.Pos.File, d.Pos.Line, d.Pos.Column, d.Message, d.Suggestion}
	}
	return out
}
