// Package sdk is the client of OpenLeash for agents, and the verifier for those who are shown a proof.
//
// An agent asks before it acts:
//
//	client, err := sdk.FromEnv() // OPENLEASH_URL, _AGENT_ID, _AGENT_PRIVATE_KEY_B64, _OWNER_ID
//	decision, err := client.Authorize(ctx, sdk.Action{
//		Type:    "purchase.order",
//		Context: map[string]any{"amount_minor": 4500, "currency": "USD"},
//	})
//	if err == nil && decision.Allowed() {
//		order(decision.ProofToken)
//	}
//
// A counterparty checks what it is shown, offline but for fetching the public keys now and then:
//
//	verifier, err := sdk.NewVerifier("http://127.0.0.1:8787")
//	claims, err := verifier.Verify(ctx, token, sdk.Expect{ActionHash: hash, Audience: "shop.example"})
//
// # Promises
//
// Only the result ALLOW is a yes. Another result, one that this version does not know, an answer to
// another action, and an answer that is no JSON are not.
//
// A request is sent again only where that is harmless: what is read, and what the server knows again
// by its action_id, its decision or its request. Each time it is signed anew.
//
// Every error of the server, the network and the keys is an *Error whose Kind says which, and whose
// text says what to do. A token that does not hold is a *proof.VerifyError.
//
// # Why
//
// The TypeScript and Python clients have the same methods, kinds of error and vectors
// (vectors.json), so that what one learns of one of them holds for the others.
package sdk
