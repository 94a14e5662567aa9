package proof_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"aidanwoods.dev/go-paseto"
	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/proof"
)

func TestProofRoundTrip(t *testing.T) {
	ring := newRing(t)
	in := proofClaims()
	token := mint(t, ring, proof.PurposeProof, in)
	got, err := proof.Verify(token, ring.PublicKeys().Source(), proof.Expect{
		Purpose: proof.PurposeProof, Now: epoch, ActionHash: in.ActionHash, AgentID: in.AgentID,
		Audience: in.Audience, AmountMinor: in.AmountMinor, Currency: in.Currency,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, _ := ring.Active(proof.PurposeProof)
	in.Issuer, in.Purpose, in.KID, in.NotBefore = "openleash", proof.PurposeProof, key.KID, in.IssuedAt
	want, _ := json.Marshal(in)
	if have, _ := json.Marshal(got); string(have) != string(want) {
		t.Errorf("claims\n%s\nwant\n%s", have, want)
	}
	if !strings.Contains(string(want), `"iat":"2026-04-10T12:00:00.000Z"`) {
		t.Errorf("times are not in UTC with milliseconds: %s", want)
	}
}

func TestProofWithoutRuleSaysSo(t *testing.T) {
	c := proofClaims()
	c.Purpose, c.MatchedRuleID = proof.PurposeProof, nil
	if wire, _ := json.Marshal(c); !strings.Contains(string(wire), `"matched_rule_id":null`) {
		t.Errorf("claims %s", wire)
	}
}

func TestMintRefuses(t *testing.T) {
	ring := newRing(t)
	empty, err := proof.NewKeyRing(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	deny, late, timeless := proofClaims(), proofClaims(), proofClaims()
	deny.Decision, late.ExpiresAt, timeless.IssuedAt = "DENY", late.IssuedAt, time.Time{}
	for name, mint := range map[string]func() (string, error){
		"without a key":        func() (string, error) { return empty.Mint(proof.PurposeProof, proofClaims()) },
		"no purpose":           func() (string, error) { return ring.Mint("", proofClaims()) },
		"a token with log key": func() (string, error) { return ring.Mint(proof.PurposeLog, proofClaims()) },
		"a proof of DENY":      func() (string, error) { return ring.Mint(proof.PurposeProof, deny) },
		"expired when issued":  func() (string, error) { return ring.Mint(proof.PurposeProof, late) },
		"never issued":         func() (string, error) { return ring.Mint(proof.PurposeProof, timeless) },
	} {
		if token, err := mint(); err == nil || token != "" {
			t.Errorf("%s: minted %q", name, token)
		}
	}
}

// Promise 16: no token passes for another kind, also when all keys are known to the verifier.
func TestNoTokenPassesForAnotherKind(t *testing.T) {
	ring := newRing(t)
	everyKey := func(kid string) (ed25519.PublicKey, bool, bool) {
		for _, k := range ring.Keys() {
			if k.KID == kid {
				return k.Public, false, true
			}
		}
		return nil, false, false
	}
	kinds := []proof.Purpose{proof.PurposeProof, proof.PurposeApproval, proof.PurposeSession}
	for _, minted := range kinds {
		token := mint(t, ring, minted, proofClaims())
		for _, expected := range append(kinds, proof.PurposeLog, "") {
			_, err := proof.Verify(token, everyKey, proof.Expect{Purpose: expected, Now: epoch})
			if expected == minted {
				if err != nil {
					t.Errorf("%s as %s: %v", minted, expected, err)
				}
				continue
			}
			wantReason(t, err, proof.WrongPurpose)
			_, err = ring.Verify(token, proof.Expect{Purpose: expected, Now: epoch})
			wantReason(t, err, proof.KeyUnknown)
		}
	}
}

// Promise 17: a token lacking in time, key, audience, action or agent is not valid.
func TestVerifyRefuses(t *testing.T) {
	ring := newRing(t)
	key, _ := ring.Active(proof.PurposeProof)
	other := newRing(t)
	good := mint(t, ring, proof.PurposeProof, proofClaims())
	rotated, err := ring.With(newKey(t, proof.PurposeProof))
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := rotated.Revoke(key.KID, epoch)
	if err != nil {
		t.Fatal(err)
	}
	amount := int64(4501)
	for _, c := range []struct {
		name   string
		token  string
		ring   *proof.KeyRing
		expect proof.Expect
		reason proof.Reason
	}{
		{"empty", "", ring, proof.Expect{}, proof.Malformed},
		{"another version", "v2.public." + good[10:], ring, proof.Expect{}, proof.Malformed},
		{"local", "v4.local." + good[10:], ring, proof.Expect{}, proof.Malformed},
		{"no footer", good[:strings.LastIndexByte(good, '.')], ring, proof.Expect{}, proof.Malformed},
		{"another part", good + ".e30", ring, proof.Expect{}, proof.Malformed},
		{"padding", good + "=", ring, proof.Expect{}, proof.Malformed},
		{"a line break", good[:40] + "\n" + good[40:], ring, proof.Expect{}, proof.Malformed},
		{"too long", good + strings.Repeat("A", proof.MaxToken), ring, proof.Expect{}, proof.Malformed},
		{"a key of another server", good, other, proof.Expect{}, proof.KeyUnknown},
		{"a revoked key", good, revoked, proof.Expect{}, proof.KeyRevoked},
		{"a flipped bit", flip(good), ring, proof.Expect{}, proof.BadSignature},
		{"a footer of another key", signWith(t, key, `{"kid":"`+key.KID+`"}`, map[string]any{"kid": "other"}), ring, proof.Expect{}, proof.Malformed},
		{"no expiry", signWith(t, key, "", map[string]any{"exp": nil}), ring, proof.Expect{}, proof.Malformed},
		{"an expiry that is a number", signWith(t, key, "", map[string]any{"exp": 4102444800}), ring, proof.Expect{}, proof.Malformed},
		{"an expiry that is no time", signWith(t, key, "", map[string]any{"exp": "never"}), ring, proof.Expect{}, proof.Malformed},
		{"no nbf", signWith(t, key, "", map[string]any{"nbf": nil}), ring, proof.Expect{}, proof.Malformed},
		{"no iat", signWith(t, key, "", map[string]any{"iat": nil}), ring, proof.Expect{}, proof.Malformed},
		{"another issuer", signWith(t, key, "", map[string]any{"iss": "other"}), ring, proof.Expect{}, proof.Malformed},
		{"a denial", signWith(t, key, "", map[string]any{"decision": "DENY"}), ring, proof.Expect{}, proof.Malformed},
		{"no decision", signWith(t, key, "", map[string]any{"decision": nil}), ring, proof.Expect{}, proof.Malformed},
		{"no purpose", signWith(t, key, "", map[string]any{"purpose": nil}), ring, proof.Expect{}, proof.WrongPurpose},
		{"at its expiry", good, ring, proof.Expect{Now: epoch.Add(2 * time.Minute)}, proof.Expired},
		{"leeway after expiry", good, ring, proof.Expect{Now: epoch.Add(2 * time.Minute), Leeway: time.Hour}, proof.Expired},
		{"before its time", good, ring, proof.Expect{Now: epoch.Add(-time.Millisecond)}, proof.NotYetValid},
		{"no time given", good, ring, proof.Expect{Now: time.Time{}.Add(1)}, proof.NotYetValid},
		{"another action", good, ring, proof.Expect{ActionHash: strings.Repeat("0", 64)}, proof.ActionMismatch},
		{"another agent", good, ring, proof.Expect{AgentID: "other"}, proof.AgentMismatch},
		{"another audience", good, ring, proof.Expect{Audience: "other.example"}, proof.AudienceMismatch},
		{"another amount", good, ring, proof.Expect{AmountMinor: &amount}, proof.AmountMismatch},
		{"no amount", signWith(t, key, "", map[string]any{"amount_minor": nil}), ring, proof.Expect{AmountMinor: &amount}, proof.AmountMismatch},
		{"another currency", good, ring, proof.Expect{Currency: "EUR"}, proof.CurrencyMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.expect.Purpose = proof.PurposeProof
			if c.expect.Now.IsZero() {
				c.expect.Now = epoch.Add(time.Second)
			}
			claims, err := c.ring.Verify(c.token, c.expect)
			wantReason(t, err, c.reason)
			if claims != (proof.Claims{}) {
				t.Errorf("claims of an invalid token: %+v", claims)
			}
		})
	}
	if _, err := rotated.Verify(good, proof.Expect{Purpose: proof.PurposeProof, Now: epoch}); err != nil {
		t.Errorf("rotating made a token invalid: %v", err)
	}
	early := proof.Expect{Purpose: proof.PurposeProof, Now: epoch.Add(-time.Second), Leeway: time.Second, AllowReplay: true}
	if _, err := ring.Verify(good, early); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
}

func TestZeroExpectAcceptsNothing(t *testing.T) {
	ring := newRing(t)
	_, err := proof.Verify(mint(t, ring, proof.PurposeProof, proofClaims()), ring.PublicKeys().Source(), proof.Expect{})
	wantReason(t, err, proof.WrongPurpose)
}

// No change to a token, in any byte, is accepted.
func TestEveryByteIsSigned(t *testing.T) {
	ring := newRing(t)
	good := mint(t, ring, proof.PurposeProof, proofClaims())
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		bad := []byte(good)
		bad[i] = rapid.Byte().Filter(func(b byte) bool { return b != good[i] }).Draw(t, "byte")
		if _, err := ring.Verify(string(bad), proof.Expect{Purpose: proof.PurposeProof, Now: epoch}); err == nil {
			t.Fatalf("%q at %d is accepted", bad[i], i)
		}
	})
}

func FuzzVerify(f *testing.F) {
	ring := newRing(f)
	token, err := ring.Mint(proof.PurposeProof, proofClaims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("v4.public.AAAA.e30")
	f.Fuzz(func(t *testing.T, in string) {
		_, err := ring.Verify(in, proof.Expect{Purpose: proof.PurposeProof, Now: epoch})
		var e *proof.VerifyError
		if in != token && err == nil || err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %v", in, err)
		}
	})
}

func mint(tb testing.TB, ring *proof.KeyRing, purpose proof.Purpose, c proof.Claims) string {
	tb.Helper()
	token, err := ring.Mint(purpose, c)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// signWith signs claims that Mint would not: those of a good proof with some replaced, or without
// them where the replacement is nil.
func signWith(tb testing.TB, key proof.Key, footer string, replace map[string]any) string {
	tb.Helper()
	c := proofClaims()
	c.Issuer, c.Purpose, c.KID, c.NotBefore = "openleash", key.Purpose, key.KID, c.IssuedAt
	wire, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(wire, &claims); err != nil {
		tb.Fatal(err)
	}
	for k, v := range replace {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	if footer == "" {
		footer = `{"kid":"` + key.KID + `"}`
	}
	token, err := paseto.MakeToken(claims, []byte(footer))
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := paseto.NewV4AsymmetricSecretKeyFromEd25519(key.Private)
	if err != nil {
		tb.Fatal(err)
	}
	return token.V4Sign(secret, nil)
}

// flip changes one bit of what a token says.
func flip(token string) string {
	parts := strings.Split(token, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[2])
	payload[20] ^= 1
	parts[2] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, ".")
}

func wantReason(tb testing.TB, err error, want proof.Reason) {
	tb.Helper()
	var e *proof.VerifyError
	if !errors.As(err, &e) || e.Reason != want {
		tb.Errorf("got %v (%+v), want %s", err, e, want)
	}
}
