package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/bench/internal/report"
	"github.com/orch-host/orch/hostcore/router"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// boundary times attempts on their way to the plugin and back, without
// Temporal: what the ratios of compare are made of.
func (g *rig) boundary(ctx context.Context, r *report.Report) error {
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, bytes := range []int{100, 64 << 10, 512 << 10} {
		route, ok := g.router.Await(wait, pluginActivity)
		if !ok {
			return errors.New("the echo plugin is not there")
		}
		took, err := roundTrips(ctx, route, bytes)
		route.Instance.Release()
		if err != nil {
			return err
		}
		slices.Sort(took)
		r.Add(fmt.Sprintf("boundary round trip, %d bytes, p50", bytes), took[len(took)/2], "us", fmt.Sprintf("p99 %.0f us", took[len(took)*99/100]))
	}
	return nil
}

func roundTrips(ctx context.Context, route router.Route, bytes int) ([]float64, error) {
	input := []*pluginv1.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`{"data":"` + strings.Repeat("x", bytes) + `"}`)}}
	var took []float64
	for range 500 {
		began := time.Now()
		_, err := route.Instance.Execute(ctx, ctx, &pluginv1.Start{Activity: pluginActivity, Input: input,
			Info: &pluginv1.Info{HeartbeatTimeout: durationpb.New(30 * time.Second)}},
			func() (pluginv1.Cancel_Reason, time.Duration) { return pluginv1.Cancel_REQUESTED, time.Second }, discard{})
		if err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began).Microseconds()))
		time.Sleep(2 * time.Millisecond) // as between two steps: the processes have gone to sleep
	}
	return took, nil
}

// discard takes an attempt's events and does nothing with them.
type discard struct{}

func (discard) Heartbeat([]*pluginv1.Payload) {}
func (discard) Log(*pluginv1.Log)             {}
func (discard) Progress(*pluginv1.Progress)   {}
