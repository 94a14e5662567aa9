package store

import "testing"

func TestCheckRedactionPath(t *testing.T) {
	for path, want := range map[string]bool{
		"$.payload": true, "$.payload.email": true, `$.payload["a b"]`: true, `$.payload["*"]`: true,
		"$.payload.*.token": false, "$.payload.*": false, "$.action_type": false, "payload.email": false, "$.payloads": false,
	} {
		if err := CheckRedactionPath(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Another spelling of a key is redacted too.
func TestRedactionIgnoresCase(t *testing.T) {
	for _, c := range []struct {
		path, have string
		want       bool
	}{{"$.payload.email", "$.payload.Email", true}, {"$.payload.email", "$.payload.emails", false}, {"$.payload.a.b", "$.payload.A", true}} {
		if got := covers(c.path, &node{path: c.have}); got != c.want {
			t.Errorf("%s covers %s: %v", c.path, c.have, got)
		}
	}
}
