package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/infra"
)

func (a *app) infraCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "infra",
		Short: "Temporal on PostgreSQL with its Web UI, by compose",
		Long: `infra brings up Temporal for servers: PostgreSQL, the schema, the Temporal server
and its Web UI, by docker compose or docker-compose. Its folder is infra/ in the
state folder: the compose files, and .env with a generated password and your own
settings. Hosts then connect with temporal.mode = "external".`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&dir, "dir", "", "folder of the stack (default: infra in the state folder)")
	open := func() (*infra.Stack, error) {
		if dir == "" {
			cfg, err := a.load()
			if err != nil {
				return nil, err
			}
			dir = filepath.Join(cfg.Host.StateDir, "infra")
		}
		full, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		return infra.Open(full, os.Stderr)
	}
	var hostConfig string
	up := &cobra.Command{
		Use: "up", Short: "Start what does not run, and wait until Temporal serves", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := open()
			if err != nil {
				return err
			}
			if hostConfig != "" {
				if err := s.WithHost(hostConfig); err != nil {
					return err
				}
			}
			address, err := s.Up(c.Context())
			if err != nil {
				return err
			}
			fmt.Printf("Temporal serves at %s; in orch.toml:\n\n[temporal]\nmode = \"external\"\naddress = %q\n\nsettings: %s\n", address, address, filepath.Join(s.Dir(), ".env"))
			return nil
		},
	}
	up.Flags().StringVar(&hostConfig, "host", "", "run a host as a container too, with this orch.toml (its folders and temporal settings are given)")
	var purge bool
	down := &cobra.Command{
		Use: "down", Short: "End the stack; histories stay", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := open()
			if err != nil {
				return err
			}
			return s.Down(c.Context(), purge)
		},
	}
	down.Flags().BoolVar(&purge, "purge", false, "remove the database too, with all histories")
	status := &cobra.Command{
		Use: "status", Short: "Show the stack's containers", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := open()
			if err != nil {
				return err
			}
			return s.Status(c.Context())
		},
	}
	c.AddCommand(up, down, status)
	return c
}
