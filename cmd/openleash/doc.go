// Command openleash is the program: the server, and what its owner, its operator and its agents type.
//
// It owns flags, settings, text and exit codes, and wires the other packages together. It decides
// nothing: what a command does to the state, a use case of package leash does.
//
// # Promises
//
// A command prints text for people, or with --json what a program can read; errors go to stderr and
// say what happened and what to do. The exit code is 0 if it is done, 1 if it was refused or failed,
// 2 if the command line is wrong; `agent authorize` has its own (docs/cli.md). Colour appears only on a terminal.
//
// A setting is a flag, else a variable OPENLEASH_*, else a key of the configuration file, else its
// default, and `openleash config` says which. A key that the file may not have is an error.
//
// # Why
//
// Commands that look at or change state speak HTTP to the admin plane, always: through the Unix socket
// if a server holds the data folder, else to a server that lives in this process for as long as the
// command (admin.go). So there is one code path, and what works while the server is stopped works the
// same while it runs.
package main
