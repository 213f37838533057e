package embedded

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// Server is the supervised devserver. Its methods are safe for concurrent use.
type Server struct {
	sup  *supervisor
	stop sync.Once
}

// Start starts the devserver and returns when it serves. ctx bounds the start
// alone; the server lives until Stop, or until it cannot be kept alive.
//
// Errors to decide by: *AlreadyRunningError (use that server), *BinaryError,
// *StartError.
func Start(ctx context.Context, opts Options) (*Server, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	first, err := launchOrAttach(ctx, opts)
	if err != nil {
		return nil, err
	}
	s := &supervisor{
		launch: func(ctx context.Context) (process, error) { return launchOrAttach(ctx, opts) },
		policy: opts.Restart,
		events: opts.Events,
		log:    opts.Logger,
	}
	opts.Logger.Info("embedded Temporal server serves", readyAttrs(first)...)
	s.begin(first)
	return &Server{sup: s}, nil
}

// launchOrAttach starts a child once the database is free. Two hosts that
// start at once see a free database both; the loser looks again.
func launchOrAttach(ctx context.Context, opts Options) (process, error) {
	for {
		if err := awaitFree(ctx, opts.database()); err != nil {
			return nil, err
		}
		c, err := launch(ctx, opts)
		if err == nil {
			return c, nil
		}
		var start *StartError
		if !errors.As(err, &start) || start.Kind != KindLocked {
			return nil, err
		}
	}
}

// Address is the frontend, host:port. It stays the same over restarts.
func (s *Server) Address() string { return s.sup.current().Ready().Frontend }

// WebUI is the URL of the Web UI, or empty when there is none; see
// WebUIProblem for the reason.
func (s *Server) WebUI() string { return s.sup.current().Ready().UI }

// WebUIProblem says why WebUI is empty.
func (s *Server) WebUIProblem() string { return s.sup.current().Ready().UIReason }

// Version is the Temporal server's version.
func (s *Server) Version() string { return s.sup.current().Ready().Version }

// Pid is the child that serves, or served last.
func (s *Server) Pid() int { return s.sup.current().Pid() }

// Done is closed when the server is gone for good: after Stop, or when it died
// too often to be started again.
func (s *Server) Done() <-chan struct{} { return s.sup.done }

// Err says, after Done, why the server is gone; nil after a Stop.
func (s *Server) Err() error {
	select {
	case <-s.sup.done:
		return s.sup.err
	default:
		return nil
	}
}

// Stop ends the server and waits for it. When ctx ends first the child is
// killed, and the context's error returned; workflows go on at the next start.
// Further calls wait for the first.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() { s.sup.stop(ctx) })
	select {
	case <-s.sup.done:
		return s.sup.stopErr
	case <-ctx.Done():
		<-s.sup.done // a kill follows the same context
		return s.sup.stopErr
	}
}

func readyAttrs(p process) []any {
	r := p.Ready()
	attrs := []any{slog.String("address", r.Frontend), slog.Int("pid", p.Pid()), slog.String("version", r.Version)}
	if r.UI != "" {
		return append(attrs, slog.String("web_ui", r.UI))
	}
	return append(attrs, slog.String("no_web_ui", r.UIReason))
}
