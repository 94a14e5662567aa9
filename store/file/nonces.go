package file

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/openleash/openleash-go/store"
)

// UseNonce remembers a nonce until expires: store.ErrReplay if it was used, store.ErrFull if there
// is no room to remember it, store.ErrUnavailable if it could not be remembered over a restart.
func (s *Store) UseNonce(ctx context.Context, agentPrincipalID, nonce string, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.nonces.use(usedNonce{
		hash: s.log.hasher.nonce(agentPrincipalID, nonce), agent: xxhash.Sum64String(agentPrincipalID),
		expires: expires.UnixMilli(), used: s.opts.Clock().UnixMilli(),
	})
}

func (h *hasher) nonce(agent, nonce string) uint64 { return h.sum('n', agent, nonce) }

const (
	nonceLife    = 600_000 // ms for which a decision's nonce is taken from the log
	nonceSpan    = 60_000  // ms of expiry that share a set, and of use that share a file
	nonceOverlap = 10_000  // ms before the last nonce on file for which the log is read all the same
	nonceSize    = 32
)

type usedNonce struct {
	hash, agent   uint64
	expires, used int64 // Unix ms
}

// nonces remembers used nonces by hash, in sets by when they expire, so that forgetting is dropping
// a set. Each is also written to a file, without waiting for the disk: a killed process loses
// nothing, and what a power cut takes is in the log, if it led to a decision.
type nonces struct {
	dir   string
	disk  disk
	limit int // in all; one agent gets three quarters of it, so that it cannot lock the others out

	mu     sync.Mutex
	sets   map[int64]*nonceSet // by expires / nonceSpan
	total  int
	of     map[uint64]int // by agent
	file   handle
	opened int64 // when, in nonceSpan
	size   int64
	dirty  bool
	files  map[string]int64 // of the past → latest expiry in it
	latest int64            // expiry in the open file
	failed error            // of the last write
}

func (n *nonces) fault() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failed
}

type nonceSet struct {
	hashes map[uint64]struct{}
	of     map[uint64]int
}

func newNonces(dir string, d disk, limit int) *nonces {
	return &nonces{
		dir: dir, disk: d, limit: limit,
		sets: make(map[int64]*nonceSet), of: make(map[uint64]int), files: make(map[string]int64),
	}
}

func (n *nonces) use(u usedNonce) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.expire(u.used)
	if u.expires <= u.used || n.has(u.hash) {
		return store.ErrReplay
	}
	if n.total >= n.limit || n.of[u.agent] >= n.limit/4*3 {
		return store.ErrFull
	}
	if n.failed = n.write(u); n.failed != nil {
		return unavailable(fmt.Errorf("writing a nonce: %w", n.failed))
	}
	n.put(u)
	return nil
}

func (n *nonces) has(hash uint64) bool {
	for _, s := range n.sets {
		if _, used := s.hashes[hash]; used {
			return true
		}
	}
	return false
}

func (n *nonces) put(u usedNonce) {
	s := n.sets[u.expires/nonceSpan]
	if s == nil {
		s = &nonceSet{hashes: make(map[uint64]struct{}), of: make(map[uint64]int)}
		n.sets[u.expires/nonceSpan] = s
	}
	if _, there := s.hashes[u.hash]; there {
		return
	}
	s.hashes[u.hash] = struct{}{}
	s.of[u.agent]++
	n.of[u.agent]++
	n.total++
}

// expire drops the sets in which everything has expired.
func (n *nonces) expire(now int64) {
	for at, s := range n.sets {
		if (at+1)*nonceSpan > now {
			continue
		}
		for agent, count := range s.of {
			if n.of[agent] -= count; n.of[agent] == 0 {
				delete(n.of, agent)
			}
		}
		n.total -= len(s.hashes)
		delete(n.sets, at)
	}
}

// write appends a nonce to the file of its time.
func (n *nonces) write(u usedNonce) error {
	if n.file == nil || u.used/nonceSpan != n.opened {
		if err := n.next(u.used); err != nil {
			return err
		}
	}
	var b [nonceSize]byte
	binary.LittleEndian.PutUint64(b[:], u.hash)
	binary.LittleEndian.PutUint64(b[8:], u.agent)
	binary.LittleEndian.PutUint64(b[16:], uint64(u.expires))
	binary.LittleEndian.PutUint64(b[24:], uint64(u.used))
	if _, err := n.file.WriteAt(b[:], n.size); err != nil {
		return err
	}
	n.size += nonceSize
	n.dirty = true
	n.latest = max(n.latest, u.expires)
	return nil
}

// next begins a file, and removes those in which everything has expired.
func (n *nonces) next(now int64) error {
	if err := n.close(); err != nil {
		return err
	}
	for name, expires := range n.files {
		if expires <= now && ignoreMissing(n.disk.Remove(name)) == nil {
			delete(n.files, name)
		}
	}
	// The clock may step back, and a name come twice: what is in the file stays.
	name := filepath.Join(n.dir, "nonces-"+strconv.FormatInt(now/nonceSpan, 10))
	var size int64
	if info, err := os.Stat(name); err == nil {
		size = info.Size() / nonceSize * nonceSize
	}
	f, err := n.disk.Open(name, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return err
	}
	n.file, n.opened, n.size, n.latest = f, now/nonceSpan, size, n.files[name]
	return nil
}

// close ends the open file.
func (n *nonces) close() error {
	if n.file == nil {
		return nil
	}
	n.files[filepath.Join(n.dir, "nonces-"+strconv.FormatInt(n.opened, 10))] = n.latest
	err := n.file.Close()
	n.file = nil
	return err
}

// sync asks the disk for what was written; it is called now and then, and nobody waits for it.
func (n *nonces) sync() error {
	n.mu.Lock()
	f, dirty := n.file, n.dirty
	n.dirty = false
	n.mu.Unlock()
	if f == nil || !dirty {
		return nil
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// load reads the nonces on file. It returns when the last one was used, 0 if the files are damaged
// or there are none.
func (n *nonces) load(now int64) (last int64, err error) {
	names, err := filepath.Glob(filepath.Join(n.dir, "nonces-*"))
	if err != nil {
		return 0, err
	}
	intact := true
	for _, name := range names {
		if _, err := strconv.ParseInt(strings.TrimPrefix(filepath.Base(name), "nonces-"), 10, 64); err != nil {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return 0, fmt.Errorf("reading the nonces: %w", err)
		}
		for ; len(b) >= nonceSize; b = b[nonceSize:] {
			u := usedNonce{
				hash: binary.LittleEndian.Uint64(b), agent: binary.LittleEndian.Uint64(b[8:]),
				expires: int64(binary.LittleEndian.Uint64(b[16:])), used: int64(binary.LittleEndian.Uint64(b[24:])),
			}
			if u.expires <= u.used || u.used <= 0 {
				intact = false // a hole that a power cut left
				continue
			}
			n.files[name] = max(n.files[name], u.expires)
			last = max(last, u.used)
			if u.expires > now {
				n.put(u)
			}
		}
	}
	if !intact {
		return 0, nil
	}
	return last, nil
}

// seedNonces puts back the nonces that a restart must not forget.
func (s *Store) seedNonces() error {
	now := s.opts.Clock().UnixMilli()
	last, err := s.nonces.load(now)
	if err != nil {
		return err
	}
	since := max(now-nonceLife, last-nonceOverlap)
	for next := s.log.last(); next > 0; {
		g, place := s.log.segmentOf(next)
		first := max(0, place+1-chunk)
		rs, err := g.records(first, place+1-first)
		if err != nil {
			return err
		}
		for i := len(rs) - 1; i >= 0; i-- {
			if rs[i].time < since {
				return nil
			}
			if rs[i].action == 0 {
				continue // no decision
			}
			if err := s.seedNonce(g, first+i, rs[i].time); err != nil {
				return err
			}
		}
		next = g.first + uint64(first) - 1
	}
	return nil
}

func (s *Store) seedNonce(g *segment, place int, at int64) error {
	line, err := g.line(place)
	if err != nil {
		return err
	}
	var e struct {
		Agent    string `json:"agent_principal_id"`
		Decision struct {
			Nonce string `json:"nonce"`
		} `json:"decision"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("reading the nonces of the log: entry %d: %w", g.first+uint64(place), err)
	}
	if e.Decision.Nonce != "" {
		s.nonces.put(usedNonce{
			hash: s.log.hasher.nonce(e.Agent, e.Decision.Nonce), agent: xxhash.Sum64String(e.Agent),
			expires: at + nonceLife, used: at,
		})
	}
	return nil
}
