package connection

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// answerTimeout bounds one call that brings an attempt's answer.
	answerTimeout = 10 * time.Second
	// answerWait and answerWaitMax are the first and the longest wait before an
	// answer that did not arrive is sent again.
	answerWait    = 250 * time.Millisecond
	answerWaitMax = 2 * time.Second
)

// leases know for how long the attempts that were taken from the server are
// still this host's: until the server has not heard from it for their heartbeat
// timeout, or their time is over. It gives them to somebody else then.
//
// They stand between the SDK and the wire because the SDK takes a heartbeat that
// fails within one call's time, a second, for the end of the attempt and cancels
// it, while the server goes on to count on it; and because it tries to deliver
// the answer of an attempt for ten seconds only. With leases an attempt goes on
// for as long as the server would wait, and so does its answer.
type leases struct {
	mu   sync.Mutex
	held map[string]*lease // by task token
}

// lease is that of one attempt.
type lease struct {
	heard     time.Time     // when the last call was sent that the server has answered
	heartbeat time.Duration // 0: the server expects none
	deadline  time.Time     // when the attempt's time is over; zero: never
}

func newLeases() *leases { return &leases{held: map[string]*lease{}} }

// end is when the server gives the attempt up; zero: never.
func (l *lease) end() time.Time {
	if l.heartbeat == 0 {
		return l.deadline
	}
	end := l.heard.Add(l.heartbeat)
	if !l.deadline.IsZero() && l.deadline.Before(end) {
		return l.deadline
	}
	return end
}

// heartbeatEnd is when the server's patience with an attempt's silence ends; ok
// is false when it expects no heartbeats, or the attempt is not known.
func (l *leases) heartbeatEnd(token []byte) (end time.Time, timeout time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[string(token)]
	if held == nil || held.heartbeat == 0 {
		return time.Time{}, 0, false
	}
	return held.heard.Add(held.heartbeat), held.heartbeat, true
}

// intercept is a grpc.UnaryClientInterceptor.
func (l *leases) intercept(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	call := func(ctx context.Context) error { return invoke(ctx, method, request, reply, cc, o...) }
	switch r := request.(type) {
	case *workflowservice.RecordActivityTaskHeartbeatRequest:
		return l.beat(ctx, r.GetTaskToken(), call)
	case *workflowservice.RespondActivityTaskCompletedRequest:
		return l.answer(ctx, r.GetTaskToken(), call)
	case *workflowservice.RespondActivityTaskFailedRequest:
		return l.answer(ctx, r.GetTaskToken(), call)
	case *workflowservice.RespondActivityTaskCanceledRequest:
		return l.answer(ctx, r.GetTaskToken(), call)
	}
	err := call(ctx)
	if err != nil {
		return err
	}
	switch r := reply.(type) {
	case *workflowservice.PollActivityTaskQueueResponse:
		l.take(r)
	case *workflowservice.RespondWorkflowTaskCompletedResponse:
		for _, task := range r.GetActivityTasks() { // those that this worker gets without a poll
			l.take(task)
		}
	}
	return nil
}

// take notes an attempt that the server has given to this host.
func (l *leases) take(task *workflowservice.PollActivityTaskQueueResponse) {
	if len(task.GetTaskToken()) == 0 {
		return // the poll brought nothing
	}
	held := &lease{heard: time.Now(), heartbeat: task.GetHeartbeatTimeout().AsDuration()}
	if timeout := task.GetStartToCloseTimeout().AsDuration(); timeout > 0 {
		held.deadline = held.heard.Add(timeout)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[string(task.GetTaskToken())] = held
}

// beat sends a heartbeat. One that does not arrive is no error as long as a later
// one may.
func (l *leases) beat(ctx context.Context, token []byte, call func(context.Context) error) error {
	sent := time.Now()
	err := call(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[string(token)]
	switch {
	case held == nil:
		return err
	case err == nil:
		held.heard = sent
		return nil
	case passing(err):
		return nil // whoever runs the attempt looks at the lease
	}
	return err
}

// answer sends how an attempt ended, again and again while the server may still
// be waiting for it.
func (l *leases) answer(ctx context.Context, token []byte, call func(context.Context) error) error {
	l.mu.Lock()
	held := l.held[string(token)]
	delete(l.held, string(token))
	l.mu.Unlock()
	err := call(ctx)
	if held == nil {
		return err
	}
	end := held.end()
	for wait := answerWait; passing(err) && time.Until(end) > wait; wait = min(2*wait, answerWaitMax) {
		time.Sleep(wait)
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
		err = call(once)
		cancel()
	}
	return err
}

// passing tells the errors of a server that cannot be reached, or cannot work,
// from what it has decided.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Internal, codes.Unknown:
		return true
	}
	return false
}
