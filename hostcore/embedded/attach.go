package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// holderPatience is how long a held database may go without an answer: its
	// holder is on the way up, or down, or hung.
	holderPatience = 30 * time.Second
	holderPause    = 50 * time.Millisecond
)

// awaitFree returns nil when nobody holds the database, *AlreadyRunningError
// when its holder answers, and an error when it stays silent.
func awaitFree(ctx context.Context, db string) error {
	ctx, cancel := context.WithTimeout(ctx, holderPatience)
	defer cancel()
	for {
		held, err := isHeld(db)
		if err != nil || !held {
			return err
		}
		if running := answering(ctx, db); running != nil {
			return running
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start the embedded Temporal server: database %s is held by process %s, which neither answers nor ends: %w; look at it with: ps -fp %s",
				db, holderPid(db), ctx.Err(), holderPid(db))
		case <-time.After(holderPause):
		}
	}
}

// isHeld tries the devserver's lock without keeping it. The devserver tries
// several times for the moment that this takes.
func isHeld(db string) (bool, error) {
	f, err := os.Open(db + ".lock")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look who serves the embedded database: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() != 0 && int(st.Uid) != os.Geteuid() {
			return false, fmt.Errorf("database %s belongs to user id %d; choose another folder with host.state_dir", db, st.Uid)
		}
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look who serves the embedded database: lock %s.lock: %w", db, err)
	}
	return false, nil
}

// answering returns the holder of the database if it serves.
func answering(ctx context.Context, db string) error {
	raw, err := os.ReadFile(db + ".addr")
	if err != nil {
		return nil
	}
	var a struct {
		Frontend string `json:"frontend"`
		UI       string `json:"ui"`
		Pid      int    `json:"pid"`
	}
	if json.Unmarshal(raw, &a) != nil || a.Frontend == "" || strconv.Itoa(a.Pid) != holderPid(db) {
		return nil // of a former holder
	}
	if !healthy(ctx, a.Frontend) {
		return nil
	}
	return &AlreadyRunningError{Address: a.Frontend, UI: a.UI, Pid: a.Pid}
}

func healthy(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return false
	}
	defer conn.Close()
	res, err := grpc_health_v1.NewHealthClient(conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: "temporal.api.workflowservice.v1.WorkflowService"})
	return err == nil && res.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
}

// holderPid is what the holder wrote into the lock file, "?" when nothing.
func holderPid(db string) string {
	raw, err := os.ReadFile(db + ".lock")
	if pid := strings.TrimSpace(string(raw)); err == nil && pid != "" {
		return pid
	}
	return "?"
}
