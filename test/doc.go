// Package test holds what is about the whole program: its architecture, and in the folders below the
// policy-test runner, the conformance cases and the tests in a browser.
package test
