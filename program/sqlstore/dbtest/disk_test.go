package dbtest_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// This file is the file system of the power cuts. A disk writes down what SQLite does to
// its files: what it writes, cuts off, syncs, makes and deletes. From that follows what
// may be on the disk when the power fails: what was synced, and of the rest any part.
//
// It is registered as a VFS that hands each call to SQLite's own for Unix. Locks, and the
// shared memory beside the write-ahead log, which no power cut survives, stay those.

type diskOp struct {
	kind    string // write, cut, sync, make, delete or mark
	file    string // without the folder
	offset  int64  // of a write; the size of a cut
	data    []byte
	durable bool // of a delete or a sync: the folder was synced too
	mark    int  // see disk.mark
}

// disk writes down what is done to files.
type disk struct {
	name string

	mu  sync.Mutex
	log []diskOp
}

func (d *disk) add(op diskOp) {
	d.log = append(d.log, op)
}

// mark writes down what a test wants to know of this moment.
func (d *disk) mark(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(diskOp{kind: "mark", mark: n})
}

// ioMethods and vfsMethods have the layout of sqlite3_io_methods and sqlite3_vfs on 64
// bits.
type ioMethods struct {
	version int32
	_       [4]byte

	xClose, xRead, xWrite, xTruncate, xSync, xFileSize, xLock, xUnlock, xCheckReservedLock, xFileControl, xSectorSize, xDeviceCharacteristics,
	xShmMap, xShmLock, xShmBarrier, xShmUnmap, xFetch, xUnfetch uintptr
}

type vfsMethods struct {
	version, fileSize, maxPath int32
	_                          [4]byte

	next, name, appData uintptr
	xOpen, xDelete      uintptr
	others              [15]uintptr
}

type (
	closeFunc  = func(*libc.TLS, uintptr) int32
	writeFunc  = func(*libc.TLS, uintptr, uintptr, int32, int64) int32
	cutFunc    = func(*libc.TLS, uintptr, int64) int32
	syncFunc   = func(*libc.TLS, uintptr, int32) int32
	openFunc   = func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32
	deleteFunc = func(*libc.TLS, uintptr, uintptr, int32) int32
)

// shim is what the functions below need, which SQLite calls with addresses alone.
var shim = struct {
	sync.Mutex
	disks   map[uintptr]*disk     // by the address of their VFS
	files   map[uintptr]*diskFile // by the address of SQLite's file
	methods map[uintptr]uintptr   // ours, by those of Unix
}{disks: map[uintptr]*disk{}, files: map[uintptr]*diskFile{}, methods: map[uintptr]uintptr{}}

type diskFile struct {
	disk *disk
	name string
	unix *ioMethods
	// folder: the first sync of a journal that is new also syncs the folder.
	folder bool
}

// pointer turns an address of memory that is not Go's into a pointer.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// function turns the address of a C function into one of Go, as modernc.org/libc has it.
func function[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{address})) }

// address is the opposite of function.
func address[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// newDisk registers a disk. Its name is what ?vfs= wants.
func newDisk(t testing.TB) *disk {
	t.Helper()
	tls := libc.NewTLS()
	unix := sqlite3.Xsqlite3_vfs_find(tls, 0)
	require.NotZero(t, unix)
	shim.Lock()
	d := &disk{name: fmt.Sprint("disk", len(shim.disks))}
	shim.Unlock()
	name, err := libc.CString(d.name)
	require.NoError(t, err)
	at := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(vfsMethods{})))
	require.NotZero(t, at)
	vfs := (*vfsMethods)(pointer(at))
	*vfs = *(*vfsMethods)(pointer(unix))
	vfs.next, vfs.name = 0, name
	vfs.xOpen, vfs.xDelete = address[openFunc](diskOpen), address[deleteFunc](diskDelete)
	shim.Lock()
	shim.disks[at] = d
	shim.Unlock()
	require.Zero(t, sqlite3.Xsqlite3_vfs_register(tls, at, 0))
	t.Cleanup(func() {
		if rc := sqlite3.Xsqlite3_vfs_unregister(tls, at); rc != 0 {
			t.Errorf("unregister: %d", rc)
		}
		tls.Close()
	})
	return d
}

func unixVFS(tls *libc.TLS) (uintptr, *vfsMethods) {
	at := sqlite3.Xsqlite3_vfs_find(tls, 0)
	return at, (*vfsMethods)(pointer(at))
}

func diskOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	at, unix := unixVFS(tls)
	rc := function[openFunc](unix.xOpen)(tls, at, name, file, flags, outFlags)
	own := *(*uintptr)(pointer(file))
	if rc != sqlite3.SQLITE_OK || own == 0 || name == 0 {
		return rc
	}
	shim.Lock()
	defer shim.Unlock()
	ours, ok := shim.methods[own]
	if !ok {
		ours = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(ioMethods{})))
		if ours == 0 {
			return sqlite3.SQLITE_NOMEM
		}
		m := (*ioMethods)(pointer(ours))
		*m = *(*ioMethods)(pointer(own))
		m.xClose, m.xWrite = address[closeFunc](diskClose), address[writeFunc](diskWrite)
		m.xTruncate, m.xSync = address[cutFunc](diskCut), address[syncFunc](diskSync)
		shim.methods[own] = ours
	}
	d := shim.disks[vfs]
	f := &diskFile{disk: d, name: filepath.Base(libc.GoString(name)), unix: (*ioMethods)(pointer(own)),
		folder: flags&sqlite3.SQLITE_OPEN_CREATE != 0 && flags&(sqlite3.SQLITE_OPEN_WAL|sqlite3.SQLITE_OPEN_MAIN_JOURNAL) != 0}
	shim.files[file] = f
	*(*uintptr)(pointer(file)) = ours
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(diskOp{kind: "make", file: f.name})
	return rc
}

func fileAt(file uintptr) *diskFile {
	shim.Lock()
	defer shim.Unlock()
	return shim.files[file]
}

func diskClose(tls *libc.TLS, file uintptr) int32 {
	f := fileAt(file)
	shim.Lock()
	delete(shim.files, file)
	shim.Unlock()
	return function[closeFunc](f.unix.xClose)(tls, file)
}

func diskWrite(tls *libc.TLS, file, from uintptr, n int32, offset int64) int32 {
	f := fileAt(file)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	data := slices.Clone(unsafe.Slice((*byte)(pointer(from)), n))
	rc := function[writeFunc](f.unix.xWrite)(tls, file, from, n, offset)
	f.disk.add(diskOp{kind: "write", file: f.name, offset: offset, data: data})
	return rc
}

func diskCut(tls *libc.TLS, file uintptr, size int64) int32 {
	f := fileAt(file)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.add(diskOp{kind: "cut", file: f.name, offset: size})
	return function[cutFunc](f.unix.xTruncate)(tls, file, size)
}

func diskSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := fileAt(file)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	rc := function[syncFunc](f.unix.xSync)(tls, file, flags)
	f.disk.add(diskOp{kind: "sync", file: f.name, durable: f.folder})
	f.folder = false
	return rc
}

func diskDelete(tls *libc.TLS, vfs, name uintptr, syncFolder int32) int32 {
	at, unix := unixVFS(tls)
	shim.Lock()
	d := shim.disks[vfs]
	shim.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	rc := function[deleteFunc](unix.xDelete)(tls, at, name, syncFolder)
	if rc == sqlite3.SQLITE_OK {
		d.add(diskOp{kind: "delete", file: filepath.Base(libc.GoString(name)), durable: syncFolder != 0})
	}
	return rc
}

// What the power cut leaves.

// platter is what of a log is on the disk for certain, and what may be.
type platter struct {
	now     map[string]*content // what the running program sees
	certain map[string]*content
	changes []change // of the folder, since it was synced
}

type content struct {
	data    []byte
	pending []diskOp
}

// change gives a name in the folder to a content; to none if it is deleted.
type change struct {
	name string
	to   *content
}

func newPlatter() *platter {
	return &platter{now: map[string]*content{}, certain: map[string]*content{}}
}

// take is what one operation does to the certain and the uncertain.
func (p *platter) take(op diskOp) {
	f := p.now[op.file]
	switch op.kind {
	case "write", "cut":
		f.pending = append(f.pending, op)
	case "sync":
		for _, w := range f.pending {
			f.data = carried(f.data, w)
		}
		f.pending = nil
	case "make":
		if f == nil {
			p.name(change{op.file, &content{}})
		}
	case "delete":
		p.name(change{op.file, nil})
	}
	if op.durable {
		for _, c := range p.changes {
			c.in(p.certain)
		}
		p.changes = nil
	}
}

func (p *platter) name(c change) {
	c.in(p.now)
	p.changes = append(p.changes, c)
}

func (c change) in(folder map[string]*content) {
	if folder[c.name] = c.to; c.to == nil {
		delete(folder, c.name)
	}
}

func carried(content []byte, op diskOp) []byte {
	if op.kind == "cut" {
		return resized(content, op.offset)
	}
	if end := op.offset + int64(len(op.data)); int64(len(content)) < end {
		content = resized(content, end)
	}
	copy(content[op.offset:], op.data)
	return content
}

func resized(content []byte, size int64) []byte {
	if int64(len(content)) >= size {
		return content[:size:size]
	}
	return append(content, make([]byte, size-int64(len(content)))...)
}

const sector = 512

// fail cuts the power: of everything uncertain any part is kept. What is written in one
// go lands sector by sector, in any order, and a sector may be torn or hold rubbish where
// it was written to, as long as nobody has synced it. The folder keeps its order: of its
// changes the first few are kept.
func (p *platter) fail(r *rand.Rand) map[string][]byte {
	keep := []float64{0, 0.1, 0.5, 0.9, 1}[r.IntN(5)]
	folder := maps.Clone(p.certain)
	for _, c := range p.changes[:r.IntN(len(p.changes)+1)] {
		c.in(folder)
	}
	left := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(folder)) {
		data := slices.Clone(folder[name].data)
		for _, op := range folder[name].pending {
			data = landed(r, data, op, keep)
		}
		left[name] = data
	}
	return left
}

// landed is what an unsynced operation may leave of itself.
func landed(r *rand.Rand, content []byte, op diskOp, keep float64) []byte {
	if op.kind == "cut" {
		if r.Float64() < keep {
			return carried(content, op)
		}
		return content
	}
	if r.IntN(4) == 0 { // the size is there, whatever of the data is
		if end := op.offset + int64(len(op.data)); int64(len(content)) < end {
			content = resized(content, end)
		}
	}
	for from := 0; from < len(op.data); {
		to := min(len(op.data), from+int(sector-(op.offset+int64(from))%sector))
		part := diskOp{kind: "write", offset: op.offset + int64(from), data: op.data[from:to]}
		from = to
		if r.Float64() >= keep {
			continue
		}
		if keep < 1 {
			switch r.IntN(12) {
			case 0: // torn
				part.data = part.data[:r.IntN(len(part.data))]
			case 1: // rubbish
				part.data = slices.Clone(part.data)
				for i := r.IntN(len(part.data)); i < len(part.data); i++ {
					part.data[i] = byte(r.Uint32())
				}
			}
		}
		content = carried(content, part)
	}
	return content
}

var errNoPoint = errors.New("the log has no operation")

// cuts fails the power at n random points of a log, in order. Each gets the files that
// are left, and the last mark before the point. The work is called one after another.
func cuts(log []diskOp, n int, seed uint64, each func(i, mark int, left map[string][]byte) error) error {
	if len(log) == 0 {
		return errNoPoint
	}
	r := rand.New(rand.NewPCG(seed, 1))
	points := make([]int, n)
	for i := range points {
		points[i] = r.IntN(len(log) + 1)
	}
	slices.Sort(points)
	p, done, mark := newPlatter(), 0, 0
	for i, at := range points {
		for ; done < at; done++ {
			if log[done].kind == "mark" {
				mark = log[done].mark
			}
			p.take(log[done])
		}
		if err := each(i, mark, p.fail(r)); err != nil {
			return err
		}
	}
	return nil
}
