package proof_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/proof"
)

func TestParseAction(t *testing.T) {
	minor := int64(5000)
	got, err := proof.ParseAction([]byte(publishedAction))
	if err != nil {
		t.Fatal(err)
	}
	want := proof.Action{
		ActionID:     "00000000-0000-0000-0000-000000000001",
		ActionType:   "purchase",
		RequestedAt:  "2024-01-15T10:30:00.000Z",
		Principal:    &proof.Principal{AgentID: "test-agent"},
		Subject:      &proof.Subject{PrincipalID: "00000000-0000-0000-0000-000000000002"},
		RelyingParty: &proof.RelyingParty{Domain: "example.com", TrustProfile: "LOW"},
		Payload:      json.RawMessage(`{"amount_minor":5000,"currency":"USD","merchant_domain":"example.com"}`),
	}
	if !reflect.DeepEqual(got.Action, want) {
		t.Errorf("action %+v\nwant %+v", got.Action, want)
	}
	if got.AmountMinor == nil || *got.AmountMinor != minor || got.Currency != "USD" {
		t.Errorf("amount %v %s", got.AmountMinor, got.Currency)
	}
	wire, err := json.Marshal(got.Action)
	if hash, err2 := proof.ActionHash(wire); err != nil || err2 != nil || hash != got.Hash {
		t.Errorf("the action marshals to %s", wire)
	}
}

func TestApprovalTokenIsNoPartOfTheAction(t *testing.T) {
	for _, c := range []struct{ name, with, without string }{
		{"last", `{"action_type":"a","approval_token":"v4.public.x"}`, `{"action_type":"a"}`},
		{"first", `{"action_id":"1","approval_token":"v4.public.x","action_type":"a","payload":{"approval_token":"stays"}}`,
			`{"payload":{"approval_token":"stays"},"action_id":"1","action_type":"a"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			with, err := proof.ParseAction([]byte(c.with))
			if err != nil {
				t.Fatal(err)
			}
			without, err := proof.ParseAction([]byte(c.without))
			if err != nil {
				t.Fatal(err)
			}
			if with.Hash != without.Hash || string(with.Canonical) != string(without.Canonical) {
				t.Errorf("%s and %s differ", with.Canonical, without.Canonical)
			}
			if with.ApprovalToken != "v4.public.x" || without.ApprovalToken != "" {
				t.Errorf("tokens %q, %q", with.ApprovalToken, without.ApprovalToken)
			}
		})
	}
}

func TestContextIsPayload(t *testing.T) {
	for _, c := range []struct{ in, canonical, input string }{
		{`{"context":{"amount":45},"action_type":"a"}`,
			`{"action_type":"a","context":{"amount":45}}`, `{"action_type":"a","payload":{"amount":45}}`},
		{`{"context":{},"action_type":"a","subject":{"principal_id":"u"},"principal":{"agent_id":"x"},"approval_token":"t"}`,
			`{"action_type":"a","context":{},"principal":{"agent_id":"x"},"subject":{"principal_id":"u"}}`,
			`{"action_type":"a","payload":{},"principal":{"agent_id":"x"},"subject":{"principal_id":"u"}}`},
	} {
		got, err := proof.ParseAction([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Canonical) != c.canonical || string(got.Input) != c.input {
			t.Errorf("%s\ncanonical %s, want %s\ninput %s, want %s", c.in, got.Canonical, c.canonical, got.Input, c.input)
		}
		if again, err := proof.Canonical(got.Input); err != nil || string(again) != string(got.Input) {
			t.Errorf("the input is not canonical: %s, %v", got.Input, err)
		}
	}
}

func TestAmountMinor(t *testing.T) {
	for in, want := range map[string]string{
		`0`: "0", `5000`: "5000", `5e3`: "5000", `5000.0`: "5000", `-0`: "0",
		`-1`: "", `0.5`: "", `"5000"`: "", `null`: "", `[5000]`: "", `true`: "",
	} {
		got, err := proof.ParseAction([]byte(`{"action_type":"a","payload":{"amount_minor":` + in + `,"currency":7}}`))
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		if got.AmountMinor != nil {
			b, _ := json.Marshal(*got.AmountMinor)
			text = string(b)
		}
		if text != want || got.Currency != "" {
			t.Errorf("%s: amount %q, want %q; currency %q", in, text, want, got.Currency)
		}
	}
}

func TestParseActionAccepts(t *testing.T) {
	for _, in := range []string{
		`{"action_type":"a"}`,
		`{"action_type":"a.b-c.d_e.F9"}`,
		`{"action_type":"` + strings.Repeat("a", 128) + `"}`,
		`{"action_type":"a","action_id":"` + strings.Repeat("a", 128) + `"}`,
		`{"action_type":"a","action_id":"urn:x-y_z.1"}`,
		`{"action_type":"a","requested_at":"2024-01-15T10:30:00+02:00"}`,
		`{"action_type":"a","requested_at":"2024-01-15T10:30:00.123456Z"}`,
		`{"action_type":"a","resource":{},"relying_party":{}}`,
		`{"action_type":"a","resource":{"resource_id":"https://example.com/ö","resource_type":"url"}}`,
		`{"action_\u0074ype":"\u0061"}`,
		`{"action_type":"a","payload":{"context":{"payload":1}}}`,
	} {
		if _, err := proof.ParseAction([]byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// Promise 9 of the security model: what is missing, mistyped or extreme is an error.
func TestParseActionRefuses(t *testing.T) {
	for _, c := range []struct {
		name, in string
		code     proof.ErrorCode
		path     string
	}{
		{"no object", `[]`, proof.WrongType, "$"},
		{"a string", `"{}"`, proof.WrongType, "$"},
		{"no type", `{}`, proof.MissingKey, "$.action_type"},
		{"an empty type", `{"action_type":""}`, proof.InvalidValue, "$.action_type"},
		{"a type of dots", `{"action_type":"a..b"}`, proof.InvalidValue, "$.action_type"},
		{"a type that ends in a dot", `{"action_type":"a."}`, proof.InvalidValue, "$.action_type"},
		{"a pattern for a type", `{"action_type":"a.*"}`, proof.InvalidValue, "$.action_type"},
		{"a type with a newline", `{"action_type":"a\n"}`, proof.InvalidValue, "$.action_type"},
		{"a type that looks like another", `{"action_type":"рurchase"}`, proof.InvalidValue, "$.action_type"},
		{"a long type", `{"action_type":"` + strings.Repeat("a", 129) + `"}`, proof.InvalidValue, "$.action_type"},
		{"a number for a type", `{"action_type":1}`, proof.WrongType, "$.action_type"},
		{"null for a type", `{"action_type":null}`, proof.WrongType, "$.action_type"},
		{"an id with a slash", `{"action_type":"a","action_id":"../x"}`, proof.InvalidValue, "$.action_id"},
		{"an empty id", `{"action_type":"a","action_id":""}`, proof.InvalidValue, "$.action_id"},
		{"a long id", `{"action_type":"a","action_id":"` + strings.Repeat("a", 129) + `"}`, proof.InvalidValue, "$.action_id"},
		{"a time that is none", `{"action_type":"a","requested_at":"yesterday"}`, proof.InvalidValue, "$.requested_at"},
		{"a time without zone", `{"action_type":"a","requested_at":"2024-01-15T10:30:00"}`, proof.InvalidValue, "$.requested_at"},
		{"a time with a comma", `{"action_type":"a","requested_at":"2024-01-15T10:30:00,5Z"}`, proof.InvalidValue, "$.requested_at"},
		{"a day that does not exist", `{"action_type":"a","requested_at":"2023-02-29T10:30:00Z"}`, proof.InvalidValue, "$.requested_at"},
		{"a principal without id", `{"action_type":"a","principal":{}}`, proof.MissingKey, "$.principal.agent_id"},
		{"a principal with more", `{"action_type":"a","principal":{"agent_id":"x","role":"admin"}}`, proof.UnknownKey, "$.principal.role"},
		{"a principal that is a list", `{"action_type":"a","principal":["x"]}`, proof.WrongType, "$.principal"},
		{"a principal with a newline", `{"action_type":"a","principal":{"agent_id":"x\ny"}}`, proof.InvalidValue, "$.principal.agent_id"},
		{"a subject without id", `{"action_type":"a","subject":{}}`, proof.MissingKey, "$.subject.principal_id"},
		{"a resource with more", `{"action_type":"a","resource":{"id":"x"}}`, proof.UnknownKey, "$.resource.id"},
		{"a trust profile in lower case", `{"action_type":"a","relying_party":{"trust_profile":"low"}}`, proof.InvalidValue, "$.relying_party.trust_profile"},
		{"a payload that is a list", `{"action_type":"a","payload":[]}`, proof.WrongType, "$.payload"},
		{"a payload that is null", `{"action_type":"a","payload":null}`, proof.WrongType, "$.payload"},
		{"a context that is a string", `{"action_type":"a","context":"x"}`, proof.WrongType, "$.context"},
		{"payload and context", `{"action_type":"a","payload":{},"context":{}}`, proof.Ambiguous, "$.context"},
		{"an unknown key", `{"action_type":"a","amount":5}`, proof.UnknownKey, "$.amount"},
		{"an unknown key in other case", `{"action_type":"a","Payload":{}}`, proof.UnknownKey, "$.Payload"},
		{"an unknown key with quotes", `{"action_type":"a","x\"y":1}`, proof.UnknownKey, `$["x\"y"]`},
		{"a key twice", `{"action_type":"a","action_type":"b"}`, proof.DuplicateKey, "$.action_type"},
		{"a key twice in the payload", `{"action_type":"a","payload":{"amount":1,"amount":1000}}`, proof.DuplicateKey, "$.payload.amount"},
		{"an approval token that is an object", `{"action_type":"a","approval_token":{}}`, proof.WrongType, "$.approval_token"},
		{"an amount that is rounded", `{"action_type":"a","payload":{"amount":9007199254740993}}`, proof.InexactNumber, "$.payload.amount"},
		{"something after it", `{"action_type":"a"}{"action_type":"b"}`, proof.TrailingData, "$"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := proof.ParseAction([]byte(c.in))
			var e *proof.ActionError
			if !errors.As(err, &e) {
				t.Fatalf("got %+v, %v; want an *ActionError", out, err)
			}
			if e.Code != c.code || e.Path != c.path {
				t.Errorf("got %s at %s (%s), want %s at %s", e.Code, e.Path, e.Message, c.code, c.path)
			}
		})
	}
}

func FuzzParseAction(f *testing.F) {
	f.Add([]byte(publishedAction))
	f.Add([]byte(`{"action_type":"a","context":{"\u20ac":[1e2,{"a":{}}],"\"}":"\\"},"approval_token":"t"}`))
	f.Add([]byte(`{"action_type":"a","payload":{"amount_minor":-0.0}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := proof.ParseAction(body)
		if err != nil {
			var e *proof.ActionError
			if !errors.As(err, &e) || e.Code == "" || e.Path == "" {
				t.Fatalf("error %#v is no *ActionError with code and path", err)
			}
			return
		}
		again, err := proof.ParseAction(got.Canonical)
		if err != nil || again.Hash != got.Hash || string(again.Input) != string(got.Input) {
			t.Fatalf("%q\nread again: %+v, %v", body, again, err)
		}
		if !json.Valid(got.Canonical) || !json.Valid(got.Input) {
			t.Fatalf("%q\nis not JSON any more: %q, %q", body, got.Canonical, got.Input)
		}
		if hash, err := proof.ActionHash(got.Canonical); err != nil || hash != got.Hash {
			t.Fatalf("%q\nhash %s, then %s, %v", body, got.Hash, hash, err)
		}
		var loose map[string]any
		if err := json.Unmarshal(body, &loose); err != nil || loose["action_type"] != got.ActionType {
			t.Fatalf("%q\nencoding/json reads another action: %v, %v", body, loose, err)
		}
	})
}
