package main

import (
	"errors"

	"github.com/trustelem/zxcvbn"

	"github.com/openleash/openleash-go/leash"
)

// leastGuesses is how many guesses a passphrase that somebody chooses has to withstand: far more than the server's
// limits let anyone try in years.
const leastGuesses = 1e8

// maxJudged is how much of a passphrase is judged, in bytes; more only makes it stronger.
const maxJudged = 64

// checkChosenPassphrase refuses a passphrase that is common or easy to guess. The lists and the estimate are those of
// zxcvbn.
func checkChosenPassphrase(p string) error {
	if err := plainly(leash.CheckPassphrase)(p); err != nil {
		return err
	}
	if zxcvbn.PasswordStrength(p[:min(len(p), maxJudged)], []string{"openleash"}).Guesses < leastGuesses {
		return errors.New("this passphrase is common or easy to guess; take four words that have nothing to do with each other")
	}
	return nil
}

// plainly makes a check say what is wrong without the code for programs.
func plainly(check func(string) error) func(string) error {
	return func(s string) error {
		err := check(s)
		var told *leash.Error
		if errors.As(err, &told) {
			return errors.New(told.Message)
		}
		return err
	}
}
