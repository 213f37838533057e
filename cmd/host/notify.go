package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/orch-host/orch/hostcore"
)

// notify tells systemd, when it is there, that the host serves, and from then on
// that it is alive, until ctx ends. The watchdog's sign of life asks every part
// for its state first: a host that hangs gives none and is restarted.
func notify(ctx context.Context, h *hostcore.Host, log *slog.Logger) {
	tell := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("systemd cannot be notified", "state", state, "error", err)
		}
	}
	tell(daemon.SdNotifyReady)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of systemd is not served", "error", err)
	}
	if every <= 0 {
		<-ctx.Done()
		tell(daemon.SdNotifyStopping)
		return
	}
	t := time.NewTicker(every / 3)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = h.Ready() // it may say no: that is for people, a restart would not help
			tell(daemon.SdNotifyWatchdog)
		case <-ctx.Done():
			tell(daemon.SdNotifyStopping)
			return
		}
	}
}
