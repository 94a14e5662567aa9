package compiler

// Describe says in plain words what a policy does, one sentence each.
func Describe(p *Policy) []string { return nil }
