package sdk_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestBytesThatAreNoTextDoNotCostTheVerdict(t *testing.T) {
	tests := []struct {
		name string
		run  func(ctx context.Context) error
	}{
		{"in a failure", func(context.Context) error { return sdk.NonRetryable(sdk.Fail("Bad\xff", "docker said \xff")) }},
		{"in a panic", func(context.Context) error { panic("docker said \xff") }},
		{"in progress", func(ctx context.Context) error {
			sdk.Progress(ctx, "docker said \xff", 1, 2)
			time.Sleep(50 * time.Millisecond) // it is sent by itself, not with the verdict
			return errors.New("docker said no")
		}},
		{"in the name of a log field", func(ctx context.Context) error {
			sdk.Logger(ctx).Info("said", slog.Group("g\xff", "k\xff", 1))
			time.Sleep(50 * time.Millisecond)
			return errors.New("docker said no")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := sdktest.Start(t, plugin(sdk.Activity("bytes", "Says bytes.", func(ctx context.Context, _ struct{}) (string, error) {
				return "", tt.run(ctx)
			})))
			f := h.Execute(sdktest.Call{Activity: "bytes"}).Failure
			if !strings.Contains(f.GetMessage(), "docker said") || !utf8.ValidString(f.GetMessage()+f.GetType()) {
				t.Errorf("got %v", f)
			}
		})
	}
}

func TestAConfigurationIsRefusedInWordsThatAreText(t *testing.T) {
	p := plugin(sdk.Activity("echo", "Echoes.", echo))
	p.Config = sdk.Config(func(_ context.Context, c configTable) error {
		if c.Image != "" {
			return errors.Join(sdk.ConfigProblem("image\xff", "no such file: \xff"), errors.New("\xff"))
		}
		return nil
	})
	h := sdktest.Start(t, p)
	if got := h.Configure(map[string]any{"image": "x"}, t.TempDir()); len(got) != 2 || !strings.Contains(got[0], "no such file") {
		t.Errorf("got %q", got)
	}
}

func TestDetailsThatCannotBeWrittenAreMissedAloud(t *testing.T) {
	h := sdktest.Start(t, plugin(sdk.Activity("fail", "", func(context.Context, struct{}) (string, error) {
		return "", &sdk.Error{Type: "Taken", Message: "taken", Details: map[string]any{"by": make(chan int)}}
	})))
	o := h.Execute(sdktest.Call{Activity: "fail"})
	if o.Failure.GetType() != "Taken" || len(o.Logs) != 1 || !strings.Contains(o.Logs[0].GetMessage(), "details were left out") {
		t.Errorf("got %v, logs %v", o.Failure, o.Logs)
	}
}
