package file

import (
	"context"
	"time"
)

const keepEvery = time.Second

// keep does what may lag behind the log: index, snapshot, checkpoints. Nobody waits for it, and a
// failure costs time at the next start, so it is only logged.
func (s *Store) keep(ctx context.Context) {
	defer close(s.kept)
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.keepUp()
	}
}

func (s *Store) keepUp() {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	for _, err := range []error{s.nonces.sync(), s.log.flushIndex()} {
		if err != nil {
			s.opts.Log.Warn("keeping up behind the log", "err", err)
		}
	}
	if s.due() {
		if err := s.checkpoint(); err != nil {
			s.opts.Log.Warn("signing a checkpoint of the log", "err", err)
		}
	}
	if s.log.last()-s.snapshotAt >= s.opts.snapshotEvery {
		if err := s.snapshot(); err != nil {
			s.opts.Log.Warn("writing a snapshot of the ledger", "err", err)
		}
	}
}
