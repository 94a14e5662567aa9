package leash

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/openleash/openleash-go/store"
)

const (
	totpPeriod    = 30 // seconds
	recoveryCodes = 10
)

// TOTPEnrolment is a new second factor, not in force before TOTPConfirm.
type TOTPEnrolment struct {
	Secret string `json:"secret"` // base32, for typing
	URL    string `json:"otpauth_url"`
}

// TOTPSetup makes a new secret. While TOTP is on, changing it needs a valid code of the old one.
func (s *Service) TOTPSetup(ctx context.Context, c Caller, code string) (TOTPEnrolment, error) {
	var raw [20]byte
	if _, err := io.ReadFull(s.cfg.Random, raw[:]); err != nil {
		return TOTPEnrolment{}, unavailable(err)
	}
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])
	var owner store.Owner
	err := s.withCode(ctx, c, func(tx store.Tx) (err error) {
		if owner, err = get[store.Owner](ctx, tx, c.OwnerID, "owner"); err != nil {
			return err
		}
		if owner.TOTP != nil && owner.TOTP.Confirmed {
			if owner, err = s.useCode(owner, code); err != nil {
				return err
			}
		}
		owner.TOTP, owner.UpdatedAt = &store.TOTP{Secret: secret}, s.Now()
		return tx.Put(owner)
	})
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/OpenLeash:" + owner.DisplayName,
		RawQuery: url.Values{"secret": {secret}, "issuer": {"OpenLeash"}}.Encode()}
	return TOTPEnrolment{secret, u.String()}, err
}

// TOTPConfirm puts a new secret in force, once a code shows that the authenticator has it. The
// recovery codes are shown this once.
func (s *Service) TOTPConfirm(ctx context.Context, c Caller, code string) (recovery []string, err error) {
	err = s.withCode(ctx, c, func(tx store.Tx) error {
		owner, err := get[store.Owner](ctx, tx, c.OwnerID, "owner")
		if err != nil {
			return err
		}
		if owner.TOTP == nil || owner.TOTP.Confirmed {
			return fail(InvalidStatus, "there is no TOTP set-up to confirm; begin with totp/setup")
		}
		if owner, err = s.useCode(owner, code); err != nil {
			return err
		}
		var hashes []string
		if recovery, hashes, err = s.newRecoveryCodes(); err != nil {
			return err
		}
		owner.TOTP.Confirmed, owner.TOTP.RecoveryHashes = true, hashes
		owner.UpdatedAt = s.Now()
		tx.Append(s.event(store.OwnerUpdated, owner.ID, map[string]any{"totp": "enabled"}))
		return tx.Put(owner)
	})
	return recovery, err
}

// TOTPDisable switches the second factor off; it needs a valid code.
func (s *Service) TOTPDisable(ctx context.Context, c Caller, code string) error {
	return s.withCode(ctx, c, func(tx store.Tx) error {
		owner, err := get[store.Owner](ctx, tx, c.OwnerID, "owner")
		if err != nil {
			return err
		}
		if owner.TOTP == nil {
			return nil
		}
		if owner.TOTP.Confirmed {
			if owner, err = s.useCode(owner, code); err != nil {
				return err
			}
		}
		owner.TOTP, owner.UpdatedAt = nil, s.Now()
		tx.Append(s.event(store.OwnerUpdated, owner.ID, map[string]any{"totp": "disabled"}))
		return tx.Put(owner)
	})
}

// withCode runs a transaction that may try a code, and counts wrong ones.
func (s *Service) withCode(ctx context.Context, c Caller, fn func(tx store.Tx) error) error {
	if err := s.guesses.admit(codeKey(c.OwnerID)); err != nil {
		return err
	}
	err := s.update(ctx, fn)
	s.countCode(c.OwnerID, err)
	return err
}

func (s *Service) countCode(ownerID string, err error) {
	switch CodeOf(err) {
	case InvalidTOTP:
		s.guesses.wrong(codeKey(ownerID))
	case "":
		s.guesses.right(codeKey(ownerID))
	}
}

func codeKey(ownerID string) string { return "totp:" + ownerID }

// useCode checks a TOTP or recovery code and returns the owner with the code spent: a TOTP code works
// for its time step and the ones beside it, and only if no later one was used; a recovery code is gone.
func (s *Service) useCode(o store.Owner, code string) (store.Owner, error) {
	wrong := fail(InvalidTOTP, "the code is wrong or was used before")
	if err := s.guesses.admit(codeKey(o.ID)); err != nil {
		return o, err
	}
	if o.TOTP == nil {
		return o, wrong
	}
	t := *o.TOTP
	o.TOTP = &t
	code = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
	step := s.cfg.Clock().Unix() / totpPeriod
	for try := step - 1; try <= step+1; try++ {
		want, err := totp.GenerateCodeCustom(t.Secret, time.Unix(try*totpPeriod, 0),
			totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return o, unavailable(err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			if try <= t.LastStep {
				return o, wrong
			}
			t.LastStep = try
			o.TOTP = &t
			return o, nil
		}
	}
	if i := slices.Index(t.RecoveryHashes, hashSecret(code)); i >= 0 {
		t.RecoveryHashes = slices.Delete(slices.Clone(t.RecoveryHashes), i, i+1)
		o.TOTP = &t
		return o, nil
	}
	return o, wrong
}

func (s *Service) newRecoveryCodes() (codes, hashes []string, err error) {
	for range recoveryCodes {
		var b [10]byte
		if _, err := io.ReadFull(s.cfg.Random, b[:]); err != nil {
			return nil, nil, unavailable(err)
		}
		code := base32.StdEncoding.EncodeToString(b[:]) // 16 characters, 80 bits
		codes = append(codes, fmt.Sprintf("%s-%s-%s-%s", code[:4], code[4:8], code[8:12], code[12:]))
		hashes = append(hashes, hashSecret(code))
	}
	return codes, hashes, nil
}
