package proc

import (
	"bytes"
	"os"
	"strconv"

	"github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
)

// killEscaped ends the children of a plugin that left its process group
// (setsid). They are known by the socket folder in the environment they
// inherited, which no other process has. A child that cleared its environment
// gets away; cgroups are the complete answer.
func killEscaped(socketDir string) {
	mark := []byte(plugin.EnvUnixSocketDir + "=" + socketDir + "\x00")
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || !marked(pid, mark) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		// Looked at again: the id may have changed hands before it was opened.
		if marked(pid, mark) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		_ = unix.Close(fd)
	}
}

func marked(pid int, mark []byte) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(env, mark)
}
