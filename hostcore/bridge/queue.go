package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
)

const (
	// defaultConcurrency is how many attempts a queue runs at once when the
	// service sets no limit.
	defaultConcurrency = 200
	// lostAfter is how long a needed plugin may be away (a restart) before the
	// polls that are under way are taken back too.
	lostAfter = 3 * time.Second
	// heartbeatThrottle is how often heartbeats, and with them cancellations,
	// travel to and from the server.
	heartbeatThrottle = time.Second
	// stopMoment is what a worker takes to end when nothing runs in it, and to ask
	// what does run to give up.
	stopMoment = 500 * time.Millisecond
	// noStopTimeout keeps the SDK from cancelling what still runs in a worker that
	// another one has replaced; Queue.Stop has a bound of its own.
	noStopTimeout = 30 * 24 * time.Hour
)

// QueueOptions describe the worker of one task queue.
type QueueOptions struct {
	Service        string
	TaskQueue      string
	Client         client.Client // of the queue's namespace
	MaxConcurrency int           // attempts at once; 0: 200
	// Register puts the workflows on the worker. Nil: the queue has activities only.
	Register func(worker.Registry)
	// Identity tells people, and other hosts, who polls. Default: the SDK's.
	Identity string
	// Interceptors are added to those of the client.
	Interceptors []interceptor.WorkerInterceptor
	// Missing lists what must be there before activities are polled, by name; it
	// is asked again whenever the routes change. Nil: nothing is needed.
	Missing func() []string
	// Limits are those of the plugins that the queue needs; nothing is polled
	// while one of them has no seat left. Nil: none.
	Limits      func() []Limit
	StopTimeout time.Duration // how long running attempts may finish on Stop; zero: they are cancelled at once
}

// Queue polls one task queue.
type Queue struct {
	b        *Bridge
	o        QueueOptions
	stop     context.CancelFunc
	stopping <-chan struct{} // closed by stop
	done     chan struct{}

	mu    sync.Mutex
	fault error
}

// Open starts polling a task queue. It returns when the first worker has
// started; later faults of the worker are met with a new one.
func (b *Bridge) Open(ctx context.Context, o QueueOptions) (*Queue, error) {
	if o.MaxConcurrency <= 0 {
		o.MaxConcurrency = defaultConcurrency
	}
	q := &Queue{b: b, o: o, done: make(chan struct{})}
	ctx, q.stop = context.WithCancel(ctx)
	q.stopping = ctx.Done()
	w, err := q.start()
	if err != nil {
		q.stop()
		return nil, fmt.Errorf("poll task queue %s: %w", o.TaskQueue, err)
	}
	go q.run(ctx, w)
	return q, nil
}

// polling is one started worker.
type polling struct {
	worker.Worker
	gate  *gate
	fatal chan error
}

func (q *Queue) start() (*polling, error) {
	p := &polling{gate: newGate(q.o.MaxConcurrency, q.b.o.Seats, q.o.Limits), fatal: make(chan error, 1)}
	tuner, err := q.tuner(p.gate)
	if err != nil {
		return nil, err
	}
	p.Worker = worker.New(q.o.Client, q.o.TaskQueue, worker.Options{
		Tuner:                            tuner,
		WorkerStopTimeout:                noStopTimeout,
		Identity:                         q.o.Identity,
		Interceptors:                     q.o.Interceptors,
		DisableWorkflowWorker:            q.o.Register == nil,
		MaxHeartbeatThrottleInterval:     heartbeatThrottle,
		DefaultHeartbeatThrottleInterval: heartbeatThrottle,
		DeadlockDetectionTimeout:         5 * time.Second,
		OnFatalError: func(err error) {
			select {
			case p.fatal <- err:
			default:
			}
		},
	})
	if q.o.Register != nil {
		q.o.Register(p.Worker)
	}
	p.RegisterDynamicActivity(q.b.handler(q.o.Service, q.stopping, max(0, q.o.StopTimeout-q.b.o.Grace)), activity.DynamicRegisterOptions{})
	p.gate.set(q.ready())
	if err := p.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

func (q *Queue) tuner(g *gate) (worker.WorkerTuner, error) {
	fixed, err := worker.NewFixedSizeSlotSupplier(1000)
	if err != nil {
		return nil, err
	}
	return worker.NewCompositeTuner(worker.CompositeTunerOptions{
		WorkflowSlotSupplier: fixed, ActivitySlotSupplier: g, LocalActivitySlotSupplier: fixed,
		NexusSlotSupplier: fixed, SessionActivitySlotSupplier: fixed,
	})
}

func (q *Queue) ready() bool { return len(q.Missing()) == 0 }

// Missing is what keeps the queue from polling activities.
func (q *Queue) Missing() []string {
	if q.o.Missing == nil {
		return nil
	}
	return q.o.Missing()
}

// run keeps the gate at what the router says and replaces the worker when a
// needed plugin stays away or the worker has failed.
func (q *Queue) run(ctx context.Context, p *polling) {
	defer close(q.done)
	var stopping sync.WaitGroup
	defer func() { q.await(&stopping) }()
	lost := time.NewTimer(lostAfter)
	lost.Stop()
	open := q.ready()
	for {
		changed := q.b.o.Router.Changed()
		now := q.ready()
		p.gate.set(now) // also when it is what it was: the routes may have changed while the worker started
		if now != open {
			open = now
			if open {
				lost.Stop()
			} else {
				lost.Reset(lostAfter)
			}
		}
		var reason error
		select {
		case <-ctx.Done():
			stopping.Go(p.Stop)
			return
		case <-changed:
			continue
		case <-lost.C:
			if q.ready() {
				continue
			}
		case reason = <-p.fatal:
			q.b.o.Logger.Error("the worker of a task queue failed and is replaced", "service", q.o.Service, "task_queue", q.o.TaskQueue, "error", reason)
		}
		old := p
		stopping.Go(old.Stop) // ends its polls at once and waits for what runs
		next, ok := q.replace(ctx)
		if !ok {
			return
		}
		p = next
	}
}

// await waits for workers that stop, but not longer than attempts may finish:
// what is left then, such as an answer that Temporal does not take, is given up.
func (q *Queue) await(stopping *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		stopping.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(max(q.o.StopTimeout, stopMoment)):
		q.b.o.Logger.Warn("a task queue was left with work that had not ended", "service", q.o.Service, "task_queue", q.o.TaskQueue, "after", q.o.StopTimeout.String())
	}
}

// replace starts a new worker, trying until it works or ctx ends.
func (q *Queue) replace(ctx context.Context) (*polling, bool) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		p, err := q.start()
		q.mu.Lock()
		q.fault = err
		q.mu.Unlock()
		if err == nil {
			return p, true
		}
		q.b.o.Logger.Log(ctx, slog.LevelWarn, "a task queue cannot be polled; trying again", "service", q.o.Service, "task_queue", q.o.TaskQueue, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, false
		}
	}
}

// Fault is why the queue is not polled now; nil when it is.
func (q *Queue) Fault() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fault
}

// Stop ends polling, lets running attempts finish and returns.
func (q *Queue) Stop() {
	q.stop()
	<-q.done
}
