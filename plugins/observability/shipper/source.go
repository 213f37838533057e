package shipper

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// source is one configured path with the files that it leads to and led to.
type source struct {
	path     string
	st       *settings
	incs     []*incarnation // oldest first
	cur      *incarnation   // what the path leads to, the last of incs; nil: nothing
	seen     time.Time      // when the path was last looked at
	real     string         // the last file's own name, symbolic links resolved
	keys     []string       // the names under which the watcher reports it
	watched  time.Time      // when keys was last made
	queued   bool
	asked    bool // the checkpoint was asked about it
	known    bool // and there was a file then
	skip     bool // begin at the end of what exists at the first look
	removing bool
	unseen   *unseen // nil when nothing is sought
	problem  string
	ring     *ring
	ringAt   int
	lines    uint64 // acknowledged; guarded by committer.mu
}

// resync looks where the path leads to now.
func (t *tailer) resync(src *source, now time.Time) {
	t.assign(src, now)
	since := src.seen
	src.seen = now
	st, err := statPath(src.path)
	cur := src.cur
	switch {
	case err == nil && st.regular() && cur != nil && cur.id == st.id:
		t.grow(cur, st, now)
		return
	case cur != nil:
		t.retire(cur, now)
	}
	if err != nil || !st.regular() {
		if src.problem = ""; err == nil {
			src.problem = "not a regular file"
		} else if !errors.Is(err, fs.ErrNotExist) {
			src.problem = err.Error()
		}
		t.resume(src, -1, fileID{}, now)
		src.skip = false
		if !since.IsZero() {
			src.seen = since // between two names: what came and went since then is sought when there is a file again
		}
		return
	}
	if src.removing {
		return
	}
	if owner := t.byID[st.id]; owner != nil && (!owner.closed || owner.fd >= 0) {
		if owner.src != src {
			src.problem = "the same file as " + owner.src.path + ", which ships it"
		} else if !owner.closed { // it was put back
			owner.rotated, src.cur = time.Time{}, owner
			t.moveLast(src, owner)
		}
		return
	}
	// From here on the open file is what counts: the path may lead elsewhere again, which the next look will tell.
	fd, st, err := openRegular(src.path)
	if err != nil {
		if src.seen, src.problem = since, err.Error(); errors.Is(err, fs.ErrNotExist) {
			src.problem = ""
		}
		return
	}
	if owner := t.byID[st.id]; owner != nil && (!owner.closed || owner.fd >= 0) {
		src.seen = since
		unix.Close(fd)
		return
	}
	t.resume(src, fd, st.id, now)
	if !since.IsZero() {
		places := make([]place, 0, len(src.incs))
		for _, inc := range src.incs {
			places = append(places, place{head: inc.head, guard: inc.guard, offset: inc.read})
		}
		t.adoptUnseen(src, cmp.Or(src.real, src.path), beginsLike(fd), since, now, places...)
	}
	t.begin(src, fd, st, now)
}

func (t *tailer) moveLast(src *source, inc *incarnation) {
	at := slices.Index(src.incs, inc)
	src.incs = append(slices.Delete(src.incs, at, at+1), inc)
}

// grow compares a file with its state.
func (t *tailer) grow(inc *incarnation, st fileStat, now time.Time) {
	if st.size < inc.read {
		if t.ensureOpen(inc) {
			t.rewritten(inc, now)
		}
		return
	}
	if st.size == inc.size && st.mtime == inc.mtime {
		if !inc.truncated {
			inc.verified = now
		}
		return
	}
	if st.size > inc.size {
		if inc.grew = now; inc.size <= inc.read {
			inc.behindSince = now.UnixNano()
		}
	}
	inc.size, inc.mtime = st.size, st.mtime
	t.ready(inc) // same size, other time: reading verifies that the bytes are still those
}

// begin reads the open file that the path leads to from where the checkpoint says, else from the start.
func (t *tailer) begin(src *source, fd int, st fileStat, now time.Time) {
	src.problem = ""
	inc := &incarnation{src: src, id: st.id, birth: birthTime(fd), path: src.path, fd: fd, size: st.size, mtime: st.mtime,
		grew: now, behindSince: now.UnixNano(), verified: now}
	inc.head, _ = fingerprintOf(fd)
	t.rewatch(src, now)
	if real, err := filepath.EvalSymlinks(src.path); err == nil {
		inc.path = src.spelled(real)
	}
	src.real = inc.path
	if e := t.known.byID[st.id]; e != nil {
		if (e.Birth == 0 || inc.birth == 0 || e.Birth == inc.birth) && holds(fd, e.Head, e.Guard, e.Offset) {
			inc.read, inc.guard, inc.acked, inc.ackGuard = e.Offset, e.Guard, e.Offset, e.Guard
		}
		t.known.forget(e)
	} else if src.skip {
		inc.read, inc.guard = st.size, guardAt(fd, st.size)
		inc.acked, inc.ackGuard = inc.read, inc.guard
	}
	src.skip = false
	src.incs, src.cur = append(src.incs, inc), inc
	t.claim(inc)
	t.keepOpen(inc)
	t.ready(inc)
}

func guardAt(fd int, off int64) digest {
	var b [guardBytes]byte
	n := min(off, guardBytes)
	if m, err := pread(fd, b[:n], off-n); err != nil || int64(m) != n {
		return digest{}
	}
	return digestOf(b[:n])
}

// resume takes up, once per source, the files that the checkpoint says were not read to their end and that the path no
// longer leads to, and those that came and went while nobody looked. live and current are what the path leads to; when
// that is nothing, what is not found may be on a disk that is not there yet, and is asked for again with the first file.
func (t *tailer) resume(src *source, live int, current fileID, now time.Time) {
	if src.known || (src.asked && live < 0) {
		return
	}
	src.asked, src.known = true, live >= 0
	t.renumber(src, live, current)
	list := slices.Clone(t.known.byPath[src.path])
	if len(list) == 0 {
		return
	}
	src.skip = false
	path := src.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	var since int64
	var places []place
	for _, e := range list {
		since = max(since, e.Seen)
		p := place{head: e.Head, guard: e.Guard, offset: e.Offset}
		places = append(places, p)
		if e.State == stateFinished || t.byID[e.id()] != nil {
			continue
		}
		at := path
		if e.At != "" {
			at = string(e.At)
		}
		fd, name := openByID(at, e.id(), e.Birth)
		same := fd >= 0 && holds(fd, e.Head, e.Guard, e.Offset)
		if same && e.id() == current {
			unix.Close(fd) // begin goes on with it
			continue
		}
		if fd >= 0 && !same {
			unix.Close(fd)
			fd = -1
		}
		if fd < 0 { // its bytes may live on in the copy that was made before it was truncated
			var s sibling
			fd, s = t.findCopy(at, e.id(), p)
			name = s.path
		}
		if fd < 0 && live < 0 {
			continue
		}
		t.known.forget(e)
		if fd < 0 {
			t.note("%s: the file that was read up to %d (inode %d) is gone or was overwritten; what it held after that, if anything, is lost", src.path, e.Offset, e.Ino)
			continue
		}
		if st, err := statFD(fd); err == nil {
			t.adopt(src, fd, name, st, *e, now)
		}
	}
	t.adoptUnseen(src, path, beginsLike(live), time.Unix(0, since), now, places...)
}

// renumber finds the path's file in the checkpoint when only its device has another number: disks, volumes and network
// mounts may get one at every boot.
func (t *tailer) renumber(src *source, live int, current fileID) {
	if live < 0 || t.known.byID[current] != nil {
		return
	}
	birth := birthTime(live)
	for _, e := range t.known.byPath[src.path] {
		sure := e.Birth == birth && (birth != 0 || e.Head.N == fingerprintBytes)
		if e.State == stateTailing && e.Ino == current.Ino && sure && holds(live, e.Head, e.Guard, e.Offset) {
			moved := *e
			moved.Dev = current.Dev
			t.known.forget(e)
			t.known.put(moved)
			return
		}
	}
}

// rewatch finds out under which names the watcher will report the path, and asks it to.
func (t *tailer) rewatch(src *source, now time.Time) {
	src.watched = now
	var keys []string
	if dir, err := filepath.EvalSymlinks(filepath.Dir(src.path)); err == nil {
		keys = append(keys, src.spelled(filepath.Join(dir, filepath.Base(src.path))))
		if real, err := filepath.EvalSymlinks(src.path); err == nil && real != keys[0] {
			keys = append(keys, real)
		}
	}
	if slices.Equal(keys, src.keys) {
		return
	}
	t.unwatch(src)
	for src.keys = keys; len(keys) > 0; keys = keys[1:] {
		t.watch.add(keys[0])
		t.keys[keys[0]] = src
	}
}

// spelled is path, in the memory of the source's own when it is the same: without symbolic links it always is.
func (src *source) spelled(path string) string {
	if path == src.path {
		return src.path
	}
	return path
}

func (t *tailer) unwatch(src *source) {
	for _, k := range src.keys {
		t.watch.remove(k)
		if t.keys[k] == src {
			delete(t.keys, k)
		}
	}
	src.keys = nil
}

// assign moves the source to the ring that fits the way in which its changes are noticed.
func (t *tailer) assign(src *source, now time.Time) {
	on := len(src.keys) > 0
	for _, k := range src.keys {
		on = on && t.watch.watching(k)
	}
	if !on && now.Sub(src.watched) > watchRetry {
		t.rewatch(src, now)
	}
	want := &t.polled
	if on {
		want = &t.swept
	}
	if src.ring != want {
		if src.ring != nil {
			src.ring.remove(src)
		}
		want.add(src)
	}
}
