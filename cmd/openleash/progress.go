package main

import "fmt"

// progress tells a person at a terminal how far long work is. Called with all of it done, it clears
// its line.
func (a *app) progress(what string) func(done, total int64) {
	if !a.interactive || a.asJSON {
		return func(int64, int64) {}
	}
	return func(done, total int64) {
		if total <= 0 || done >= total {
			fmt.Fprint(a.err, "\r\x1b[K")
			return
		}
		fmt.Fprintf(a.err, "\r\x1b[K%s %3d %%", what, done*100/total)
	}
}
