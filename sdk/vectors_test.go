package sdk_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"aidanwoods.dev/go-paseto"

	"github.com/openleash/openleash-go/proof"
)

var update = flag.Bool("update", false, "rewrite vectors.json")

type canonicalVector struct {
	Name      string `json:"name"`
	Input     string `json:"input"`
	Canonical string `json:"canonical,omitempty"`
	Hash      string `json:"hash,omitempty"`
	Error     string `json:"error,omitempty"`
	// TextOnly: only who reads the text itself can see what is wrong; a decoded value hides it.
	TextOnly bool `json:"text_only,omitempty"`
}

type actionVector struct {
	Name  string `json:"name"`
	Body  string `json:"body"`
	Hash  string `json:"hash,omitempty"`
	Input string `json:"input,omitempty"`
	Error string `json:"error,omitempty"`
	Path  string `json:"path,omitempty"`
}

type requestVector struct {
	Name          string `json:"name"`
	PrivateKeyB64 string `json:"private_key_b64"`
	PublicKeyB64  string `json:"public_key_b64"`
	Method        string `json:"method"`
	Path          string `json:"path"`
	Timestamp     string `json:"timestamp"`
	Nonce         string `json:"nonce"`
	Body          string `json:"body"`
	BodySHA256    string `json:"body_sha256"`
	Signature     string `json:"signature"`
}

type tokenVector struct {
	Name   string       `json:"name"`
	Token  string       `json:"token"`
	Expect expectVector `json:"expect"`
	Valid  bool         `json:"valid"`
	Reason proof.Reason `json:"reason,omitempty"`
}

type expectVector struct {
	Purpose       proof.Purpose `json:"purpose"`
	Now           string        `json:"now"`
	ActionHash    string        `json:"action_hash,omitempty"`
	AgentID       string        `json:"agent_id,omitempty"`
	Audience      string        `json:"audience,omitempty"`
	AmountMinor   *int64        `json:"amount_minor,omitempty"`
	Currency      string        `json:"currency,omitempty"`
	LeewaySeconds int           `json:"leeway_seconds,omitempty"`
	OnceOnline    bool          `json:"once_online,omitempty"`
}

const published = `{"action_id":"00000000-0000-0000-0000-000000000001","action_type":"purchase","requested_at":"2024-01-15T10:30:00.000Z","principal":{"agent_id":"test-agent"},"subject":{"principal_id":"00000000-0000-0000-0000-000000000002"},"relying_party":{"domain":"example.com","trust_profile":"LOW"},"payload":{"amount_minor":5000,"currency":"USD","merchant_domain":"example.com"}}`

var epoch = time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)

// TestVectors holds vectors.json against what proof makes of the tables below.
func TestVectors(t *testing.T) {
	keys := vectorKeys(t)
	all := map[string]any{
		"about": "What every OpenLeash client must agree on. canonical: a JSON text, its form by RFC 8785 and the SHA-256 of that, or the code of its refusal; " +
			"text_only marks what a decoded value no longer shows. actions: bodies of POST /v1/authorize with their action hash and what policies see, or code and path. " +
			"requests: signatures. tokens: to be verified with public_keys and expect; reason says why one is not valid. Rewrite: go test ./sdk -run TestVectors -update",
		"canonical":   canonicalVectors(t),
		"actions":     actionVectors(t),
		"requests":    requestVectors(t),
		"public_keys": keys.published(t),
		"tokens":      tokenVectors(t, keys),
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(all); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("vectors.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want.Bytes()) {
		t.Error("vectors.json is not what proof makes now; if that is meant, run with -update and say so in the change log")
	}
}

func canonicalVectors(t *testing.T) []canonicalVector {
	inputs := []canonicalVector{
		{Name: "empty object", Input: `{}`},
		{Name: "white space", Input: " {\n\t\"a\" : [ 1 , 2 ] }\r\n"},
		{Name: "order of keys", Input: `{"b":1,"a":2,"B":3,"aa":4,"":5,"10":6,"9":7}`},
		{Name: "order by UTF-16 code units", Input: `{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`},
		{Name: "nested", Input: `{"z":[{"b":[],"a":{}},[[]]],"y":{"x":{"w":null}}}`},
		{Name: "escapes become shortest", Input: `"\u0041\u000a\u000d\u0009\u0008\u000c\u001f\u0022\u005c\/\u20AC\ud83d\ude00\u007f\u2028"`},
		{Name: "markup is not escaped", Input: `"<a href='x'>&</a>"`},
		{Name: "no normalisation of Unicode", Input: `["\u00e9","e\u0301"]`},
		{Name: "integers", Input: `[0,-0,1,-1,100,9007199254740991,-9007199254740991]`},
		{Name: "spellings of integers", Input: `[1.0,1e2,1E+2,100e-2,-0.0,0e5]`},
		{Name: "fractions", Input: `[0.1,45.50,1e-7,0.000001,123.456e1,1.5E-3,333333.333]`},
		{Name: "smallest double", Input: `[5e-324]`},
		{Name: "literals", Input: `[true,false,null]`},
		{Name: "32 levels", Input: strings.Repeat("[", 32) + strings.Repeat("]", 32)},
		{Name: "33 levels", Input: strings.Repeat("[", 33) + strings.Repeat("]", 33)},
		{Name: "2^53", Input: `[9007199254740992]`},
		{Name: "-2^53", Input: `[-9007199254740992]`},
		{Name: "an integer with an exponent, too large", Input: `[1e16]`},
		{Name: "1e400", Input: `{"amount":1e400}`},
		{Name: "more digits than a double holds", Input: `[0.1000000000000000055]`, TextOnly: true},
		{Name: "too small for a double", Input: `[1e-400]`, TextOnly: true},
		{Name: "a key twice", Input: `{"amount":1,"amount":1000}`, TextOnly: true},
		{Name: "half a surrogate pair", Input: `{"a":"\ud800"}`},
		{Name: "half a surrogate pair in a key", Input: `{"\udc00":1}`},
		{Name: "something behind", Input: `{} {}`, TextOnly: true},
		{Name: "NaN", Input: `[NaN]`, TextOnly: true},
	}
	for i := range inputs {
		v := &inputs[i]
		out, err := proof.Canonical([]byte(v.Input))
		if err != nil {
			v.Error = string(refusal(t, err).Code)
			continue
		}
		v.Canonical = string(out)
		v.Hash = fmt.Sprintf("%x", sha256.Sum256(out))
	}
	return inputs
}

func actionVectors(t *testing.T) []actionVector {
	inputs := []actionVector{
		{Name: "published", Body: published},
		{Name: "least", Body: `{"action_type":"purchase.order"}`},
		{Name: "context is another name for payload", Body: `{"context":{"amount":45,"currency":"USD"},"action_type":"purchase.order","action_id":"a-1"}`},
		{Name: "payload", Body: `{"payload":{"amount":45,"currency":"USD"},"action_type":"purchase.order","action_id":"a-1"}`},
		{Name: "the approval token is no part of it", Body: `{"approval_token":"v4.public.AAAA","payload":{"amount":45,"currency":"USD"},"action_type":"purchase.order","action_id":"a-1"}`},
		{Name: "everything", Body: `{"action_id":"urn:x:1","action_type":"a.b-c.d_e","requested_at":"2026-04-10T12:00:00.000Z","principal":{"agent_id":"shopper"},"subject":{"principal_id":"usr_1"},"resource":{"resource_id":"https://example.com/ö?a=b","resource_type":"url"},"relying_party":{"rp_id":"rp-1","domain":"shop.example","trust_profile":"REGULATED"},"payload":{"items":[{"sku":"\u00e9","price":1.50}],"note":"<b>"}}`},
		{Name: "no action type", Body: `{"action_id":"a-1"}`},
		{Name: "a pattern as action type", Body: `{"action_type":"purchase.*"}`},
		{Name: "payload and context", Body: `{"action_type":"a","payload":{},"context":{}}`},
		{Name: "an unknown key", Body: `{"action_type":"a","amount":45}`},
		{Name: "a key twice", Body: `{"action_type":"a","payload":{"amount":1,"amount":1000}}`},
		{Name: "a number that would be rounded", Body: `{"action_type":"a","payload":{"items":[{"n":9007199254740993}]}}`},
		{Name: "a payload that is a list", Body: `{"action_type":"a","payload":[]}`},
	}
	for i := range inputs {
		v := &inputs[i]
		action, err := proof.ParseAction([]byte(v.Body))
		if err != nil {
			e := refusal(t, err)
			v.Error, v.Path = string(e.Code), e.Path
			continue
		}
		v.Hash, v.Input = action.Hash, string(action.Input)
	}
	return inputs
}

func refusal(t *testing.T, err error) *proof.ActionError {
	t.Helper()
	var e *proof.ActionError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	return e
}

func requestVectors(t *testing.T) []requestVector {
	zero := ed25519.NewKeyFromSeed(make([]byte, 32))
	other := seeded("request")
	var out []requestVector
	for _, v := range []struct {
		name               string
		key                ed25519.PrivateKey
		method, path, body string
		at                 time.Time
		nonce              string
	}{
		{"published", zero, "POST", "/v1/authorize", published, time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC), "00000000-0000-0000-0000-000000000099"},
		{"without a body", other, "GET", "/v1/agent/self", "", epoch, "n-1"},
		{"path with query", other, "GET", "/v1/agent/approval-requests/apr_1?wait=30s", "", epoch.Add(7 * time.Millisecond), "n-2"},
		{"a body beyond ASCII", other, "POST", "/v1/authorize", `{"note":"€ 😀"}`, epoch, "n-3"},
	} {
		h := proof.SignRequest(v.key, "agent", v.method, v.path, v.at, v.nonce, []byte(v.body))
		out = append(out, requestVector{
			v.name, proof.EncodePrivateKeyB64(v.key), proof.EncodePublicKeyB64(v.key.Public().(ed25519.PublicKey)),
			v.method, v.path, h.Timestamp, v.nonce, v.body, h.BodySHA256, h.Signature,
		})
	}
	return out
}

// seeded makes the same key each time.
func seeded(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("openleash vectors: " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// keySet are the keys of the vectors: all but the stranger are known to the verifier.
type keySet struct{ proof, revoked, stranger proof.Key }

func vectorKeys(t *testing.T) keySet {
	key := func(kid string) proof.Key {
		private := seeded(kid)
		return proof.Key{KID: kid, Purpose: proof.PurposeProof, Private: private, Public: private.Public().(ed25519.PublicKey), CreatedAt: epoch}
	}
	keys := keySet{key("key_proof"), key("key_revoked"), key("key_stranger")}
	at := epoch.Add(time.Hour)
	keys.revoked.RevokedAt = &at
	return keys
}

func (k keySet) published(t *testing.T) proof.PublicKeys {
	ring, err := proof.NewKeyRing([]proof.Key{k.proof, k.revoked}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ring.PublicKeys()
}

type claims = map[string]any

// proofClaims are those of a good proof, with some replaced, or left out where the replacement is nil.
func proofClaims(replace claims) claims {
	all := claims{
		"iss": "openleash", "purpose": "proof", "kid": "key_proof",
		"iat": "2026-04-10T12:00:00.000Z", "nbf": "2026-04-10T12:00:00.000Z", "exp": "2026-04-10T12:02:00.000Z",
		"jti": "prf_1", "decision_id": "dec_1", "decision": "ALLOW", "owner_type": "HUMAN", "owner_id": "usr_1",
		"agent_id": "shopper", "action_id": "act_1", "action_type": "purchase.order", "action_hash": vectorHash,
		"matched_rule_id": "rule_1", "policy_revision": "r1", "aud": "shop.example",
		"amount_minor": 4500, "currency": "USD", "trust_profile": "LOW",
	}
	for k, v := range replace {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	return all
}

const vectorHash = "5fed50d1afcf598480f64ca09edb042a8a09c6b33c8712e3faeeea2aa1d4297d"

func sign(t *testing.T, key proof.Key, footer string, c claims) string {
	t.Helper()
	if footer == "" {
		footer = `{"kid":"` + key.KID + `"}`
	}
	token, err := paseto.MakeToken(c, []byte(footer))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := paseto.NewV4AsymmetricSecretKeyFromEd25519(key.Private)
	if err != nil {
		t.Fatal(err)
	}
	return token.V4Sign(secret, nil)
}

// signText signs a payload that is no set of claims.
func signText(key proof.Key, payload string) string {
	footer := []byte(`{"kid":"` + key.KID + `"}`)
	pae := func(parts ...[]byte) []byte { // PASETO's pre-authentication encoding, of lengths below 256
		out := append([]byte{byte(len(parts))}, make([]byte, 7)...)
		for _, p := range parts {
			out = append(append(append(out, byte(len(p))), make([]byte, 7)...), p...)
		}
		return out
	}
	signature := ed25519.Sign(key.Private, pae([]byte("v4.public."), []byte(payload), footer, nil))
	encode := base64.RawURLEncoding.EncodeToString
	return "v4.public." + encode(append([]byte(payload), signature...)) + "." + encode(footer)
}

func tokenVectors(t *testing.T, keys keySet) []tokenVector {
	good := sign(t, keys.proof, "", proofClaims(nil))
	signed := func(replace claims) string { return sign(t, keys.proof, "", proofClaims(replace)) }
	parts := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	payload[20] ^= 1
	flipped := "v4.public." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[3]
	amount, more := int64(4500), int64(4501)
	all := expectVector{ActionHash: vectorHash, AgentID: "shopper", Audience: "shop.example", AmountMinor: &amount, Currency: "USD"}
	approval := proofClaims(claims{"purpose": "approval", "decision": nil, "approval_request_id": "apr_1"})
	session := proofClaims(claims{"purpose": "user_session", "decision": nil, "sub": "usr_1", "sid": "ses_1"})
	list := []tokenVector{
		{Name: "a proof", Token: good},
		{Name: "a proof for all that is expected", Token: good, Expect: all},
		{Name: "a proof that no rule allowed", Token: sign(t, keys.proof, "", func() claims { c := proofClaims(nil); c["matched_rule_id"] = nil; return c }())},
		{Name: "a proof with a claim that is not known yet", Token: signed(claims{"zone": map[string]any{"a": 1}})},
		{Name: "a time with an offset", Token: signed(claims{"exp": "2026-04-10T14:02:00+02:00"})},
		{Name: "the last moment", Token: good, Expect: expectVector{Now: "2026-04-10T12:01:59.999Z"}},
		{Name: "the first moment", Token: good, Expect: expectVector{Now: "2026-04-10T12:00:00.000Z"}},
		{Name: "before the first moment, with leeway", Token: good, Expect: expectVector{Now: "2026-04-10T11:59:55.000Z", LeewaySeconds: 5}},
		{Name: "an approval", Token: sign(t, keys.proof, "", approval), Expect: expectVector{Purpose: "approval"}},
		{Name: "a session", Token: sign(t, keys.proof, "", session), Expect: expectVector{Purpose: "user_session"}},

		{Name: "nothing", Token: "", Reason: proof.Malformed},
		{Name: "no token", Token: "Bearer " + good, Reason: proof.Malformed},
		{Name: "another version", Token: "v2" + good[2:], Reason: proof.Malformed},
		{Name: "an encrypted token", Token: "v4.local." + parts[2] + "." + parts[3], Reason: proof.Malformed},
		{Name: "no footer", Token: good[:strings.LastIndexByte(good, '.')], Reason: proof.Malformed},
		{Name: "one part more", Token: good + ".e30", Reason: proof.Malformed},
		{Name: "a line break", Token: good[:50] + "\n" + good[50:], Reason: proof.Malformed},
		{Name: "padding", Token: good + "=", Reason: proof.Malformed},
		{Name: "base64 that is not base64url", Token: "v4.public.++++" + parts[2] + "." + parts[3], Reason: proof.Malformed},
		{Name: "a payload shorter than a signature", Token: "v4.public.AAAA." + parts[3], Reason: proof.Malformed},
		{Name: "a footer that is no JSON", Token: sign(t, keys.proof, "key_proof", proofClaims(nil)), Reason: proof.Malformed},
		{Name: "a footer without kid", Token: sign(t, keys.proof, "{}", proofClaims(nil)), Reason: proof.Malformed},
		{Name: "a footer with a number for kid", Token: sign(t, keys.proof, `{"kid":1}`, proofClaims(nil)), Reason: proof.Malformed},
		{Name: "a footer of another key than the claim", Token: sign(t, keys.proof, "", proofClaims(claims{"kid": "key_other"})), Reason: proof.Malformed},
		{Name: "longer than 8 KiB", Token: signed(claims{"zone": strings.Repeat("z", 8<<10)}), Reason: proof.Malformed},
		{Name: "a list of claims", Token: signText(keys.proof, `["ALLOW"]`), Reason: proof.Malformed},
		{Name: "claims that are no JSON", Token: signText(keys.proof, `ALLOW`), Reason: proof.Malformed},

		{Name: "a key that is not known", Token: sign(t, keys.stranger, "", proofClaims(claims{"kid": "key_stranger"})), Reason: proof.KeyUnknown},
		{Name: "a revoked key", Token: sign(t, keys.revoked, "", proofClaims(claims{"kid": "key_revoked"})), Reason: proof.KeyRevoked},
		{Name: "signed with another key than it says", Token: sign(t, keys.stranger, `{"kid":"key_proof"}`, proofClaims(nil)), Reason: proof.BadSignature},
		{Name: "a flipped bit", Token: flipped, Reason: proof.BadSignature},
		{Name: "another footer than was signed", Token: "v4.public." + parts[2] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"kid":"key_proof" }`)), Reason: proof.BadSignature},

		{Name: "an approval for a proof", Token: sign(t, keys.proof, "", approval), Reason: proof.WrongPurpose},
		{Name: "a session for a proof", Token: sign(t, keys.proof, "", session), Reason: proof.WrongPurpose},
		{Name: "a proof for an approval", Token: good, Expect: expectVector{Purpose: "approval"}, Reason: proof.WrongPurpose},
		{Name: "a proof for a session", Token: good, Expect: expectVector{Purpose: "user_session"}, Reason: proof.WrongPurpose},
		{Name: "no purpose", Token: signed(claims{"purpose": nil}), Reason: proof.WrongPurpose},
		{Name: "another issuer", Token: signed(claims{"iss": "someone"}), Reason: proof.Malformed},

		{Name: "no exp", Token: signed(claims{"exp": nil}), Reason: proof.Malformed},
		{Name: "an exp that is no time", Token: signed(claims{"exp": "never"}), Reason: proof.Malformed},
		{Name: "an exp that is a date", Token: signed(claims{"exp": "2036-04-10"}), Reason: proof.Malformed},
		{Name: "an exp without zone", Token: signed(claims{"exp": "2036-04-10T12:02:00"}), Reason: proof.Malformed},
		{Name: "an exp on a day that does not exist", Token: signed(claims{"exp": "2037-02-29T12:02:00Z"}), Reason: proof.Malformed},
		{Name: "an exp that is a number", Token: signed(claims{"exp": 4102444800}), Reason: proof.Malformed},
		{Name: "an empty exp", Token: signed(claims{"exp": ""}), Reason: proof.Malformed},
		{Name: "no nbf", Token: signed(claims{"nbf": nil}), Reason: proof.Malformed},
		{Name: "no iat", Token: signed(claims{"iat": nil}), Reason: proof.Malformed},
		{Name: "a decision of DENY", Token: signed(claims{"decision": "DENY"}), Reason: proof.Malformed},
		{Name: "a decision in lower case", Token: signed(claims{"decision": "allow"}), Reason: proof.Malformed},
		{Name: "no decision", Token: signed(claims{"decision": nil}), Reason: proof.Malformed},
		{Name: "a decision that is true", Token: signed(claims{"decision": true}), Reason: proof.Malformed},
		{Name: "an amount that is a string", Token: signed(claims{"amount_minor": "4500"}), Reason: proof.Malformed},
		{Name: "an amount that is a fraction", Token: signed(claims{"amount_minor": 4500.5}), Reason: proof.Malformed},
		{Name: "an audience that is a list", Token: signed(claims{"aud": []string{"shop.example"}}), Reason: proof.Malformed},

		{Name: "a moment early", Token: good, Expect: expectVector{Now: "2026-04-10T11:59:59.999Z"}, Reason: proof.NotYetValid},
		{Name: "expired at this moment", Token: good, Expect: expectVector{Now: "2026-04-10T12:02:00.000Z"}, Reason: proof.Expired},
		{Name: "leeway does not prolong", Token: good, Expect: expectVector{Now: "2026-04-10T12:02:00.000Z", LeewaySeconds: 60}, Reason: proof.Expired},
		{Name: "another action", Token: good, Expect: expectVector{ActionHash: strings.Repeat("0", 64)}, Reason: proof.ActionMismatch},
		{Name: "another agent", Token: good, Expect: expectVector{AgentID: "other"}, Reason: proof.AgentMismatch},
		{Name: "another audience", Token: good, Expect: expectVector{Audience: "other.example"}, Reason: proof.AudienceMismatch},
		{Name: "no audience", Token: signed(claims{"aud": nil}), Expect: expectVector{Audience: "shop.example"}, Reason: proof.AudienceMismatch},
		{Name: "another amount", Token: good, Expect: expectVector{AmountMinor: &more}, Reason: proof.AmountMismatch},
		{Name: "no amount", Token: signed(claims{"amount_minor": nil}), Expect: expectVector{AmountMinor: &amount}, Reason: proof.AmountMismatch},
		{Name: "another currency", Token: good, Expect: expectVector{Currency: "EUR"}, Reason: proof.CurrencyMismatch},

		{Name: "a proof without jti", Token: signed(claims{"jti": nil}), Reason: proof.Malformed},
		{Name: "a proof with an empty jti", Token: signed(claims{"jti": ""}), Reason: proof.Malformed},
		{Name: "a proof that must be redeemed", Token: signed(claims{"use": proof.UseOnceOnline}), Reason: proof.OnlineOnly},
		{Name: "a proof that must be redeemed, and is", Token: signed(claims{"use": proof.UseOnceOnline}), Expect: expectVector{OnceOnline: true}},
		{Name: "a use that is not known yet", Token: signed(claims{"use": "once-offline"}), Expect: expectVector{OnceOnline: true}, Reason: proof.OnlineOnly},
		{Name: "a use that is not text", Token: signed(claims{"use": 1}), Reason: proof.Malformed},
		{Name: "a proof that must be redeemed, for another audience", Token: signed(claims{"use": proof.UseOnceOnline}),
			Expect: expectVector{Audience: "other.example"}, Reason: proof.AudienceMismatch},
	}
	for i := range list {
		v := &list[i]
		v.Valid = v.Reason == ""
		if v.Expect.Purpose == "" {
			v.Expect.Purpose = proof.PurposeProof
		}
		if v.Expect.Now == "" {
			v.Expect.Now = "2026-04-10T12:00:30.000Z"
		}
	}
	return list
}
