package shipper

import "golang.org/x/sys/unix"

// birthTime is the file's creation time in ns, 0 where the file system keeps none. It tells a reused inode apart.
func birthTime(fd int) int64 {
	var st unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st) != nil || st.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
}

// dataStart is where the file's first data begins: after copytruncate, a writer without O_APPEND leaves a hole before it.
func dataStart(fd int) int64 {
	off, err := unix.Seek(fd, 0, unix.SEEK_DATA)
	if err != nil {
		return 0
	}
	return off
}
