package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/supervisor"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Operate the plugins of the running host; make, try and describe plugins", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.pluginList(), a.pluginInfo(), a.pluginDescribe(), a.pluginReload(), a.pluginRollback(),
		a.pluginLock(), a.pluginVerify(), a.pluginTest(), a.pluginRun(), a.pluginDocs(), a.pluginLogs(), a.pluginNew())
	return c
}

func (a *app) pluginList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List plugins and refused files, with what is wrong",
		Args:  args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, host, err := a.host()
			if err != nil {
				return err
			}
			defer host.Close()
			list, err := host.Plugins(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, list)
			}
			t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "PLUGIN\tSTATE\tVERSION\tDIGEST\tUP\tRESTARTS\tIN FLIGHT\tPATH")
			for _, p := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", cmp.Or(p.Name, "-"), p.State, cmp.Or(p.Version, "-"),
					cmp.Or(plugin.ShortDigest(p.Digest), "-"), uptime(p), p.Restarts, p.InFlight, p.Path)
			}
			if err := t.Flush(); err != nil {
				return err
			}
			for _, p := range list {
				if p.Error != "" {
					fmt.Printf("! %s: %s\n", cmp.Or(p.Name, p.Path), p.Error)
				}
			}
			return nil
		},
	}
}

func uptime(p supervisor.Status) string {
	if p.Since.IsZero() {
		return "-"
	}
	return time.Since(p.Since).Round(time.Second).String()
}

func (a *app) pluginInfo() *cobra.Command {
	return &cobra.Command{
		Use:   "info NAME",
		Short: "Show one plugin: state, activities, latest changes",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			_, host, err := a.host()
			if err != nil {
				return err
			}
			defer host.Close()
			list, err := host.Plugins(c.Context())
			if err != nil {
				return err
			}
			events, err := host.Events(c.Context())
			if err != nil {
				return err
			}
			for _, p := range list {
				if p.Name != given[0] {
					continue
				}
				var own []supervisor.Event
				for _, e := range events {
					if e.Plugin == p.Name {
						own = append(own, e)
					}
				}
				if a.json {
					return writeJSON(os.Stdout, map[string]any{"plugin": p, "events": own})
				}
				printInfo(p, own)
				return nil
			}
			return fmt.Errorf("no plugin is called %q; host plugin list shows what there is", given[0])
		},
	}
}

func printInfo(p supervisor.Status, events []supervisor.Event) {
	fmt.Printf("%s %s  %s\n", p.Name, p.Version, p.State)
	fmt.Printf("  group       %s\n  file        %s\n  digest      %s\n", p.Group, p.Path, p.Digest)
	if p.Pid > 0 {
		fmt.Printf("  process     %d, up %s\n", p.Pid, uptime(p))
	}
	fmt.Printf("  restarts    %d\n  swaps       %d\n  in flight   %d\n", p.Restarts, p.Swaps, p.InFlight)
	if p.Previous != "" {
		fmt.Printf("  previous    %s\n", p.Previous)
	}
	if p.Error != "" {
		fmt.Printf("  error       %s\n", p.Error)
	}
	if !p.NextStart.IsZero() {
		fmt.Printf("  next start  %s\n", p.NextStart.Local().Format(time.TimeOnly))
	}
	fmt.Printf("  activities  %s\n", strings.Join(p.Activities, "\n              "))
	for _, e := range events {
		fmt.Printf("  %s  %s  %s -> %s  %s\n", e.Time.Local().Format(time.DateTime), e.Kind, cmp.Or(e.OldVersion, "-"), cmp.Or(e.NewVersion, "-"), e.Error)
	}
}

func (a *app) pluginDescribe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Print a running plugin's manifest with its schemas, as JSON",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			_, host, err := a.host()
			if err != nil {
				return err
			}
			defer host.Close()
			m, err := host.Manifest(c.Context(), given[0])
			if err != nil {
				return err
			}
			return writeJSON(os.Stdout, m)
		},
	}
}

func (a *app) pluginReload() *cobra.Command {
	return &cobra.Command{
		Use:   "reload [NAME]",
		Short: "Look at the plugin folder now; with a name, also lift its quarantine",
		Args:  args(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			_, host, err := a.host()
			if err != nil {
				return err
			}
			defer host.Close()
			results, err := host.Reload(c.Context(), strings.Join(given, ""))
			if err != nil {
				return err
			}
			if len(given) > 0 && len(results) == 0 {
				return fmt.Errorf("no plugin is called %q; host plugin list shows what there is", given[0])
			}
			return a.printResults(results)
		},
	}
}

func (a *app) pluginRollback() *cobra.Command {
	return &cobra.Command{
		Use:   "rollback NAME",
		Short: "Go back to the version that served before",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			_, host, err := a.host()
			if err != nil {
				return err
			}
			defer host.Close()
			result, err := host.Rollback(c.Context(), given[0])
			if err != nil {
				return err
			}
			return a.printResults([]supervisor.Result{result})
		},
	}
}

// printResults shows one line per plugin and fails when one of them did.
func (a *app) printResults(results []supervisor.Result) error {
	failed := false
	for _, r := range results {
		failed = failed || r.Error != ""
	}
	if a.json {
		if err := writeJSON(os.Stdout, results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			line := fmt.Sprintf("%s  %s", cmp.Or(r.Name, r.Path), r.Change)
			if r.NewVersion != "" {
				line += fmt.Sprintf("  %s %s", r.NewVersion, plugin.ShortDigest(r.NewDigest))
			}
			if r.OldVersion != "" {
				line += fmt.Sprintf("  (was %s %s)", r.OldVersion, plugin.ShortDigest(r.OldDigest))
			}
			if r.Error != "" {
				line += "  " + r.Error
			}
			fmt.Println(line)
		}
	}
	if failed {
		return &shownError{exitFailed}
	}
	return nil
}
