package file

// table finds log entries by a 64-bit hash of something in them. It holds eight bytes per hash and
// no more: 24 bits of the hash and the sequence number. With the shard and the place in it that
// leaves a false match in some four billion entries, and whoever asks reads the line to be sure.
type table struct {
	shards [256]shard
}

type shard struct {
	slots []uint64 // tag<<40 | seq; 0 is empty
	used  int
}

const (
	seqBits = 40
	seqMask = 1<<seqBits - 1
)

func split(hash uint64) (shard uint8, tag uint64) {
	return uint8(hash >> 56), hash >> 32 & (1<<24 - 1)
}

// place is where the slots of a tag begin. It depends on the tag alone, so that a shard can grow.
func (s *shard) place(tag uint64) int {
	return int(tag * 0x9E3779B1 >> 4 & uint64(len(s.slots)-1))
}

// add puts one more entry under a hash.
func (t *table) add(hash, seq uint64) {
	n, tag := split(hash)
	s := &t.shards[n]
	if s.used >= len(s.slots)*3/4 {
		s.grow()
	}
	s.put(tag<<seqBits | seq&seqMask)
	s.used++
}

func (s *shard) put(slot uint64) {
	i := s.place(slot >> seqBits)
	for s.slots[i] != 0 {
		i = (i + 1) & (len(s.slots) - 1)
	}
	s.slots[i] = slot
}

func (s *shard) grow() {
	old := s.slots
	s.slots = make([]uint64, max(16, 2*len(old)))
	for _, slot := range old {
		if slot != 0 {
			s.put(slot)
		}
	}
}

// find returns the entries that may be under a hash, latest first.
func (t *table) find(hash uint64, into []uint64) []uint64 {
	n, tag := split(hash)
	s := &t.shards[n]
	if len(s.slots) == 0 {
		return into
	}
	for i := s.place(tag); s.slots[i] != 0; i = (i + 1) & (len(s.slots) - 1) {
		if s.slots[i]>>seqBits != tag {
			continue
		}
		seq := s.slots[i] & seqMask
		at := len(into)
		for at > 0 && into[at-1] < seq {
			at--
		}
		into = append(into, 0)
		copy(into[at+1:], into[at:])
		into[at] = seq
	}
	return into
}

// remove takes an entry away that did not become durable.
func (t *table) remove(hash, seq uint64) {
	n, tag := split(hash)
	s := &t.shards[n]
	if len(s.slots) == 0 {
		return
	}
	mask := len(s.slots) - 1
	i := s.place(tag)
	for s.slots[i] != tag<<seqBits|seq&seqMask {
		if s.slots[i] == 0 {
			return
		}
		i = (i + 1) & mask
	}
	s.slots[i] = 0
	s.used--
	// What stands behind may have been pushed there by what went.
	for i = (i + 1) & mask; s.slots[i] != 0; i = (i + 1) & mask {
		slot := s.slots[i]
		s.slots[i] = 0
		s.put(slot)
	}
}
