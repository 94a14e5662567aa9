// Package server is the HTTP API over package leash: it decodes a request, calls one use case and
// encodes what comes back.
//
// It owns what belongs to HTTP and nothing else: routes, request signing, sessions and cookies,
// limits, the mapping of errors to statuses, the OpenAPI document, metrics, TLS, and the delivery of
// webhooks. It decides nothing.
//
// # Two planes
//
// Public is what a TCP listener serves. Admin is what the Unix socket in the data folder serves: its
// permissions are the credential, so whoever can open it is the operator. Over TCP the admin routes
// exist only if a token is configured. An address is never a credential: being on localhost gives
// nothing.
//
// # Promises
//
// A body is read once, bounded, and decoded strictly: unknown keys, duplicate keys and trailing data
// are errors. A request whose Host is not ours is refused, which stops DNS rebinding; a request that
// carries an owner's cookie must come from our own pages. What strangers may ask is limited by address,
// in bounded memory, and connections that only wait are bounded too. Causes of faults are logged and
// never sent; no log line holds a body, a query or a credential.
//
// # Why
//
// One table of routes (route.go) is both what is registered and what the OpenAPI document is made
// of, and the types in it are those of the handlers themselves. The document cannot drift from the
// server, because there is no second description.
//
// An answer that is held open, a long poll that waits or a stream, leaves net/http: its connection is
// hijacked and the answer written by a small goroutine (held.go). net/http keeps some 35 KiB for each
// connection in a handler, in buffers, the request and a stack that the middleware has grown; ten
// thousand clients that wait took 467 MiB that way, and take some 250 MiB so. The price is that the
// connection closes after the answer.
package server
