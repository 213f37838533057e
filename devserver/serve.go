package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/orch-host/orch/devserver/internal/database"
	"github.com/orch-host/orch/devserver/internal/options"
	"github.com/orch-host/orch/devserver/internal/server"
)

// stopLimit ends the process when an orderly stop hangs; SQLite recovers the
// database at the next start.
const stopLimit = 20 * time.Second

// serve runs the server until a signal or the end of the parent, and answers
// on the ready descriptor exactly once.
func serve(opts options.Options, stderr io.Writer) error {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if opts.ParentFD >= 0 {
		if err := watchParent(opts.ParentFD, cancel); err != nil {
			return err
		}
	}
	ready, err := newReadyLine(opts.ReadyFD)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(opts.LogLevel)
	err = hold(ctx, opts, newLog(opts.LogFormat, level, stderr), ready, func() {
		release()                      // a second signal ends the process at once
		level.Set(slog.LevelError + 4) // the services complain about each other's absence
		time.AfterFunc(stopLimit, func() {
			fmt.Fprintf(stderr, "devserver: not stopped after %s, giving up\n", stopLimit)
			os.Exit(exitFailed)
		})
	})
	return errors.Join(err, ready.failed(err))
}

// hold owns the database for the life of the server. stopping is called once
// the stop begins.
func hold(ctx context.Context, opts options.Options, log *slog.Logger, ready *readyLine, stopping func()) (err error) {
	lock, err := database.Acquire(opts.DB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	db, err := database.Open(opts.DB, server.Version)
	if err != nil {
		return err
	}
	if db.Suspect() {
		log.Info("the last server on this database did not stop in order; its queues are read again", "db", db.Path())
	}
	stopped := sync.OnceFunc(stopping)
	srv, err := server.Start(ctx, db, server.Options{
		IP: opts.IP, Port: opts.Port, UIPort: opts.UIPort,
		Namespaces: opts.Namespaces, Retention: opts.Retention, SearchAttributes: opts.SearchAttributes,
		Logger: log, Stopping: stopped,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while starting
		}
		return err
	}
	ui, reason := srv.UI()
	if err := database.Publish(db.Path(), database.Address{Frontend: srv.Address(), UI: ui, Pid: os.Getpid()}); err != nil {
		return errors.Join(err, srv.Stop())
	}
	if err := ready.serving(srv.Address(), ui, reason); err != nil {
		log.Warn("nobody reads the ready line", "error", err)
	}
	log.Info("serving", "frontend", srv.Address(), "ui", ui, "db", db.Path())
	<-ctx.Done()
	stopped()
	database.Retract(db.Path())
	if err := srv.Stop(); err != nil {
		return fmt.Errorf("stop the Temporal server: %w", err)
	}
	return db.Close()
}

func newLog(format string, level slog.Leveler, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
