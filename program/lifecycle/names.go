package lifecycle

// names finds the position of a name among few. Hashing a whole name with the
// general map costs more than all the rest of a decision, so a name is hashed
// by its length and three of its bytes, with a multiplier under which no two
// names of the table share a slot. Where there is none, the map serves.
type names[N ~string] struct {
	list  []N
	mul   uint32 // zero: the map serves
	slots [256]uint8
	rest  map[N]int
}

const tries = 2000

func newNames[N ~string](list []N) *names[N] {
	n := &names[N]{list: list}
	if len(list) < len(n.slots) {
		mul := uint32(0x9e3779b1)
		for range tries {
			n.mul = mul | 1
			if n.place() {
				return n
			}
			mul = mul*0x2c9277b5 + 0x3c6ef372
		}
	}
	n.mul, n.rest = 0, make(map[N]int, len(list))
	for i, name := range list {
		n.rest[name] = i
	}
	return n
}

// place puts every name into its slot, and reports whether each has its own.
func (n *names[N]) place() bool {
	clear(n.slots[:])
	for i, name := range n.list {
		slot := &n.slots[n.slot(name)]
		if *slot != 0 {
			return false
		}
		*slot = uint8(i + 1)
	}
	return true
}

func (n *names[N]) slot(name N) uint8 {
	last := len(name) - 1
	if last < 0 {
		return 0
	}
	h := uint32(name[0]) | uint32(name[last])<<8 | uint32(name[last/2])<<16 | uint32(last)<<24
	return uint8(h * n.mul >> 24)
}

// at returns the position of a name, or -1.
func (n *names[N]) at(name N) int {
	if n.mul == 0 {
		return n.atMap(name)
	}
	i := int(n.slots[n.slot(name)]) - 1
	if uint(i) >= uint(len(n.list)) || n.list[i] != name {
		return -1
	}
	return i
}

func (n *names[N]) atMap(name N) int {
	if i, ok := n.rest[name]; ok {
		return i
	}
	return -1
}
