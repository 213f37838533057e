package roster

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/embedded/embeddedtest"
)

var server embeddedtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	server.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code)
}

func decode(p *commonpb.Payload, into any) error {
	return converter.GetDefaultDataConverter().FromPayload(p, into)
}

// onServer is the roster of a real server, empty.
func onServer(t *testing.T) Roster {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: server.Address(t, "../../bin/devserver"), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	r := Roster{Client: c, Namespace: "default", Decode: decode}
	t.Cleanup(func() {
		for _, e := range r.names(t) {
			_ = r.Forget(context.Background(), e)
		}
		c.Close()
	})
	return r
}

func (r Roster) names(t *testing.T) []string {
	t.Helper()
	all, err := r.List(context.Background())
	if err != nil {
		t.Error(err)
	}
	names := []string{}
	for _, e := range all {
		names = append(names, e.Name)
	}
	return names
}

// eventually waits for the server's index, which follows shortly after.
func eventually(t *testing.T, within time.Duration, r Roster, want ...string) {
	t.Helper()
	var diff string
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if diff = cmp.Diff(want, r.names(t), cmpopts.EquateEmpty()); diff == "" {
			return
		}
	}
	t.Errorf("the list of hosts: %s", diff)
}

func TestHostsEnterRenewAndAreForgotten(t *testing.T) {
	r := onServer(t)
	a := Entry{Name: "a", Labels: []string{"gpu"}, Queues: []string{"x-queue"}, Version: "1"}
	for _, e := range []Entry{a, {Name: "b", Version: "1"}, {Name: "a", Labels: []string{"gpu"}, Queues: []string{"x-queue", "y-queue"}, Version: "2"}} {
		if err := r.Enter(t.Context(), e, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, r, "a", "b")
	all, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Entry{Name: "a", Labels: []string{"gpu"}, Queues: []string{"x-queue", "y-queue"}, Version: "2"}
	if diff := cmp.Diff(want, all[0], cmpopts.IgnoreFields(Entry{}, "Seen")); diff != "" || time.Since(all[0].Seen).Abs() > time.Minute {
		t.Errorf("%s, seen %s", diff, all[0].Seen)
	}
	if err := r.Forget(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, r, "a")
	var unknown *UnknownError
	if err := r.Forget(t.Context(), "c"); !errors.As(err, &unknown) {
		t.Errorf("a host that was never there: %v", err)
	}
}

func TestAnEntryThatIsNotRenewedRunsOutAndNobodyHasToRunIt(t *testing.T) {
	r := onServer(t)
	if err := r.Enter(t.Context(), Entry{Name: "gone"}, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := r.Enter(t.Context(), Entry{Name: "here"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	eventually(t, 15*time.Second, r, "here")
	d, err := r.Client.DescribeWorkflowExecution(t.Context(), idPrefix+"gone", "")
	if err != nil {
		t.Fatal(err)
	}
	took := d.GetWorkflowExecutionInfo().GetCloseTime().AsTime().Sub(d.GetWorkflowExecutionInfo().GetStartTime().AsTime())
	if n := d.GetWorkflowExecutionInfo().GetHistoryLength(); n != 2 || took < time.Second || took > 5*time.Second {
		t.Errorf("it ended after %s with %d events, want its start and its end after 2 s", took, n)
	}
}

// counter is a client whose starts fail at first.
type counter struct {
	client.Client
	fails atomic.Int32
	calls atomic.Int32
}

func (c *counter) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	c.calls.Add(1)
	if c.fails.Add(-1) >= 0 {
		return nil, errors.New("away")
	}
	return nil, nil
}

func TestAnEntryIsKeptAndAFailedRenewalIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		c.fails.Store(2)
		ctx, stop := context.WithCancel(t.Context())
		var told []error
		done := make(chan struct{})
		go func() {
			Roster{Client: c}.Keep(ctx, Entry{Name: "a"}, 24*time.Hour, nil, func(err error) { told = append(told, err) })
			close(done)
		}()
		time.Sleep(6*time.Hour + 2*retryEvery + time.Second)
		if n := c.calls.Load(); n != 3 {
			t.Errorf("%d tries at first, want two that fail and one that does not", n)
		}
		time.Sleep(6 * time.Hour)
		stop()
		<-done
		if len(told) != 4 || told[0] == nil || told[1] == nil || told[2] != nil || told[3] != nil {
			t.Errorf("told %v", told)
		}
	})
}
