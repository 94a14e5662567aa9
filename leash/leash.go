package leash

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/openleash/openleash-go/leash/policybook"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/rego"
	"github.com/openleash/openleash-go/store"
)

// Store is what the use cases need of a store. Every method that changes something is one
// transaction: it happens durably before it returns, or not at all.
type Store interface {
	policybook.Store

	// Fault is why the last write of the log or of a nonce failed; nil if it succeeded.
	Fault() error
	// Generation is the state to decide in; it waits while that state changes. Record and Settle return
	// store.ErrChanged for another one.
	Generation(ctx context.Context) (store.Generation, error)
	// Record writes a decision to the log and charges its budgets, all or nothing; see store/file.
	Record(ctx context.Context, d store.Decision, charges []store.Charge) (store.Recorded, error)
	// Settle changes what an earlier decision charged. The same settlement again changes nothing.
	Settle(ctx context.Context, s store.Settlement) (store.Recorded, error)
	// Fate says what became of a decision, or store.ErrNotFound.
	Fate(ctx context.Context, decisionID string) (store.Fate, error)
	// Decision returns the log entry of a decision, or store.ErrNotFound.
	Decision(ctx context.Context, id string) (store.Entry, error)
	// Entry returns a log entry by its id or by that of its decision, or store.ErrNotFound.
	Entry(ctx context.Context, id string) (store.Entry, error)
	// Consumed says whether an approval was redeemed.
	Consumed(ctx context.Context, approvalID string) (bool, error)
	// UseNonce remembers a nonce until expires: store.ErrReplay if it was used, store.ErrFull if
	// there is no room to remember it.
	UseNonce(ctx context.Context, agentPrincipalID, nonce string, expires time.Time) error
	// SetSigner says who signs the checkpoints of the log from now on.
	SetSigner(s store.Signer)
	// Append writes one entry to the log.
	Append(ctx context.Context, e store.Entry) error
	// Redact takes values out of the payload of one entry; see store/file.
	Redact(ctx context.Context, id string, paths []string, by string) ([]string, error)
	// Count adds up decisions by the hour and the result, from since on.
	Count(ctx context.Context, ownerID, agentPrincipalID string, since time.Time) (map[time.Time]store.Counts, error)
	// LastSeq is the sequence number of the last durable entry of anybody.
	LastSeq() uint64
	// Follow yields the entries of an owner ("" is all) after a sequence number, then those to come,
	// until ctx ends.
	Follow(ctx context.Context, ownerID string, afterSeq uint64) iter.Seq2[store.Entry, error]
}

// Config says how a Service behaves. Zero durations take the defaults named beside them.
type Config struct {
	Clock  func() time.Time // required: the only clock
	Random io.Reader        // crypto/rand by default
	Log    *slog.Logger     // required

	// PublicURL is where agents and owners reach the server, without a trailing slash.
	PublicURL string

	ProofTTL      time.Duration // of a proof whose rule names none: 120 s; never above 3600 s
	ApprovalTTL   time.Duration // how long an approval request waits: 24 h
	TokenTTL      time.Duration // how long an approval token may be redeemed: 1 h
	InviteTTL     time.Duration // 24 h
	SessionTTL    time.Duration // 12 h
	ChallengeTTL  time.Duration // 5 min
	PolicyTimeout time.Duration // evaluation deadline: 100 ms

	// MaxOpenEach and MaxOpen bound the approval requests that one agent and one owner have open: 10 and 100.
	MaxOpenEach, MaxOpen int

	// MaxHeld is how many long polls and streams may be open at once (10,240), and MaxHeldEach how
	// many of one agent or owner (16).
	MaxHeld, MaxHeldEach int

	// Argon2id is what hashing a passphrase costs: 64 MiB and 3 passes (RFC 9106, second recommended
	// option).
	Argon2id *argon2id.Params

	// AllowPrivateWebhooks permits webhook targets on loopback, link-local and private addresses.
	AllowPrivateWebhooks bool
}

// MaxProofTTL bounds the life of every proof token.
const MaxProofTTL = time.Hour

func (c Config) withDefaults() Config {
	for d, v := range map[*time.Duration]time.Duration{
		&c.ProofTTL: 120 * time.Second, &c.ApprovalTTL: 24 * time.Hour, &c.TokenTTL: time.Hour,
		&c.InviteTTL: 24 * time.Hour, &c.SessionTTL: 12 * time.Hour, &c.ChallengeTTL: 5 * time.Minute,
		&c.PolicyTimeout: 100 * time.Millisecond,
	} {
		if *d == 0 {
			*d = v
		}
	}
	c.MaxOpenEach, c.MaxOpen = cmp.Or(c.MaxOpenEach, 10), cmp.Or(c.MaxOpen, 100)
	c.MaxHeld, c.MaxHeldEach = cmp.Or(c.MaxHeld, maxHeld), cmp.Or(c.MaxHeldEach, maxHeldEach)
	if c.Argon2id == nil {
		c.Argon2id = argon
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c
}

// Service is the use cases over one store. It is safe for concurrent use.
type Service struct {
	cfg      Config
	adjusted atomic.Pointer[Config] // what Adjust may change is read here
	store    Store
	policies *policybook.Book
	keys     atomic.Pointer[proof.KeyRing]
	agents   sync.Map // agent_id → *Agent

	guesses  guesses
	hashing  chan struct{} // bounds concurrent argon2id
	setup    setupCode
	resolved resolutions
	held     *held
}

// New returns a Service over st with its keys and policies loaded. A store without keys gets them.
// Policies that do not compile are no error; see Health.
func New(ctx context.Context, cfg Config, st Store) (*Service, error) {
	cfg = cfg.withDefaults()
	s := &Service{
		cfg:     cfg,
		store:   st,
		hashing: make(chan struct{}, 2),
		held:    newHeld(),
	}
	s.adjusted.Store(&cfg)
	s.guesses.clock = cfg.Clock
	if err := s.loadKeys(ctx); err != nil {
		return nil, err
	}
	var err error
	s.policies, err = policybook.Open(ctx, policybook.Config{Store: st, Set: rego.NewSet(rego.Options{Deadline: cfg.PolicyTimeout}),
		Log: cfg.Log, Now: cfg.Clock, Entry: s.event})
	if err != nil {
		return nil, fmt.Errorf("reading the policies: %w", err)
	}
	return s, nil
}

// Adjust changes what may change while the service runs: the lifetimes of proofs, approval requests, approval tokens,
// invites and sessions that are made from now on, and AllowPrivateWebhooks. It ignores the rest of cfg.
func (s *Service) Adjust(cfg Config) {
	cfg = cfg.withDefaults()
	s.adjusted.Store(&cfg)
}

// Now is the service's clock, in UTC with milliseconds, as it stands on the wire.
func (s *Service) Now() time.Time { return s.cfg.Clock().UTC().Truncate(time.Millisecond) }

// Caller is the owner that an operation is for, and who asked for it.
type Caller struct {
	OwnerID   string // usr_…
	SessionID string // ses_…; empty for the admin
	Admin     bool   // came through the admin plane
	// Via is how changes of policies are logged to have come; empty is the API, or the admin's.
	Via policybook.Via
}

// By names the caller in records and in the log.
func (c Caller) By() string {
	if c.Admin {
		return "admin"
	}
	return c.OwnerID
}

// everybodys says that the caller is the admin and named no owner: what is read is that of all owners.
func (c Caller) everybodys() bool { return c.Admin && c.OwnerID == "" }
