package embedded

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// sysProcAttr gives the child a process group of its own, and an orderly end
// when the thread that started it goes away with the host.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// awaitExit returns true when the child has exited, and leaves it unreaped: until
// Wait is called its id and its process group cannot be anyone else's.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
