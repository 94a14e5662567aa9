package proof

import (
	"crypto/ed25519"
	"crypto/sha512"
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

// NewVerifiers keeps at most limit tables, of 136 KiB each.
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
	v.table.Store(newMultiples(negated.Negate(negated), 5))
}

// generator is the table of the curve's base point: 640 KiB.
var generator = sync.OnceValue(func() *multiples { return newMultiples(edwards25519.NewGeneratorPoint(), 8) })

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
	var sum [sha512.Size]byte
	k, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(sum[:0]))
	if err != nil {
		return false
	}
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(signature[32:])
	if err != nil {
		return false
	}
	r := edwards25519.NewIdentityPoint() // S·B - k·A
	generator().addTo(r, s)
	negated.addTo(r, k)
	return string(r.Bytes()) == string(signature[:32])
}

// multiples are those of a point P with which k·P is a sum without doublings: row i holds
// 1·2^(iw)·P to 2^(w-1)·2^(iw)·P, for signed digits of w bits. Brickell, Gordon, McCurley, Wilson:
// Fast Exponentiation with Precomputation, 1992. What is computed with them is public, so the time
// may depend on it.
type multiples struct {
	width int // w, 2 to 8
	rows  [][]edwards25519.Point
}

func newMultiples(p *edwards25519.Point, width int) *multiples {
	m := &multiples{width: width, rows: make([][]edwards25519.Point, (256+width-1)/width)}
	unit := new(edwards25519.Point).Set(p)
	for i := range m.rows {
		row := make([]edwards25519.Point, 1<<(width-1))
		row[0].Set(unit)
		for j := 1; j < len(row); j++ {
			row[j].Add(&row[j-1], unit)
		}
		m.rows[i] = row
		last := &row[len(row)-1]
		unit.Add(last, last)
	}
	return m
}

// addTo adds k·P to sum. k is below 2^253, so the last digit leaves no carry.
func (m *multiples) addTo(sum *edwards25519.Point, k *edwards25519.Scalar) {
	var b [34]byte
	copy(b[:], k.Bytes())
	carry := 0
	for i, row := range m.rows {
		at := i * m.width
		bits := (int(b[at/8]) | int(b[at/8+1])<<8) >> (at % 8)
		digit := bits&(1<<m.width-1) + carry
		carry = 0
		if digit > len(row) {
			digit -= 2 * len(row)
			carry = 1
		}
		switch {
		case digit > 0:
			sum.Add(sum, &row[digit-1])
		case digit < 0:
			sum.Subtract(sum, &row[-digit-1])
		}
	}
}
