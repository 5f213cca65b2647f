package program

// This file has the keyed digests by which people are found.

// Kinds of blind indexes.
const (
	indexNational = "national"
	indexFamily   = "family"
)

// indexed is how a value is found: by its digest, and while keys are being rotated by
// that of the former keys as well. Then both are written, so that two processes of
// which only one knows the new keys cannot both register a person.
type indexed struct {
	kind, name   string
	digest       [32]byte
	former       string // empty if no rotation is under way
	formerDigest [32]byte
}

func (e *Engine[T]) indexed(kind, value string) indexed {
	x := indexed{kind: kind, name: e.keys.Name(), digest: e.keys.Index(kind, value)}
	x.former, x.formerDigest = e.keys.Former(kind, value)
	return x
}

// keys are where to look.
func (x *indexed) keys() []Key {
	keys := []Key{{TableIndex, []any{x.kind, x.digest[:]}}}
	if x.former != "" {
		keys = append(keys, Key{TableIndex, []any{x.kind, x.formerDigest[:]}})
	}
	return keys
}

// rows are what is written for an owner.
func (x *indexed) rows(owner [16]byte) []Row {
	rows := []Row{indexRow(x.kind, x.digest, owner, x.name)}
	if x.former != "" {
		rows = append(rows, indexRow(x.kind, x.formerDigest, owner, x.former))
	}
	return rows
}

// indexRow writes a digest; under is underMarks for a mark, which never rotates.
func indexRow(kind string, digest [32]byte, owner [16]byte, under string) Row {
	return Row{Table: TableIndex, Values: []any{kind, append([]byte(nil), digest[:]...), idValue(owner), under}}
}
