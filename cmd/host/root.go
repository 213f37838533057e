package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/connection"
	"github.com/orch-host/orch/hostcore/executor"
)

// app is what the commands share.
type app struct {
	root *cobra.Command
	json bool
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:   "host",
		Short: "Run durable workflows whose work is done by plugins",
		Long: `host runs the services of orch.toml: durable Temporal workflows whose
activities are done by plugins, separate programs in the plugin folder.

Without a command it runs the host in the foreground.`,
		Args:          args(cobra.NoArgs),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return a.runHost(c.Context(), "", runOptions{}) },
	}
	a.root = root
	config.BindFlags(root.PersistentFlags())
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(a.runCommand(), a.startCommand(), a.stopCommand(), a.statusCommand(), a.servicesCommand(),
		a.pluginCommand(), a.activityCommand(), a.hostsCommand(), a.logsCommand(), a.configCommand(), a.infraCommand(), a.versionCommand())
	return root
}

// args makes an argument check whose errors show the command's usage line.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if err := check(c, given); err != nil {
			return &usageError{fmt.Errorf("%w; usage: %s", err, c.UseLine())}
		}
		return nil
	}
}

func (a *app) load() (*config.Config, error) {
	return config.Load(config.Options{Flags: a.root.PersistentFlags(), IgnoreEnv: []string{"ORCH_SPECS", "ORCH_CONFIG", "ORCH_TEST_*", "ORCH_LONG", "ORCH_DEVSERVER"}})
}

// logger writes people's text to a terminal and JSON elsewhere, unless the
// configuration says which.
func logger(c config.Host, w io.Writer) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(c.LogLevel)) // the configuration was checked
	o := &slog.HandlerOptions{Level: level}
	text := c.LogFormat == "text"
	if f, ok := w.(*os.File); ok && c.LogFormat == "auto" {
		text = term.IsTerminal(int(f.Fd()))
	}
	if text {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// writeJSON prints v as indented JSON; a list with nothing in it as [].
func writeJSON(w io.Writer, v any) error {
	if l := reflect.ValueOf(v); l.Kind() == reflect.Slice && l.IsNil() && l.Type() != reflect.TypeFor[json.RawMessage]() {
		v = []any{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// connect reaches Temporal without a host of our own: at the address that the
// running host reports, else at the configured one.
func (a *app) connect(ctx context.Context) (*config.Config, *executor.Executor, func(), error) {
	cfg, err := a.load()
	if err != nil {
		return nil, nil, nil, err
	}
	t := cfg.Temporal
	if t.Mode == config.ModeEmbedded {
		client := admin.NewClient(cfg.Host.RuntimeDir)
		defer client.Close()
		info, err := client.Info(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		t.Address = info.Temporal.Address
		if info.Temporal.WebUI != "" {
			cfg.Temporal.WebUI = info.Temporal.WebUI
		}
	}
	clients, err := connection.Dial(ctx, t, cfg.IsSet, slog.New(slog.DiscardHandler), connection.Telemetry{})
	if err != nil {
		return nil, nil, nil, err
	}
	return cfg, executor.New(cfg, clients), clients.Close, nil
}

// host is a client of the host on this machine.
func (a *app) host() (*config.Config, *admin.Client, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	return cfg, admin.NewClient(cfg.Host.RuntimeDir), nil
}

// completeServices offers the configured services to the shell.
func (a *app) completeServices(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.load()
	if err != nil || len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for name, s := range cfg.Services {
		names = append(names, name+"\t"+s.Description)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
