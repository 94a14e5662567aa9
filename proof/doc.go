// Package proof says what an action is, binds it by a hash, and proves that it was allowed.
//
// It owns the canonical form of JSON and the action hash, the strict reading of action requests, the
// signing of requests, the tokens (proof, approval, session), and the keys that sign them. Agents,
// counterparties and the server share it; a verifier that links it links no policy engine.
//
// To check a proof token, three lines are enough:
//
//	keys, err := proof.ParsePublicKeys(body) // of GET /v1/public-keys
//	claims, err := proof.Verify(token, keys.Source(), proof.Expect{
//		Purpose: proof.PurposeProof, Now: time.Now(), ActionHash: hash, Audience: "shop.example"})
//
// # Promises
//
// Verify accepts a token only if its signature is by a known key that is not revoked, its purpose is
// the expected one, its times parse and include now, and every expectation that the caller set
// holds. The zero Expect accepts nothing. A proof is accepted once: it is remembered until it expires, at most 100,000 at
// a time, in a ReplayCache that the process shares unless the caller brings its own or sets AllowReplay.
//
// What ParseAction accepts means the same to everyone: no duplicate or unknown keys, no invalid
// UTF-8, no number that another reader would round, at most 64 KiB and 32 levels. Errors carry a
// stable code and the path of the value, as policies write it: $.payload.items[0].sku.
//
// All times on the wire are RFC 3339 in UTC with milliseconds.
//
// # Refusals
//
// The package keeps no clock, no files and no network; times and randomness are arguments. All that it remembers are the
// proofs that were accepted.
//
// # Why
//
// Each purpose has its own key, although the purpose stands in the token too. Verifiers written for
// the protocol before it had purposes look at the signature alone, and must not take a session or an
// approval for a proof. Only proof keys are published.
//
// Signatures are verified by crypto/ed25519. Precomputed tables for each key would save a few percent of a
// decision; an auditor should not have to read curve arithmetic for that.
//
// The default ReplayCache is the package's only variable. With one for each call or verifier, a program that makes a verifier
// for each request would be protected in name only.
//
// Numbers that a double cannot hold are refused, not rounded. RFC 8785 would give 9007199254740993
// and 9007199254740992 one hash, and then the hash would bind another amount than the policy saw.
package proof
