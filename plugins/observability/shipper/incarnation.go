package shipper

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// incarnation is one file that a path leads to, or led to before it was rotated away. The tailer's lock guards it,
// except for the last group of fields. There is one for each file: what few files need is behind a pointer.
type incarnation struct {
	src   *source
	id    fileID
	birth int64
	head  digest // grows with the file up to fingerprintBytes
	path  string // its own name when last seen, symbolic links resolved
	fd    int    // -1 when closed
	used  uint64 // tick of the last use of fd

	size, mtime int64
	read        int64  // everything before it is in a batch or further
	guard       digest // of the bytes before read
	limit       int64  // when the path was removed: read no further; 0 = none

	more      bool // there may be bytes after read
	truncated bool // emptied, and nothing was read since: content may come and go before it is noticed
	long      bool // the next record did not fit in a usual chunk
	flush     bool // what is held back is complete
	heldLine  bool // what is held back ends with a line end
	closed    bool // read to its end and let go

	rotated     time.Time // zero while the path leads to it
	grew        time.Time
	behindSince int64     // ns; when the oldest bytes that are not read yet were noticed
	heldSince   time.Time // when the bytes held back were first seen; zero: none are
	heldSize    int64
	part        int        // pieces sent of the line that is being split
	split       *splitLine // what its first piece said
	verified    time.Time  // when its bytes were last known to be those that were read
	sure        int64      // its size then

	// guarded by committer.mu
	acked    int64
	ackGuard digest
	ackRead  int64        // ns; when the last acknowledged bytes were read
	forward  *incarnation // the copy that holds what this file lost by truncation
}

// splitLine is what the pieces of a line have in common.
type splitLine struct {
	time     int64
	severity uint8
	text     string // of the severity
}

// claim makes inc the owner of its inode.
func (t *tailer) claim(inc *incarnation) { t.byID[inc.id] = inc }

func (t *tailer) disown(inc *incarnation) {
	if t.byID[inc.id] == inc {
		delete(t.byID, inc.id)
	}
}

// keepOpen registers inc's descriptor and closes the one unused for longest when there are too many.
func (t *tailer) keepOpen(inc *incarnation) {
	t.tick++
	inc.used = t.tick
	t.open[inc] = struct{}{}
	if len(t.open) <= t.o.MaxOpenFiles {
		return
	}
	var victim *incarnation
	for c := range t.open {
		if c != inc && (victim == nil || better(c, victim)) {
			victim = c
		}
	}
	if victim != nil {
		t.closeFD(victim)
	}
}

// better says whether a is the better one to close: a file that still has its name can be opened again.
func better(a, b *incarnation) bool {
	if ar, br := a.rotated.IsZero(), b.rotated.IsZero(); ar != br {
		return ar
	}
	return a.used < b.used
}

func (t *tailer) closeFD(inc *incarnation) {
	if inc.fd >= 0 {
		unix.Close(inc.fd)
		inc.fd = -1
		delete(t.open, inc)
	}
}

// ensureOpen opens inc's file again when its descriptor was given up, by its last name or, failing that, by its inode
// in its folder. It says whether inc can be read.
func (t *tailer) ensureOpen(inc *incarnation) bool {
	t.tick++
	inc.used = t.tick
	if inc.fd >= 0 {
		return true
	}
	fd, path := openByID(inc.path, inc.id, inc.birth)
	if fd < 0 {
		return false
	}
	inc.fd, inc.path = fd, path
	t.keepOpen(inc)
	return true
}

// ready puts inc's source into the queue of those that are to be read.
func (t *tailer) ready(inc *incarnation) {
	inc.more = true
	t.enqueue(inc.src)
}

// retire notes that the path no longer leads to inc; it is read to its end and then let go.
func (t *tailer) retire(inc *incarnation, now time.Time) {
	src := inc.src
	inc.rotated, inc.grew = now, now
	src.cur = nil
	if !t.ensureOpen(inc) {
		t.lose(inc)
		return
	}
	t.rotations++
	t.ready(inc)
	t.tend(src)
}

// lose gives up a file that is gone with bytes that were not read.
func (t *tailer) lose(inc *incarnation) {
	if missing := inc.size - inc.read; missing > 0 {
		t.lostBytes += uint64(missing)
		t.note("%s: a file was deleted with %d bytes unread (inode %d)", inc.src.path, missing, inc.id.Ino)
	}
	t.closeFD(inc)
	t.letGo(inc)
}

// letGo stops reading inc. It stays in the checkpoint until what was read is acknowledged.
// Its descriptor too, so that the inode is not used again before that.
func (t *tailer) letGo(inc *incarnation) {
	inc.closed, inc.more, inc.flush, inc.heldSince = true, false, false, time.Time{}
	t.tend(inc.src)
}

// drop takes inc out of its source for good.
func (t *tailer) drop(inc *incarnation) {
	t.closeFD(inc)
	t.disown(inc)
	src := inc.src
	if at := slices.Index(src.incs, inc); at >= 0 {
		src.incs = slices.Delete(src.incs, at, at+1)
	}
	if src.cur == inc {
		src.cur = nil
	}
}
