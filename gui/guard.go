package gui

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
)

// policy is the Content-Security-Policy of every page (CSP level 3): all comes from this server, and
// nothing inline runs or styles.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// maxForm bounds the body of a form, in bytes: a policy of the greatest size, percent-encoded.
const maxForm = 4 << 20

// guard sets what browsers must know of every answer, and bounds what they send.
func (p *portal) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// formToken is what the forms of a session carry: nobody without the session token can make it. It
// differs on each page, so that compressed pages of one session tell nothing about it (BREACH).
func formToken(sessionToken string) string {
	mask := make([]byte, sha256.Size)
	_, _ = rand.Read(mask) // never fails
	return hex.EncodeToString(slices.Concat(mask, xor(mask, formSecret(sessionToken))))
}

func formSecret(sessionToken string) []byte {
	sum := sha256.Sum256([]byte("openleash portal form\n" + sessionToken))
	return sum[:]
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	subtle.XORBytes(out, a, b)
	return out
}

// tokenFits says whether a form belongs to the session that sends it.
func (v *visit) tokenFits() bool {
	raw, err := hex.DecodeString(v.r.PostFormValue("form_token"))
	if err != nil || len(raw) != 2*sha256.Size {
		return false
	}
	secret := xor(raw[:sha256.Size], raw[sha256.Size:])
	return subtle.ConstantTimeCompare(secret, formSecret(v.token)) == 1
}
