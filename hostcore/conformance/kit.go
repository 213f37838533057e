package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// Options say what is tried and how patiently.
type Options struct {
	// Binary is the plugin's file.
	Binary string
	// Settings is the configuration table. Nil: made up from the schema.
	Settings map[string]any
	// Cases are calls with known outcomes.
	Cases []Case
	// Only names the cases to run by id; "execute" is all of "execute/...". Empty:
	// all. The plugin is started and described in any case.
	Only []string
	// NoSamples runs no activity but those that Cases name.
	NoSamples bool
	// Grace is how long the plugin may take to react: to a cancellation, to
	// SIGTERM, to the end of the host. Default 10 s, as the host's.
	Grace time.Duration
	// Timeout bounds the start of a process, one call and one attempt. Default
	// 30 s. No other limit decides about a plugin: where everything is slower,
	// as under a race detector, longer ones of these two make up for it.
	Timeout time.Duration
	// TempDir is where the run's folder is made; default os.TempDir. Sockets lie
	// in it, so its path has to be short.
	TempDir string
	// Progress is called after every case; nil: not.
	Progress func(Result)
}

// kit is one run.
type kit struct {
	o        Options
	dir      string // private to this run
	manifest *pluginv1.Manifest
	settings []byte // that the plugin accepted; nil: none was found
	why      error  // why no process can be configured
	samples  map[string]sample
	served   *session // shared by the cases that talk to the plugin
	report   *Report
}

// step is one case: the rule and the function that tries it.
type step struct {
	id, name string
	try      func(context.Context, *kit) error
}

// manifestCase is run whatever was asked for: all others need what it learns.
const manifestCase = "manifest"

// Run tries the binary. The error is about the run itself, such as a file that
// is missing or an [UnknownCaseError]; what is wrong with the plugin is in the
// report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Binary, err = filepath.Abs(o.Binary); err != nil {
		return nil, fmt.Errorf("find the plugin: %w", err)
	}
	info, err := os.Stat(o.Binary)
	if err != nil {
		return nil, fmt.Errorf("find the plugin: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("%s is not an executable file: build the plugin, or chmod +x it", o.Binary)
	}
	k := &kit{o: o, report: &Report{Binary: o.Binary}, samples: map[string]sample{}}
	if err := k.checkOnly(); err != nil {
		return nil, err
	}
	if k.dir, err = os.MkdirTemp(o.TempDir, "orch-kit"); err != nil {
		return nil, fmt.Errorf("make a folder for the run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(k.dir)) }()
	k.run(ctx, alone)
	if k.manifest == nil {
		k.skipAll(talking, "the plugin could not be started and described")
		return k.report, ctx.Err()
	}
	k.report.Plugin, k.report.Version = k.manifest.GetName(), k.manifest.GetVersion()
	if err := k.checkCases(); err != nil {
		return nil, err
	}
	k.prepareSamples()
	if err := k.checkOnly(); err != nil {
		return nil, err
	}
	defer k.closeServed()
	k.run(ctx, talking)
	k.run(ctx, k.executions())
	k.closeServed()
	k.run(ctx, ending)
	return k.report, ctx.Err()
}

// wanted says whether a case is to be run.
func (k *kit) wanted(id string) bool {
	return len(k.o.Only) == 0 || slices.ContainsFunc(k.o.Only, func(o string) bool { return id == o || strings.HasPrefix(id, o+"/") })
}

// UnknownCaseError refuses a run: no case has an id of Options.Only.
type UnknownCaseError struct {
	ID    string
	Known []string
}

func (e *UnknownCaseError) Error() string {
	return fmt.Sprintf("there is no case %q; there are: %s", e.ID, strings.Join(e.Known, ", "))
}

// checkOnly refuses ids that no case has. Before there is a manifest it takes
// any activity for one that the plugin offers.
func (k *kit) checkOnly() error {
	var ids []string
	for _, s := range slices.Concat(alone, talking, k.executions(), ending) {
		ids = append(ids, s.id)
	}
	if k.manifest == nil {
		ids = append(ids, anyActivity)
	}
	for _, o := range k.o.Only {
		if !slices.ContainsFunc(ids, func(id string) bool {
			return id == o || strings.HasPrefix(id, o+"/") || id == anyActivity && strings.HasPrefix(o, "execute/")
		}) {
			return &UnknownCaseError{o, ids}
		}
	}
	return nil
}

// anyActivity stands for the cases about activities that are not known yet.
const anyActivity = "execute/<activity>"

func (k *kit) run(ctx context.Context, steps []step) {
	for _, s := range steps {
		if ctx.Err() != nil {
			return
		}
		if !k.wanted(s.id) && s.id != manifestCase {
			continue
		}
		began := time.Now()
		err := s.try(ctx, k)
		if ctx.Err() != nil {
			return // interrupted: the case says nothing about the plugin
		}
		k.record(resultOf(s.id, s.name, began, k.alive(err)))
	}
}

func (k *kit) record(r Result) {
	k.report.add(r)
	if k.o.Progress != nil {
		k.o.Progress(r)
	}
}

func (k *kit) skipAll(steps []step, reason string) {
	for _, s := range steps {
		if !k.wanted(s.id) {
			continue
		}
		k.record(resultOf(s.id, s.name, time.Now(), skip("%s", reason)))
	}
}

// alive turns the outcome of a case into a failure when the shared process has
// ended under it.
func (k *kit) alive(err error) error {
	if k.served == nil {
		return err
	}
	exit := k.served.exit(err)
	if exit == nil {
		return err
	}
	k.closeServed()
	var s *skipped
	if err != nil && !errors.As(err, &s) {
		return fmt.Errorf("the plugin process ended (%w): %w", exit, err)
	}
	return fmt.Errorf("the plugin process ended: %w", exit)
}

// session is the shared process, configured and ready.
func (k *kit) session(ctx context.Context) (*session, error) {
	if k.served != nil {
		return k.served, nil
	}
	s, err := k.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.configured(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	k.served = s
	return s, nil
}

func (k *kit) closeServed() {
	if k.served != nil {
		k.served.close()
		k.served = nil
	}
}

// configured hands over settings that the plugin accepts: those given, else
// made up from its schema.
func (k *kit) configured(ctx context.Context, s *session) error {
	if k.why != nil {
		return k.why
	}
	settings := k.settings
	if settings == nil {
		table := any(k.o.Settings)
		if k.o.Settings == nil {
			var err error
			if table, err = sampleOf(k.manifest.GetConfigSchema()); err != nil {
				k.why = skip("no configuration can be made up (%v): give one with --settings FILE", err)
				return k.why
			}
		}
		if table == nil {
			table = map[string]any{}
		}
		data, err := json.Marshal(table)
		if err != nil {
			return fmt.Errorf("write the settings as JSON: %w", err)
		}
		settings = data
	}
	problems, err := s.configure(ctx, settings)
	if err != nil {
		return fmt.Errorf("configure with %s: %w", settings, err)
	}
	if len(problems) > 0 {
		text := strings.Join(problems, "; ")
		if k.o.Settings == nil {
			k.why = skip("the plugin refuses a configuration made up from its schema (%s): give one with --settings FILE", text)
			return k.why
		}
		return fmt.Errorf("the settings given are refused: %s", text)
	}
	k.settings = settings
	if err := s.awaitReady(ctx, k.o.Timeout); err != nil {
		k.why = skip("it does not get ready, which is another case")
		return err
	}
	return nil
}
