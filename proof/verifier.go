package proof

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"filippo.io/edwards25519"
)

// tableAfter is how many signatures of a key must have held before a table is made for it.
const tableAfter = 32

// Verifiers makes verifiers, and keeps tables of multiples for the keys that are used most. It may
// be used by several goroutines at once.
type Verifiers struct {
	limit int

	mu   sync.Mutex
	hot  []*Verifier // those with a table
	hand int         // of the clock that looks for one that is used no more
}

// NewVerifiers keeps at most limit tables, of 10 KiB each.
func NewVerifiers(limit int) *Verifiers { return &Verifiers{limit: limit} }

// Of returns a verifier of a key, to be kept for as long as the key is.
func (vs *Verifiers) Of(key ed25519.PublicKey) (*Verifier, error) {
	v, err := NewVerifier(key)
	if err == nil {
		v.pool = vs
	}
	return v, err
}

// Verifier checks the Ed25519 signatures (RFC 8032) of one key. It says what ed25519.Verify says.
type Verifier struct {
	key   ed25519.PublicKey
	pool  *Verifiers    // nil: there is never a table
	uses  atomic.Uint32 // signatures that held, since the pool last asked
	table atomic.Pointer[multiples]
}

// NewVerifier returns a verifier of a key that keeps no table.
func NewVerifier(key ed25519.PublicKey) (*Verifier, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("a public key of %d bytes, not %d", len(key), ed25519.PublicKeySize)
	}
	return &Verifier{key: key}, nil
}

// Verify says whether signature is the key's, of message.
func (v *Verifier) Verify(message, signature []byte) bool {
	t := v.table.Load()
	if t != nil {
		if !v.verify(t, message, signature) {
			return false
		}
		v.uses.Add(1)
		return true
	}
	if !ed25519.Verify(v.key, message, signature) {
		return false
	}
	// What holds no signature counts for nothing, so that strangers cannot push out a table.
	if v.pool != nil && v.uses.Add(1)%tableAfter == 0 {
		v.pool.offer(v)
	}
	return true
}

// offer makes a table for v if there is room for one, or in place of one that was used less.
func (vs *Verifiers) offer(v *Verifier) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v.table.Load() != nil || vs.limit == 0 {
		return
	}
	negated, err := new(edwards25519.Point).SetBytes(v.key)
	if err != nil {
		return // then no signature holds
	}
	if len(vs.hot) < vs.limit {
		vs.hot = append(vs.hot, v)
	} else {
		vs.hand = (vs.hand + 1) % vs.limit
		if vs.hot[vs.hand].uses.Swap(0) >= tableAfter {
			return
		}
		vs.hot[vs.hand].table.Store(nil)
		vs.hot[vs.hand] = v
	}
	v.table.Store(newMultiples(negated.Negate(negated), keyWidth))
}

// verify is RFC 8032, section 5.1.7, as crypto/ed25519 does it: S is canonical, there is no
// cofactor, and R is compared as it is encoded. negated are the multiples of -A.
func (v *Verifier) verify(negated *multiples, message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize {
		return false
	}
	h := sha512.New()
	h.Write(signature[:32])
	h.Write(v.key)
	h.Write(message)
	var digest [sha512.Size]byte
	k, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(digest[:0]))
	if err != nil {
		return false
	}
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(signature[32:])
	if err != nil {
		return false
	}
	r := sum(generator(), s, negated, k) // S·B - k·A
	return string(r.Bytes()) == string(signature[:32])
}

// multiples are the odd multiples 1·Q, 3·Q to (2^(w-1)-1)·Q of each of the points Q = 2^(32j)·P, for
// digits of w bits: with them k·P takes 31 doublings, where it takes 255 without. What is computed
// from them is public, so the time may depend on it. They are few enough to stay in a processor's
// cache: with more of them there is less to compute, and more to wait for.
type multiples struct {
	width int
	of    [8][]edwards25519.Point
}

const (
	spacing        = 32 // bits from one Q to the next
	keyWidth       = 5
	generatorWidth = 6
)

// generator is the table of the curve's base point.
var generator = sync.OnceValue(func() *multiples {
	return newMultiples(edwards25519.NewGeneratorPoint(), generatorWidth)
})

func newMultiples(p *edwards25519.Point, width int) *multiples {
	m := &multiples{width: width}
	q := new(edwards25519.Point).Set(p)
	for j := range m.of {
		odd := make([]edwards25519.Point, 1<<(width-2))
		twice := new(edwards25519.Point).Double(q)
		odd[0].Set(q)
		for i := 1; i < len(odd); i++ {
			odd[i].Add(&odd[i-1], twice)
		}
		m.of[j] = odd
		for range spacing {
			q.Double(q)
		}
	}
	return m
}

// sum returns a·P + b·Q, given the multiples of P and Q.
func sum(p *multiples, a *edwards25519.Scalar, q *multiples, b *edwards25519.Scalar) *edwards25519.Point {
	x, y := digits(a, p.width), digits(b, q.width)
	r := edwards25519.NewIdentityPoint()
	for i := spacing - 1; i >= 0; i-- {
		if i < spacing-1 {
			r.Double(r)
		}
		for j := range p.of {
			add(r, p.of[j], x[spacing*j+i])
			add(r, q.of[j], y[spacing*j+i])
		}
	}
	return r
}

// add adds to r the digit's multiple.
func add(r *edwards25519.Point, odd []edwards25519.Point, digit int8) {
	switch {
	case digit > 0:
		r.Add(r, &odd[digit/2])
	case digit < 0:
		r.Subtract(r, &odd[-digit/2])
	}
}

// digits returns k as the sum of d[i]·2^i, in its non-adjacent form of a width: each digit is 0 or
// odd and below 2^(width-1), and width-1 zeros follow one that is not 0. k is below 2^253, so 256
// digits are enough. Hankerson, Menezes, Vanstone: Guide to Elliptic Curve Cryptography, algorithm 3.35.
func digits(k *edwards25519.Scalar, width int) (d [256]int8) {
	var words [5]uint64
	b := k.Bytes()
	for i := range 4 {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	carry := uint64(0)
	for at := 0; at < len(d); {
		window := words[at/64] >> (at % 64)
		if at%64 != 0 {
			window |= words[at/64+1] << (64 - at%64)
		}
		window = window&(1<<width-1) + carry
		if window&1 == 0 {
			at++
			continue
		}
		carry = window >> (width - 1)
		d[at] = int8(int64(window) - int64(carry)<<width)
		at += width
	}
	return d
}
