package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

func (a *app) pluginRun() *cobra.Command {
	var r pluginRunner
	var input string
	c := &cobra.Command{
		Use:   "run BINARY ACTIVITY",
		Short: "Run one activity of a plugin binary, without a host and without Temporal",
		Long: `run starts the binary, configures it with the [plugins.<group>.config] table of
orch.toml (or --settings), runs one attempt of the activity, and prints its result
as JSON. Logs and progress go to stderr. Ctrl-C cancels the attempt, which may
clean up for --grace. Nothing is retried and nothing is kept.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, given []string) error {
			var err error
			if r.input, err = readInput(input); err != nil {
				return err
			}
			return r.run(c.Context(), a, given[0], given[1])
		},
	}
	c.Flags().StringVarP(&input, "input", "i", "", "the activity's input: JSON, a file that holds it, or - for stdin")
	c.Flags().StringVar(&r.settings, "settings", "", "YAML or JSON file with the plugin's configuration table")
	c.Flags().DurationVar(&r.timeout, "timeout", 5*time.Minute, "limit of the attempt")
	c.Flags().DurationVar(&r.grace, "grace", 10*time.Second, "how long a cancelled attempt may clean up")
	return c
}

// pluginRunner is one run of one activity.
type pluginRunner struct {
	input    json.RawMessage
	settings string
	timeout  time.Duration
	grace    time.Duration
}

// ranActivity is the outcome as --json prints it.
type ranActivity struct {
	Plugin   string          `json:"plugin"`
	Version  string          `json:"version"`
	Activity string          `json:"activity"`
	TookMS   int64           `json:"took_ms"`
	Result   json.RawMessage `json:"result,omitempty"`
	Failure  *ranFailure     `json:"failure,omitempty"`
}

type ranFailure struct {
	Type         string `json:"type"`
	Message      string `json:"message"`
	NonRetryable bool   `json:"non_retryable"`
	Canceled     bool   `json:"canceled,omitempty"`
	Stack        string `json:"stack,omitempty"`
}

func (r *pluginRunner) run(ctx context.Context, a *app, binary, activity string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	i, dir, done, err := openBinary(ctx, binary, log)
	if err != nil {
		return err
	}
	defer done()
	if err := offers(i.Manifest, activity); err != nil {
		return err
	}
	table, level, err := a.settingsFor(i.Manifest.GetGroup(), r.settings)
	if err != nil {
		return err
	}
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return fmt.Errorf("make a state folder for the plugin: %w", err)
	}
	if err := i.Configure(ctx, table, level, state); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := i.AwaitReady(ready); err != nil {
		return err
	}
	return r.attempt(ctx, a, i, activity)
}

// offers refuses an activity that the plugin does not have, before anything
// runs.
func offers(m *pluginv1.Manifest, activity string) error {
	var names []string
	for _, s := range m.GetActivities() {
		if s.GetName() == activity {
			return nil
		}
		names = append(names, s.GetName())
	}
	return &usageError{fmt.Errorf("plugin %s %s has no activity %q; it offers: %s", m.GetName(), m.GetVersion(), activity, strings.Join(names, ", "))}
}

func (r *pluginRunner) attempt(ctx context.Context, a *app, i *plugin.Instance, activity string) error {
	start := &pluginv1.Start{
		Activity: activity, IdempotencyKey: "run/1",
		Info: &pluginv1.Info{WorkflowId: "host-plugin-run", RunId: "run", ActivityId: "1", Attempt: 1,
			Remaining: durationpb.New(r.timeout), HeartbeatTimeout: durationpb.New(30 * time.Second)},
	}
	if r.input != nil {
		start.Input = []*pluginv1.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: r.input}}
	}
	hard, cut := context.WithTimeout(context.Background(), r.timeout+r.grace)
	defer cut()
	soft, stop := context.WithTimeout(ctx, r.timeout)
	defer stop()
	why := func() (pluginv1.Cancel_Reason, time.Duration) {
		if ctx.Err() != nil {
			return pluginv1.Cancel_REQUESTED, r.grace
		}
		return pluginv1.Cancel_TIMEOUT, r.grace
	}
	began := time.Now()
	result, err := i.Execute(hard, soft, start, why, &shownEvents{w: os.Stderr})
	out := ranActivity{Plugin: i.Manifest.GetName(), Version: i.Manifest.GetVersion(), Activity: activity, TookMS: time.Since(began).Milliseconds()}
	var failure *plugin.FailureError
	switch {
	case errors.As(err, &failure):
		out.Failure = &ranFailure{Type: failure.GetType(), Message: failure.GetMessage(), NonRetryable: failure.GetNonRetryable(),
			Canceled: failure.GetCanceled(), Stack: failure.GetStack()}
	case err != nil:
		return err
	default:
		if out.Result, err = shownResult(result); err != nil {
			return err
		}
	}
	return r.show(a, out)
}

// show prints the outcome and makes the exit code.
func (r *pluginRunner) show(a *app, out ranActivity) error {
	switch {
	case a.json:
		if err := writeJSON(os.Stdout, out); err != nil {
			return err
		}
	case out.Failure == nil:
		return writeJSON(os.Stdout, out.Result)
	default:
		retry := "may be retried"
		if out.Failure.NonRetryable {
			retry = "is final"
		}
		fmt.Fprintf(os.Stderr, "✗ %s failed with %s (%s): %s\n", out.Activity, out.Failure.Type, retry, out.Failure.Message)
		if out.Failure.Stack != "" {
			fmt.Fprintln(os.Stderr, out.Failure.Stack)
		}
	}
	if out.Failure != nil {
		return &shownError{exitFailed}
	}
	return nil
}

// shownResult is the output as JSON; other encodings are described.
func shownResult(result *pluginv1.Result) (json.RawMessage, error) {
	if len(result.GetOutput()) == 0 || len(result.GetOutput()[0].GetData()) == 0 {
		return json.RawMessage("null"), nil
	}
	p := result.GetOutput()[0]
	if json.Valid(p.GetData()) {
		return p.GetData(), nil
	}
	return json.Marshal(map[string]any{"encoding": string(p.GetMetadata()["encoding"]), "bytes": len(p.GetData())})
}

// shownEvents prints what an attempt reports on the way.
type shownEvents struct{ w io.Writer }

func (e *shownEvents) Heartbeat(details []*pluginv1.Payload) {
	if len(details) > 0 {
		fmt.Fprintf(e.w, "heartbeat  %s\n", details[0].GetData())
	}
}

func (e *shownEvents) Log(l *pluginv1.Log) {
	fmt.Fprintf(e.w, "%-5s  %s%s\n", l.GetLevel(), l.GetMessage(), fieldsText(l.GetFields()))
}

func (e *shownEvents) Progress(p *pluginv1.Progress) {
	if p.GetTotal() > 0 {
		fmt.Fprintf(e.w, "progress  %s  %d/%d\n", p.GetMessage(), p.GetDone(), p.GetTotal())
		return
	}
	fmt.Fprintf(e.w, "progress  %s\n", p.GetMessage())
}
