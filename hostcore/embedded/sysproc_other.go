//go:build unix && !linux

package embedded

import "syscall"

// sysProcAttr gives the child a process group of its own. The liveness pipe
// alone ends it with the host.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit cannot wait here without reaping the child; false.
func awaitExit(int) bool { return false }
