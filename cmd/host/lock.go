package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore"
	"github.com/orch-host/orch/hostcore/plugin"
)

func (a *app) pluginLock() *cobra.Command {
	return &cobra.Command{
		Use:   "lock",
		Short: "Write plugins.lock with the binaries in the plugin folder, so that they may run",
		Long: `lock starts each binary in the plugin folder once to ask for its name and
version, and writes their digests into the lock file. Do it for files that you trust.
The exit code is 1 when a file is left out because it is no plugin or may not run.
When the folder cannot be read or holds no plugin, the lock file stays as it is.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			cat, done, err := hostcore.Catalog(cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer done()
			lock, refusals, err := cat.LockAll(c.Context())
			for _, r := range refusals {
				fmt.Fprintf(os.Stderr, "! %s: %v\n", r.Path, r.Err)
			}
			if err != nil {
				return fmt.Errorf("%s is left as it is: %w", cfg.Plugins.Lock, err)
			}
			if err := lock.Write(cfg.Plugins.Lock); err != nil {
				return err
			}
			if a.json {
				if err := writeJSON(os.Stdout, lock.Plugins); err != nil {
					return err
				}
			} else {
				for _, l := range lock.Plugins {
					fmt.Printf("%s  %s  %s  %s\n", l.Name, l.Version, plugin.ShortDigest(l.SHA256), l.File)
				}
				fmt.Printf("%s written with %d plugins; host plugin reload applies it to a running host\n", cfg.Plugins.Lock, len(lock.Plugins))
			}
			if len(refusals) > 0 {
				return &shownError{exitFailed}
			}
			return nil
		},
	}
}

func (a *app) pluginVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Compare the plugin folder with plugins.lock; nothing is started",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			cfg.Plugins.Mode = "strict" // what would be refused, whatever the mode lets through
			cat, done, err := hostcore.Catalog(cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer done()
			all, failed := cat.VerifyAll()
			if a.json {
				if err := writeJSON(os.Stdout, all); err != nil {
					return err
				}
				if failed != nil {
					return &shownError{exitFailed}
				}
				return nil
			}
			for _, v := range all {
				fmt.Printf("%s  %s  %s\n", cmp.Or(plugin.ShortDigest(v.Digest), "-"), v.Path, cmp.Or(v.Error, "ok"))
			}
			return failed
		},
	}
}
