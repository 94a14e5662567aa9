package proof

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"

	"filippo.io/edwards25519"
	"pgregory.net/rapid"
)

// tabled is a verifier that has its table.
func tabled(t testing.TB, key ed25519.PublicKey) *Verifier {
	t.Helper()
	vs := NewVerifiers(1)
	v, err := vs.Of(key)
	if err != nil {
		t.Fatal(err)
	}
	vs.offer(v)
	return v
}

// What a table says is what crypto/ed25519 says, of signatures that hold and of those that nearly do.
func TestVerifierAgreesWithEd25519(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		private := ed25519.NewKeyFromSeed(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		public := private.Public().(ed25519.PublicKey)
		message := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "message")
		signature := ed25519.Sign(private, message)
		vs := NewVerifiers(1)
		v, err := vs.Of(public)
		if err != nil {
			t.Fatal(err)
		}
		vs.offer(v)
		if !v.Verify(message, signature) {
			t.Fatal("a signature that holds is refused")
		}
		bit := rapid.IntRange(0, 8*len(signature)-1).Draw(t, "bit")
		signature[bit/8] ^= 1 << (bit % 8)
		if v.Verify(message, signature) {
			t.Fatal("a changed signature is accepted")
		}
		random := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "random")
		if v.Verify(message, random) != ed25519.Verify(public, message, random) {
			t.Fatal("random bytes are judged in two ways")
		}
	})
}

// Where implementations of Ed25519 differ ("Taming the many EdDSAs", 2020): points of small order,
// encodings that are not canonical, S above the order of the group.
func TestVerifierAgreesAtTheEdges(t *testing.T) {
	points := smallOrder(t)
	scalars := [][]byte{make([]byte, 32)}
	for _, s := range []string{
		"ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", // L - 1
		"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", // L
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		scalars = append(scalars, b)
	}
	accepted := 0
	for _, a := range points {
		v := tabled(t, a)
		for _, r := range points {
			for _, s := range scalars {
				for m := range 8 {
					message, signature := []byte{byte(m)}, slices.Concat(r, s)
					want := ed25519.Verify(a, message, signature)
					if v.Verify(message, signature) != want {
						t.Fatalf("key %x, signature %x: ed25519.Verify says %v", a, signature, want)
					}
					if want {
						accepted++
					}
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("nothing at the edges is accepted by crypto/ed25519: the points are wrong")
	}
}

// smallOrder returns encodings of the points of order 1, 2, 4 and 8, with those that are not canonical.
func smallOrder(t *testing.T) [][]byte {
	t.Helper()
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	var out [][]byte
	add := func(y *big.Int) {
		for _, sign := range []byte{0, 0x80} {
			b := make([]byte, 32)
			y.FillBytes(b)
			slices.Reverse(b)
			b[31] |= sign
			out = append(out, b)
		}
	}
	order8, err := hex.DecodeString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(order8)
	y8 := new(big.Int).SetBytes(order8)
	for _, y := range []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(p, big.NewInt(1)), p,
		new(big.Int).Add(p, big.NewInt(1)), y8, new(big.Int).Sub(p, y8)} {
		add(y)
	}
	for _, b := range out {
		if point, err := new(edwards25519.Point).SetBytes(b); err == nil {
			if point.MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) != 1 {
				t.Fatalf("%x is not of small order", b)
			}
		}
	}
	return out
}

// Tables are for the keys that are used: a bounded number of them, taken from those that are used no
// more, and never given for signatures that do not hold.
func TestTablesAreBounded(t *testing.T) {
	vs := NewVerifiers(2)
	type signer struct {
		*Verifier
		private ed25519.PrivateKey
	}
	var signers []signer
	for range 5 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		v, err := vs.Of(public)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, signer{v, private})
	}
	use := func(s signer, times int) {
		t.Helper()
		for i := range times {
			m := fmt.Append(nil, i)
			if !s.Verify(m, ed25519.Sign(s.private, m)) {
				t.Fatal("a signature that holds is refused")
			}
		}
	}
	with := func() (n int) {
		for _, s := range signers {
			if s.table.Load() != nil {
				n++
			}
		}
		return n
	}
	for range 10 * tableAfter {
		if signers[0].Verify([]byte("m"), make([]byte, 64)) {
			t.Fatal("zeros are a signature")
		}
	}
	if with() != 0 {
		t.Fatal("a table for signatures that do not hold")
	}
	use(signers[0], tableAfter)
	use(signers[1], tableAfter)
	if with() != 2 {
		t.Fatalf("%d tables", with())
	}
	var wg sync.WaitGroup
	for _, s := range signers { // all at once
		wg.Go(func() { use(s, 10*tableAfter) })
	}
	wg.Wait()
	if with() != 2 || len(vs.hot) != 2 {
		t.Fatalf("%d tables", with())
	}
	use(signers[4], 10*tableAfter)
	if signers[4].table.Load() == nil {
		t.Error("the only key in use has no table")
	}
}

func BenchmarkVerifier(b *testing.B) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 200)
	signature := ed25519.Sign(private, message)
	plain, err := NewVerifier(public)
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]*Verifier{"plain": plain, "table": tabled(b, public)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !v.Verify(message, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}
