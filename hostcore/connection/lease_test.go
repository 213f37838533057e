package connection

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// wire is a server that answers as the test says.
type wire struct {
	*leases
	err   error
	back  time.Time // when there is no error any more; zero: never
	calls int
	reply proto.Message // of polls
}

func (w *wire) send(ctx context.Context, request any) error {
	reply := proto.Message(&workflowservice.RecordActivityTaskHeartbeatResponse{})
	if w.reply != nil {
		reply = w.reply
	}
	return w.intercept(ctx, "", request, reply, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		w.calls++
		if !w.back.IsZero() && !time.Now().Before(w.back) {
			return nil
		}
		return w.err
	})
}

// taken is a wire over which an attempt was given to this host.
func taken(t *testing.T, heartbeat, startToClose time.Duration) *wire {
	t.Helper()
	w := &wire{leases: newLeases(), reply: &workflowservice.PollActivityTaskQueueResponse{
		TaskToken: []byte("1"), HeartbeatTimeout: durationpb.New(heartbeat), StartToCloseTimeout: durationpb.New(startToClose)}}
	if err := w.send(t.Context(), &workflowservice.PollActivityTaskQueueRequest{}); err != nil {
		t.Fatal(err)
	}
	w.reply, w.calls = nil, 0
	return w
}

var (
	beat     = &workflowservice.RecordActivityTaskHeartbeatRequest{TaskToken: []byte("1")}
	complete = &workflowservice.RespondActivityTaskCompletedRequest{TaskToken: []byte("1")}
	away     = status.Error(codes.Unavailable, "away")
)

func TestALeaseEndsWhenTheServerHasNotHeardForTheHeartbeatTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := taken(t, 30*time.Second, time.Hour)
		left := func() time.Duration {
			end, _, _ := w.heartbeatEnd([]byte("1"))
			return time.Until(end)
		}
		if left() != 30*time.Second {
			t.Errorf("at first: %s", left())
		}
		time.Sleep(10 * time.Second)
		if err := w.send(t.Context(), beat); err != nil || left() != 30*time.Second {
			t.Errorf("after a heartbeat: %v, %s", err, left())
		}
		w.err = away
		time.Sleep(10 * time.Second)
		if err := w.send(t.Context(), beat); err != nil || left() != 20*time.Second {
			t.Errorf("after a heartbeat that did not arrive: %v, %s", err, left())
		}
		w.err = status.Error(codes.NotFound, "timed out")
		if err := w.send(t.Context(), beat); err == nil {
			t.Error("what the server has decided did not reach the SDK")
		}
	})
}

func TestWhatIsNotLeasedIsLeftToTheSDK(t *testing.T) {
	w := &wire{leases: newLeases(), err: away}
	for _, r := range []any{beat, complete, &workflowservice.PollActivityTaskQueueRequest{}} {
		if err := w.send(t.Context(), r); err == nil {
			t.Errorf("%T: no error", r)
		}
	}
	if w.calls != 3 {
		t.Errorf("%d calls", w.calls)
	}
	w.err, w.reply = nil, &workflowservice.PollActivityTaskQueueResponse{} // a poll that brought nothing
	if err := w.send(t.Context(), &workflowservice.PollActivityTaskQueueRequest{}); err != nil || len(w.held) != 0 {
		t.Errorf("%v, %d leases", err, len(w.held))
	}
}

func TestAttemptsThatCameWithAWorkflowTaskAreLeasedToo(t *testing.T) {
	w := &wire{leases: newLeases(), reply: &workflowservice.RespondWorkflowTaskCompletedResponse{
		ActivityTasks: []*workflowservice.PollActivityTaskQueueResponse{{TaskToken: []byte("1"), HeartbeatTimeout: durationpb.New(time.Second)}}}}
	if err := w.send(t.Context(), &workflowservice.RespondWorkflowTaskCompletedRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, timeout, ok := w.heartbeatEnd([]byte("1")); !ok || timeout != time.Second {
		t.Errorf("%s, %v", timeout, ok)
	}
}

func TestAnAnswerIsSentUntilTheServerHasItOrGivesTheAttemptUp(t *testing.T) {
	for name, c := range map[string]struct {
		heartbeat, startToClose, back time.Duration
		arrives                       bool
		within                        time.Duration
	}{
		"the server is back before the lease ends": {30 * time.Second, time.Hour, 20 * time.Second, true, 23 * time.Second},
		"the server comes too late":                {30 * time.Second, time.Hour, time.Minute, false, 31 * time.Second},
		"no heartbeats: until its time is over":    {0, time.Minute, 50 * time.Second, true, 53 * time.Second},
		"its time is over before its lease":        {30 * time.Second, 10 * time.Second, 20 * time.Second, false, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := taken(t, c.heartbeat, c.startToClose)
				began := time.Now()
				w.err, w.back = away, began.Add(c.back)
				err := w.send(t.Context(), complete)
				if took := time.Since(began); (err == nil) != c.arrives || took > c.within {
					t.Errorf("%v after %s, %d calls", err, took, w.calls)
				}
				if len(w.held) != 0 {
					t.Error("the lease is still held")
				}
			})
		})
	}
}

func TestAnAnswerThatTheServerRefusesIsSentOnce(t *testing.T) {
	w := taken(t, 30*time.Second, time.Hour)
	w.err = status.Error(codes.NotFound, "timed out")
	if err := w.send(t.Context(), complete); err == nil || w.calls != 1 {
		t.Errorf("%v, %d calls", err, w.calls)
	}
}
