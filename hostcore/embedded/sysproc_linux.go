package embedded

import "syscall"

// sysProcAttr gives the child a process group of its own, and an orderly end
// when the thread that started it goes away with the host.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
