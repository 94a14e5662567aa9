package file

import (
	"context"
	"time"

	"github.com/openleash/openleash-go/store"
)

// UseNonce remembers a nonce until expires: store.ErrReplay if it was used, store.ErrFull if there
// is no room to remember it.
func (s *Store) UseNonce(ctx context.Context, agentPrincipalID, nonce string, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.nonces.use(s.log.hasher.sum('n', agentPrincipalID, nonce), agentPrincipalID, expires.UnixMilli(), s.opts.Clock().UnixMilli())
}

var _ = store.ErrReplay
