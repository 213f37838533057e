package shipper

import (
	"bytes"
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// compressedName says whether a rotated file's name says that it was compressed: its text was shipped before that.
func compressedName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4", ".lzma", ".z", ".br":
		return true
	}
	return false
}

// rotatedName says whether name looks like a rotated form of base: app.log.1, app.log-20260102, app-2026-01-02.log.
func rotatedName(base, name string) bool {
	if name == base || compressedName(name) || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".swp") {
		return false
	}
	if rest, ok := strings.CutPrefix(name, base); ok {
		return rest[0] == '.' || rest[0] == '-' || rest[0] == '_'
	}
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	middle, ok := strings.CutPrefix(name, stem)
	if !ok || stem == "" {
		return false
	}
	middle, ok = strings.CutSuffix(middle, ext)
	return ok && len(middle) > 1 && strings.IndexByte(".-_", middle[0]) >= 0 && strings.ContainsAny(middle, "0123456789")
}

// sibling is a file in the folder of a tailed one.
type sibling struct {
	path string
	stat fileStat
}

// siblings lists the regular files in the folder of path whose names pass keep, oldest change first. Names may change while the
// folder is read, and a file be missed; then it is read again, and if that goes on, stable is false.
func siblings(path string, keep func(name string) bool) (list []sibling, stable bool) {
	dir, _ := filepath.Split(path)
	found := map[fileID]sibling{}
	for try := 0; try < 3 && !stable; try++ {
		before, err := statPath(dir)
		if err != nil {
			break
		}
		names, _ := readNames(dir) // what could be read counts
		for _, name := range names {
			if !keep(name) {
				continue
			}
			p := filepath.Join(dir, name)
			if st, err := statPath(p); err == nil && st.regular() {
				found[st.id] = sibling{p, st}
			}
		}
		after, err := statPath(dir)
		stable = err == nil && after.mtime == before.mtime && after.mtime < time.Now().Add(-12*time.Millisecond).UnixNano()
	}
	return slices.SortedFunc(maps.Values(found), func(a, b sibling) int {
		return cmp.Or(cmp.Compare(a.stat.mtime, b.stat.mtime), cmp.Compare(b.path, a.path))
	}), stable
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// openByID opens the file id at path, or under another name in the same folder; fd is -1 when it is not there.
func openByID(path string, id fileID, birth int64) (fd int, at string) {
	try := func(p string) bool {
		f, st, err := openRegular(p)
		if err != nil {
			return false
		}
		if b := birthTime(f); st.id != id || (b != 0 && birth != 0 && b != birth) {
			unix.Close(f)
			return false
		}
		fd, at = f, p
		return true
	}
	if try(path) {
		return fd, at
	}
	for range 3 {
		list, stable := siblings(path, func(string) bool { return true })
		for _, s := range list {
			if s.stat.id == id && try(s.path) {
				return fd, at
			}
		}
		if stable {
			break
		}
	}
	return -1, ""
}

// place is how far a file was read, and what tells that another file holds the same bytes up to there.
type place struct {
	head, guard digest
	offset      int64
	tail        bool // what a copy holds after offset is to be read
}

// findCopy looks beside path for another file with the same beginning and the same bytes before the offset: the copy
// that copytruncate made. Nothing is claimed about a file of which nothing is known.
func (t *tailer) findCopy(path string, not fileID, p place) (fd int, s sibling) {
	if p.head.N == 0 {
		return -1, s
	}
	base := filepath.Base(path)
	for range 3 {
		list, stable := siblings(path, func(name string) bool { return name != base && !compressedName(name) })
		for _, s := range list {
			if s.stat.id == not || s.stat.size < max(p.offset, int64(p.head.N)) || t.byID[s.stat.id] != nil {
				continue
			}
			if e := t.known.byID[s.stat.id]; e != nil && e.State == stateFinished {
				continue
			}
			if fd, s.path = openByID(s.path, s.stat.id, 0); fd < 0 {
				stable = false
				continue
			}
			if holds(fd, p.head, p.guard, p.offset) {
				s.stat, _ = statFD(fd)
				return fd, s
			}
			unix.Close(fd)
		}
		if stable {
			break
		}
	}
	return -1, s
}

// adoptUnseen takes up the files that the path led to between two looks: siblings with a rotated name that came into
// being since then (for a link, since the last file that it is known to have led to), that nobody reads or has read,
// and that are no copy of the places given or of what the path leads to now, which same tells (copytruncate may be in
// the middle of its copy).
func (t *tailer) adoptUnseen(src *source, path string, same func(fd int) bool, since, now time.Time, copies ...place) {
	if since.IsZero() {
		return
	}
	born := since.Add(-fileTimes).UnixNano()
	if filepath.Base(path) != filepath.Base(src.path) { // a link is switched to files that were made before
		if b := t.lastBirth(src); b != 0 {
			born = min(born, b)
		}
	}
	if before := src.unseen; before != nil && before.since.Before(since) { // that search has not ended
		since, born, copies = before.since, min(born, before.born), append(copies, before.copies...)
	}
	src.unseen = &unseen{path, same, since, born, copies}
	t.seekUnseen(src, now)
}

// unseen is a search for files that came and went between two looks.
type unseen struct {
	path   string
	same   func(fd int) bool
	since  time.Time
	born   int64 // ns; older files are none of them
	copies []place
}

const fileTimes = 20 * time.Millisecond // their granularity, generously

// lastBirth is when the newest file that the path is known to have led to was made, 0 when that is not known.
func (t *tailer) lastBirth(src *source) (birth int64) {
	for _, inc := range src.incs {
		birth = max(birth, inc.birth)
	}
	for _, e := range t.known.byPath[src.path] {
		birth = max(birth, e.Birth)
	}
	return birth
}

// seekUnseen searches; while the folder's names are changing, the search goes on at the next tending.
func (t *tailer) seekUnseen(src *source, now time.Time) {
	u := src.unseen
	// The name of a link's last file may be that of the next one, to which it was switched in between: files are told
	// apart by their ids here, not by that name.
	base, link := filepath.Base(u.path), filepath.Base(src.path)
	after := u.since.Add(-fileTimes).UnixNano()
	list, stable := siblings(u.path, func(name string) bool { return rotatedName(base, name) || rotatedName(link, name) })
	for _, s := range list {
		if s.stat.mtime < after || s.stat.size == 0 || t.byID[s.stat.id] != nil ||
			t.known.byID[s.stat.id] != nil || t.sources[s.path] != nil {
			continue
		}
		fd, at := openByID(s.path, s.stat.id, 0) // it may have been renamed again
		if fd < 0 {
			stable = false
			continue
		}
		birth := birthTime(fd)
		from := entry{}
		if i := slices.IndexFunc(u.copies, func(p place) bool { return p.head.N > 0 && holds(fd, p.head, p.guard, p.offset) }); i >= 0 {
			p := u.copies[i]
			if !p.tail || s.stat.size <= p.offset {
				unix.Close(fd)
				continue
			}
			from = entry{Offset: p.offset, Guard: p.guard, Head: p.head}
		}
		if (birth != 0 && birth < u.born) || u.same(fd) {
			unix.Close(fd)
			continue
		}
		t.adopt(src, fd, at, s.stat, from, now)
	}
	if stable {
		src.unseen = nil
		return
	}
	src.unseen.same = func(fd int) bool { return src.cur != nil && src.cur.fd >= 0 && beginsLike(src.cur.fd)(fd) }
	t.tend(src)
}

// beginsLike tells of a file whether live is it or begins with all of it, as far as its first KB and its end tell.
func beginsLike(live int) func(fd int) bool {
	if live < 0 {
		return func(int) bool { return false }
	}
	return func(fd int) bool {
		st, err := statFD(fd)
		liveStat, liveErr := statFD(live)
		if err != nil || liveErr != nil || st.id == liveStat.id {
			return true
		}
		head, err := fingerprintOf(fd)
		return err == nil && head.N > 0 && holds(live, head, guardAt(fd, st.size), st.size)
	}
}

// continuesAt tells of a file whether it holds data at off, as far as it goes, or, where it does not reach that far,
// whether live begins like it.
func continuesAt(live int, data []byte, off int64) func(fd int) bool {
	return func(fd int) bool {
		st, err := statFD(fd)
		if err != nil || st.size <= off {
			return err != nil || beginsLike(live)(fd)
		}
		n := int(min(int64(len(data)), st.size-off))
		var b [fingerprintBytes]byte
		first, err := pread(fd, b[:min(n, len(b))], off)
		if err != nil || !bytes.Equal(b[:first], data[:first]) {
			return false
		}
		last := min(n, guardBytes)
		m, err := pread(fd, b[:last], off+int64(n-last))
		return err == nil && m == last && bytes.Equal(b[:m], data[n-last:n])
	}
}

// adopt begins to read a rotated file from where e says.
func (t *tailer) adopt(src *source, fd int, path string, st fileStat, e entry, now time.Time) *incarnation {
	inc := &incarnation{src: src, id: st.id, birth: birthTime(fd), path: path, fd: fd, size: st.size, mtime: st.mtime,
		read: e.Offset, guard: e.Guard, head: e.Head, rotated: now, grew: now, behindSince: now.UnixNano(), verified: now,
		acked: e.Offset, ackGuard: e.Guard}
	if inc.head.N == 0 {
		inc.head, _ = fingerprintOf(fd)
	}
	at := len(src.incs)
	if src.cur != nil {
		at-- // before the current one
	}
	src.incs = slices.Insert(src.incs, at, inc)
	t.claim(inc)
	t.keepOpen(inc)
	t.rotations++
	t.ready(inc)
	t.tend(src)
	return inc
}

// rewritten handles a file whose bytes before the offset are not what they were: it was truncated, and perhaps has
// grown again, or its inode belongs to another file now. Reading starts over; what was not read is taken from its copy.
func (t *tailer) rewritten(old *incarnation, now time.Time) {
	src := old.src
	t.truncations++
	t.commits.mu.Lock()
	inFlight := old.acked < old.read
	t.commits.mu.Unlock()

	fresh := &incarnation{src: src, id: old.id, birth: old.birth, path: old.path, fd: old.fd, used: old.used,
		rotated: old.rotated, grew: now, behindSince: now.UnixNano(), verified: now}
	at := slices.Index(src.incs, old)
	src.incs[at] = fresh
	if src.cur == old {
		src.cur = fresh
	}
	t.claim(fresh)
	if old.fd >= 0 {
		delete(t.open, old)
		t.open[fresh] = struct{}{}
		old.fd = -1
		if st, err := statFD(fresh.fd); err == nil {
			fresh.size, fresh.mtime = st.size, st.mtime
		}
		fresh.head, _ = fingerprintOf(fresh.fd)
		fresh.birth = birthTime(fresh.fd)
	}
	fresh.truncated = true

	was := place{head: old.head, guard: old.guard, offset: old.read}
	if fd, s := t.findCopy(old.path, old.id, was); fd >= 0 && (inFlight || s.stat.size > old.read) {
		c := t.adopt(src, fd, s.path, s.stat, entry{Offset: old.read, Guard: old.guard, Head: old.head}, now)
		t.commits.mu.Lock()
		c.acked, c.ackGuard = old.acked, old.ackGuard
		old.forward = c
		t.commits.mu.Unlock()
		if t.chunk.inc == old {
			t.chunk = chunk{} // the copy has it too
		}
	} else if fd >= 0 { // all of it was read and acknowledged
		unix.Close(fd)
		t.known.put(entry{Path: pathString(src.path), At: pathString(s.path), Dev: s.stat.id.Dev, Ino: s.stat.id.Ino,
			Head: old.head, Offset: old.read, Guard: old.guard, State: stateFinished, Seen: now.UnixNano()})
	} else {
		left := int64(t.chunk.left(old))
		was.tail, was.offset = left == 0, old.read
		if missing := old.sure - old.read - left; missing > 0 {
			t.lostBytes += uint64(missing)
			t.note("%s: truncated with %d bytes unread and no copy found beside it yet", src.path, missing)
		}
	}
	t.adoptUnseen(src, old.path, beginsLike(fresh.fd), old.verified, now, was)
	t.ready(fresh)
}
