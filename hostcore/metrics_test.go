package hostcore

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/hostcore/supervisor"
)

// refusing is a plugin folder of files that cannot be asked for their names.
type refusing []supervisor.Refusal

func (r refusing) Find(context.Context) ([]plugin.Binary, []supervisor.Refusal) { return nil, r }

func TestFilesThatFailedToStartDoNotSpoilTheMetrics(t *testing.T) {
	failed := func(path string) supervisor.Refusal {
		return supervisor.Refusal{Path: path, Err: errors.New("exec format error"), Until: time.Now().Add(time.Hour)}
	}
	quarantined := failed("/plugins/c")
	quarantined.Quarantined = true
	h := &Host{supervisor: supervisor.New(supervisor.Options{
		Finder: refusing{failed("/plugins/a"), failed("/plugins/b"), quarantined},
		Router: router.New(), Logger: slog.New(slog.DiscardHandler), Group: func(string) supervisor.Group { return supervisor.Group{} },
	})}
	defer h.supervisor.Stop()
	h.supervisor.Start(t.Context())
	if n := len(h.supervisor.List()); n != 3 {
		t.Fatalf("%d files are listed", n)
	}
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(&collector{h: h}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Gather(); err != nil {
		t.Errorf("the metrics cannot be read: %v", err)
	}
}
