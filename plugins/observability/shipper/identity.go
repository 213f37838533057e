package shipper

import (
	"fmt"
	"io/fs"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

const (
	fingerprintBytes = 1024
	guardBytes       = 256
)

// fileID names a file while it exists; inodes are used again after that.
type fileID struct{ Dev, Ino uint64 }

// digest is a hash of N bytes: of a file's first ones (fingerprint) or of the ones before an offset (guard).
type digest struct {
	N   int
	Sum uint64
}

func digestOf(b []byte) digest { return digest{len(b), xxhash.Sum64(b)} }

// matches says whether b begins with the bytes that d was made of.
// The zero digest is one of nothing, which every file has.
func (d digest) matches(b []byte) bool {
	return d.N == 0 || len(b) >= d.N && xxhash.Sum64(b[:d.N]) == d.Sum
}

type fileStat struct {
	id    fileID
	size  int64
	mtime int64 // ns
	nlink uint64
	mode  uint32
}

func (s fileStat) regular() bool { return s.mode&unix.S_IFMT == unix.S_IFREG }

func fromUnix(st *unix.Stat_t) fileStat {
	return fileStat{fileID{uint64(st.Dev), st.Ino}, st.Size, st.Mtim.Nano(), uint64(st.Nlink), uint32(st.Mode)} //nolint:unconvert // their types differ between architectures
}

func statPath(path string) (fileStat, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileStat{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return fromUnix(&st), nil
}

func statFD(fd int) (fileStat, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fileStat{}, fmt.Errorf("fstat: %w", err)
	}
	return fromUnix(&st), nil
}

// openRegular opens a file for reading and refuses anything that is not a regular file, without blocking on pipes.
func openRegular(path string) (int, fileStat, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fileStat{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	st, err := statFD(fd)
	if err == nil && !st.regular() {
		err = fmt.Errorf("open %s: not a regular file", path)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fileStat{}, err
	}
	return fd, st, nil
}

// pread fills b from off, as far as the file goes.
func pread(fd int, b []byte, off int64) (int, error) {
	for n := 0; ; {
		m, err := unix.Pread(fd, b[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("read at %d: %w", off, err)
		}
		// A short read from a regular file means its end was met; asking again would cost a call per read.
		return n + m, nil
	}
}

// holds says whether the file begins with fp and has the bytes of guard before off.
func holds(fd int, fp, guard digest, off int64) bool {
	var b [fingerprintBytes]byte
	if n, err := pread(fd, b[:fp.N], 0); err != nil || !fp.matches(b[:n]) {
		return false
	}
	if off < int64(guard.N) {
		return false
	}
	n, err := pread(fd, b[:guard.N], off-int64(guard.N))
	return err == nil && guard.matches(b[:n])
}

func fingerprintOf(fd int) (digest, error) {
	var b [fingerprintBytes]byte
	n, err := pread(fd, b[:], 0)
	return digestOf(b[:n]), err
}
