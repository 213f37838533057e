package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/orch-host/orch/devserver/internal/database"
	"github.com/orch-host/orch/devserver/internal/server"
)

// readyLine is the one JSON line that tells the parent how the start ended:
//
//	{"frontend":"127.0.0.1:7233","ui":"http://127.0.0.1:8080","version":"1.32.1","pid":4711}
//	{"frontend":"127.0.0.1:7233","ui":"","ui_reason":"...","version":"1.32.1","pid":4711}
//	{"error":{"kind":"locked","message":"...","address":"127.0.0.1:7233","ui":"...","pid":42}}
//
// Kinds of errors: locked, port, version, stale_log, unusable, other.
type readyLine struct {
	file *os.File
	once sync.Once
}

type readyMessage struct {
	Frontend string      `json:"frontend"`
	UI       string      `json:"ui"`
	UIReason string      `json:"ui_reason,omitempty"`
	Version  string      `json:"version"`
	Pid      int         `json:"pid"`
	Error    *startError `json:"error,omitempty"`
}

type startError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	// Of the process that holds the database, for kind locked.
	Address string `json:"address,omitempty"`
	UI      string `json:"ui,omitempty"`
	Pid     int    `json:"pid,omitempty"`
}

// newReadyLine takes the descriptor over; a negative one means nobody asks.
func newReadyLine(fd int) (*readyLine, error) {
	f, err := inherited(fd, "ready-fd")
	return &readyLine{file: f}, err
}

func (r *readyLine) serving(frontend, ui, reason string) error {
	return r.write(readyMessage{Frontend: frontend, UI: ui, UIReason: reason, Version: server.Version, Pid: os.Getpid()})
}

// failed reports why there will be no server. It does nothing after serving,
// or when err is nil.
func (r *readyLine) failed(err error) error {
	if err == nil {
		return nil
	}
	_ = r.write(readyMessage{Version: server.Version, Pid: os.Getpid(), Error: describe(err)})
	return nil
}

func (r *readyLine) write(m readyMessage) (err error) {
	if r.file == nil {
		return nil
	}
	r.once.Do(func() {
		raw, jerr := json.Marshal(m)
		if jerr != nil {
			err = jerr
			return
		}
		_, werr := r.file.Write(append(raw, '\n'))
		err = errors.Join(werr, r.file.Close())
	})
	return err
}

func describe(err error) *startError {
	out := &startError{Kind: "other", Message: err.Error()}
	var (
		locked   *database.LockedError
		version  *database.VersionError
		stale    *database.StaleLogError
		port     *server.PortError
		unusable *server.UnusableError
	)
	switch {
	case errors.As(err, &locked):
		out.Kind, out.Address, out.UI, out.Pid = "locked", locked.Address, locked.UI, locked.Pid
	case errors.As(err, &version):
		out.Kind = "version"
	case errors.As(err, &stale):
		out.Kind = "stale_log"
	case errors.As(err, &port):
		out.Kind = "port"
	case errors.As(err, &unusable):
		out.Kind = "unusable"
	}
	return out
}

// inherited opens a descriptor that the parent passed; nil for a negative one.
func inherited(fd int, flag string) (*os.File, error) {
	if fd < 0 {
		return nil, nil
	}
	f := os.NewFile(uintptr(fd), flag)
	if f == nil {
		return nil, fmt.Errorf("--%s %d is not a descriptor", flag, fd)
	}
	if _, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("--%s %d was not passed by the parent: %w", flag, fd, err)
	}
	return f, nil
}
