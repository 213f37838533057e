package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/config"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check, write and describe orch.toml", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	check := &cobra.Command{
		Use: "check", Short: "Say what is wrong with the configuration, or show it complete with --json", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, cfg.Redacted())
			}
			from := cfg.Path
			if from == "" {
				from = "built-in defaults (no orch.toml was found)"
			}
			fmt.Printf("%s: %d services, Temporal %s at %s, plugins from %s\n", from, len(cfg.Services), cfg.Temporal.Mode, cfg.Temporal.Address, cfg.Plugins.Dir)
			return nil
		},
	}
	initialise := &cobra.Command{
		Use: "init [FILE]", Short: "Write a commented orch.toml with the shipped services", Args: args(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, given []string) error {
			path := "orch.toml"
			if len(given) == 1 {
				path = given[0]
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("make the folder of %s: %w", path, err)
			}
			f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return &usageError{fmt.Errorf("%s is there already and stays as it is; name another file", path)}
			}
			if err != nil {
				return fmt.Errorf("write %s: %w", path, err)
			}
			if _, err := f.Write(config.Example()); err != nil {
				return errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
			}
			if err := f.Close(); err != nil {
				return fmt.Errorf("write %s: %w", path, err)
			}
			fmt.Printf("%s written; host --config %s runs it\n", path, path)
			return nil
		},
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of orch.toml, for editors", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = fmt.Printf("%s\n", text)
			return err
		},
	}
	c.AddCommand(check, initialise, schema)
	return c
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the versions of this binary and of the running host", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			v := map[string]string{"version": version}
			if _, host, err := a.host(); err == nil {
				defer host.Close()
				if i, err := host.Info(c.Context()); err == nil {
					v["running"] = i.Version
				}
			}
			if a.json {
				return writeJSON(os.Stdout, v)
			}
			fmt.Println("orch " + version)
			if v["running"] != "" {
				fmt.Println("running host: " + v["running"])
			}
			return nil
		},
	}
}
