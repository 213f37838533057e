package main

import (
	"context"
	"io"
)

// watchParent calls stop when the read end of the parent's liveness pipe
// reaches EOF: the kernel closes the other end however the parent died. The
// goroutine lives as long as the process.
func watchParent(fd int, stop context.CancelFunc) error {
	f, err := inherited(fd, "parent-fd")
	if err != nil || f == nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, f)
		stop()
	}()
	return nil
}
