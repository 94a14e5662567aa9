package compiler

// lint warns of what is allowed and probably not meant.
func lint(p *Policy) Diagnostics { return nil }
