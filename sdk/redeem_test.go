package sdk_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

func TestPromise28_RedeemProof(t *testing.T) {
	const at = "2026-04-10T12:00:31.000Z"
	body := func(replace map[string]any) string {
		text, err := json.Marshal(map[string]any{"valid": true, "claims": proofClaims(replace), "redeemed_at": at})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct {
		name   string
		answer answer
		reason proof.Reason
		kind   error
	}{
		{"first", answer{body: body(nil)}, "", nil},
		{"second", answer{body: `{"valid":false,"reason":"ALREADY_REDEEMED","redeemed_at":"` + at + `"}`}, proof.AlreadyRedeemed, nil},
		{"for another audience", answer{body: body(claims{"aud": "other.example"})}, "", sdk.ErrResponse},
		{"without claims", answer{body: `{"valid":true,"redeemed_at":"` + at + `"}`}, "", sdk.ErrResponse},
		{"without a time", answer{body: strings.Replace(body(nil), at, "0001-01-01T00:00:00Z", 1)}, "", sdk.ErrResponse},
		{"a fault, which is not sent again", answer{status: 503, body: "{}"}, "", sdk.ErrServer},
	} {
		f, _ := newFake(t, c.answer)
		v, err := sdk.NewVerifier(f.URL)
		if err != nil {
			t.Fatal(err)
		}
		redeemed, err := v.RedeemProof(t.Context(), "v4.public.x", sdk.ProofRedemption{Audience: "shop.example"})
		var invalid *proof.VerifyError
		switch {
		case c.kind != nil:
			if !errors.Is(err, c.kind) {
				t.Errorf("%s: %v", c.name, err)
			}
		case c.reason != "":
			if !errors.As(err, &invalid) || invalid.Reason != c.reason || !strings.Contains(err.Error(), at) {
				t.Errorf("%s: %v", c.name, err)
			}
		case err != nil || redeemed.Claims.AgentID != "shopper":
			t.Errorf("%s: %+v, %v", c.name, redeemed, err)
		}
		if sent := f.requests(); len(sent) != 1 || !strings.Contains(sent[0].body, `"audience":"shop.example"`) {
			t.Errorf("%s: sent %+v", c.name, sent)
		}
	}
}
