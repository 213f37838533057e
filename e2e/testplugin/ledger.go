package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/orch-host/orch/sdk"
)

// entry is the input of ledger_write.
type entry struct {
	Name   string `json:"name"`
	Millis int    `json:"ms,omitempty"` // how long it takes, half before the line is written and half after
}

// ledger is an activity with a side effect: a line of the ledger, with the
// activity's idempotency key. An attempt that finds the line of an earlier one
// writes none.
func ledger(ctx context.Context, in entry) (string, error) {
	if err := pause(ctx, in.Millis/2); err != nil {
		return "", err
	}
	f, err := os.OpenFile(os.Getenv("E2E_LEDGER"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { // closing the file ends it
		return "", err
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		return "", err
	}
	key := sdk.GetInfo(ctx).IdempotencyKey
	if !strings.Contains(string(text), key+" ") {
		if _, err := fmt.Fprintf(f, "%s %s %s\n", key, os.Getenv("E2E_HOST"), in.Name); err != nil {
			return "", err
		}
	}
	f.Close()
	if err := pause(ctx, in.Millis/2); err != nil {
		return "", err
	}
	return in.Name + " on " + os.Getenv("E2E_HOST"), nil
}

func pause(ctx context.Context, millis int) error {
	select {
	case <-time.After(time.Duration(millis) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
