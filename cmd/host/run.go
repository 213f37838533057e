package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore"
	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/hostcore/workflows"
)

type runOptions struct {
	params params
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [SERVICE]",
		Short: "Run the host in the foreground; with a service, start it and leave with its verdict",
		Long: `run starts the host and serves until it is interrupted. With a SERVICE it also
starts that service, shows its steps as they happen, and exits with 0 when its
workflow succeeded and 1 when it did not. What the service set up stays.`,
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, given []string) error {
			name := ""
			if len(given) > 0 {
				name = given[0]
			}
			return a.runHost(c.Context(), name, o)
		},
	}
	o.params.bind(c)
	return c
}

// runHost runs the host until ctx ends or, with a service, until that has its
// verdict.
func (a *app) runHost(ctx context.Context, name string, o runOptions) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	given, err := o.params.read()
	if err != nil {
		return err
	}
	if name != "" {
		if _, ok := cfg.Services[name]; !ok {
			return &executor.UnknownServiceError{Name: name, Known: cfg.Services}
		}
	}
	log, closeLog, err := a.runLogger(cfg, name != "")
	if err != nil {
		return err
	}
	defer closeLog()
	h, err := hostcore.Start(ctx, hostcore.Options{Config: cfg, Logger: log, Version: version})
	if err != nil {
		return err
	}
	defer h.Stop()
	a.announce(h, name)
	if name == "" {
		notify(ctx, h, log)
		log.Info("stopping: running activities may finish", "grace", cfg.Host.StopGrace.String())
		return nil
	}
	if err := unserved(cfg.Services[name], h.Plugins()); err != nil {
		return err
	}
	return a.startAll(ctx, h.Executor(), name, executor.StartOptions{Params: given, SkipPolled: true})
}

// unserved says why a service that is run once would wait for ever: a plugin
// that its workflow needs has not come up. A host that stays would be told by
// its log, and its plugins may yet be mended.
func unserved(s config.Service, plugins []supervisor.Status) error {
	at := slices.IndexFunc(workflows.All(), func(d workflows.Definition) bool { return d.Name == s.Workflow })
	if at < 0 {
		return nil // a declared pipeline names what it misses itself
	}
	for _, activity := range workflows.All()[at].Activities {
		var broken *supervisor.Status
		for i, p := range plugins {
			if !slices.Contains(p.Activities, activity) {
				continue
			}
			if p.State == supervisor.Ready || p.State == supervisor.Degraded {
				broken = nil
				break
			}
			broken = &plugins[i]
		}
		if broken != nil && broken.Error != "" {
			return fmt.Errorf("service %s needs %s, and plugin %s is %s: %s", s.Name, activity, broken.Name, broken.State, broken.Error)
		}
	}
	return nil
}

// runLogger logs to stderr, or to a file in the state folder when the terminal
// shows a service's steps.
func (a *app) runLogger(cfg *config.Config, steps bool) (*slog.Logger, func(), error) {
	if !steps {
		return logger(cfg.Host, os.Stderr), func() {}, nil
	}
	if err := os.MkdirAll(cfg.Host.StateDir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the state folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(cfg.Host.StateDir, "host.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log file: %w", err)
	}
	return logger(cfg.Host, f), func() { _ = f.Close() }, nil // the last lines are written; there is nobody to tell
}

// announce says what runs and what does not.
func (a *app) announce(h *hostcore.Host, name string) {
	if a.json {
		return
	}
	i := h.Info()
	fmt.Fprintf(os.Stderr, "orch %s  Temporal %s (%s)", i.Version, i.Temporal.Address, i.Temporal.Mode)
	if i.Temporal.WebUI != "" {
		fmt.Fprintf(os.Stderr, "  Web UI %s", i.Temporal.WebUI)
	}
	if i.Listen != "" {
		scheme := "http"
		if i.TLS {
			scheme = "https"
		}
		fmt.Fprintf(os.Stderr, "  health %s://%s/readyz", scheme, i.Listen)
	}
	fmt.Fprintln(os.Stderr)
	var serving []string
	for _, p := range h.Plugins() {
		if p.State == supervisor.Ready || p.State == supervisor.Degraded {
			serving = append(serving, p.Name+" "+p.Version)
		}
	}
	if len(serving) == 0 {
		fmt.Fprintf(os.Stderr, "plugins: none is ready; copy some into %s\n", i.PluginDir)
	} else {
		fmt.Fprintf(os.Stderr, "plugins: %s\n", strings.Join(serving, ", "))
	}
	for _, problem := range h.Ready().Problems {
		fmt.Fprintf(os.Stderr, "! %s\n", problem)
	}
	if name == "" {
		fmt.Fprintf(os.Stderr, "services: host services lists them, host start SERVICE --wait starts one; Ctrl-C stops the host\n")
	}
}

// startAll starts a service and, when it has succeeded, those that its "then"
// names, one after the other, each with what its own "then" names. The
// configuration has no circles.
func (a *app) startAll(ctx context.Context, e *executor.Executor, name string, o executor.StartOptions) error {
	s, err := e.Service(name)
	if err != nil {
		return err
	}
	if s.WorkflowType() != "" {
		if err := a.startAndWatch(ctx, e, name, o); err != nil {
			return err
		}
	} else if len(o.Params) > 0 {
		return &usageError{fmt.Errorf("service %s has no workflow of its own that could take parameters; those of %s are in orch.toml", name, strings.Join(s.Then, ", "))}
	}
	for _, next := range s.Then {
		if err := a.startAll(ctx, e, next, executor.StartOptions{SkipPolled: o.SkipPolled}); err != nil {
			return err
		}
	}
	return nil
}

// startAndWatch starts a service and shows it until its verdict. A service that
// is already running is watched instead.
func (a *app) startAndWatch(ctx context.Context, e *executor.Executor, name string, o executor.StartOptions) error {
	run, err := e.Start(ctx, name, o)
	var already *executor.AlreadyRunningError
	if errors.As(err, &already) {
		fmt.Fprintf(os.Stderr, "%s is already running; showing that run\n", name)
		run, err = &already.Run, nil
	}
	if err != nil {
		return err
	}
	show := newSteps(os.Stdout, a.json)
	st, err := e.Watch(ctx, run, show.update)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted; %s goes on when a host runs again: host status %s", run.WorkflowID, name)
		}
		return err
	}
	show.verdict(st)
	if st.Failed() {
		return &shownError{exitFailed}
	}
	return nil
}

func (a *app) startCommand() *cobra.Command {
	var p params
	var wait bool
	c := &cobra.Command{
		Use:               "start SERVICE",
		Short:             "Start a service",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, given []string) error {
			values, err := p.read()
			if err != nil {
				return err
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if s, ok := cfg.Services[given[0]]; ok && s.WorkflowType() == "" && !wait {
				return &usageError{fmt.Errorf("service %s has no workflow of its own, it starts %s: use host start --wait %s, or host run %s",
					s.Name, strings.Join(s.Then, ", then "), s.Name, s.Name)}
			}
			cfg, e, done, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer done()
			o := executor.StartOptions{Params: values}
			if wait {
				return a.startAll(c.Context(), e, given[0], o)
			}
			run, err := e.Start(c.Context(), given[0], o)
			if err != nil {
				return err
			}
			if then := cfg.Services[given[0]].Then; len(then) > 0 {
				fmt.Fprintf(os.Stderr, "! %s is not started afterwards: that takes --wait\n", strings.Join(then, ", then "))
			}
			if a.json {
				return writeJSON(os.Stdout, run)
			}
			fmt.Printf("%s started: %s\n%s\nhost status %s shows its steps\n", run.Service, run.WorkflowID, run.WebUI, run.Service)
			return nil
		},
	}
	p.bind(c)
	c.Flags().BoolVarP(&wait, "wait", "w", false, "show the steps and leave with the verdict")
	return c
}

func (a *app) stopCommand() *cobra.Command {
	var o executor.StopOptions
	c := &cobra.Command{
		Use:   "stop SERVICE",
		Short: "Stop a service: cancel it, let it clean up, then run its stop workflow",
		Long: `stop cancels the service's workflow, so that running activities clean up, and
terminates it with the reason "manual stop" when --grace is over. --now terminates
at once. A service with a stop_workflow has that started, and waited for.`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, given []string) error {
			_, e, done, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer done()
			s, err := e.Stop(c.Context(), given[0], o)
			if err != nil {
				return err
			}
			if a.json && s.Cleanup == nil {
				return writeJSON(os.Stdout, s)
			}
			if !a.json {
				fmt.Printf("%s: %s\n", s.Service, s.How)
			}
			if s.Cleanup == nil {
				return nil
			}
			show := newSteps(os.Stdout, a.json)
			st, err := e.Watch(c.Context(), s.Cleanup, show.update)
			if err != nil {
				return err
			}
			show.verdict(st)
			if st.Failed() {
				return &shownError{exitFailed}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&o.Now, "now", false, "terminate at once, without clean-up")
	c.Flags().DurationVar(&o.Grace, "grace", executor.DefaultStopGrace, "how long the cancelled workflow may take to clean up; 0s: not at all")
	return c
}
