package gui

import (
	"net/http"
	"slices"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
)

// keysView is what others need to check a proof. Keys are changed by the admin.
type keysView struct {
	Keys []leash.KeyView
	URL  string
}

func keysPage(v *visit) error {
	keys, err := v.svc.Keys(v.ctx())
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, "keys", "Keys", keysView{of(proof.PurposeProof, keys), v.cfg.PublicURL + "/v1/public-keys"})
}

// of picks the keys of one purpose.
func of(purpose proof.Purpose, keys []leash.KeyView) []leash.KeyView {
	return slices.DeleteFunc(slices.Clone(keys), func(k leash.KeyView) bool { return k.Purpose != purpose })
}

// purposeKeys are the keys of one purpose, newest first.
type purposeKeys struct {
	Purpose     proof.Purpose
	Name, Words string
	Keys        []leash.KeyView
}

// purposes are what the server has keys for.
var purposes = []purposeKeys{
	{Purpose: proof.PurposeProof, Name: "Proofs", Words: "What agents show to others."},
	{Purpose: proof.PurposeApproval, Name: "Approvals", Words: "What an agent redeems once its owner approved."},
	{Purpose: proof.PurposeSession, Name: "Log-ins", Words: "The sessions of owners. Revoking it logs every owner out."},
	{Purpose: proof.PurposeLog, Name: "Log", Words: "The checkpoints that show the log to be whole."},
}

// allKeys is the page of the admin, with the keys of every purpose.
func allKeys(v *visit) error {
	keys, err := v.svc.Keys(v.ctx())
	if err != nil {
		return err
	}
	out := slices.Clone(purposes)
	for i := range out {
		out[i].Keys = of(out[i].Purpose, keys)
	}
	return v.render(http.StatusOK, "allkeys", "Keys", out)
}

func rotateKey(v *visit) error {
	if _, err := v.svc.RotateKey(v.ctx(), proof.Purpose(v.form("purpose"))); err != nil {
		return err
	}
	return v.redirect(adminBase+"/keys", saidKeyRotated)
}

func revokeKey(v *visit) error {
	if err := v.svc.RevokeKey(v.ctx(), v.r.PathValue("kid")); err != nil {
		return err
	}
	return v.redirect(adminBase+"/keys", saidKeyRevoked)
}
