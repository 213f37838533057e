package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func (a *app) hostsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "hosts",
		Short: "Show the hosts that share the work, and those that are away",
		Long: `hosts shows the hosts that poll the configured services now, and those that are
on the list of hosts: every host that has a service with a placement enters it
when it starts, and stays on it for host.forget_after when it has gone away. A
service with placement = "all" runs on all of them and waits for those that are
away.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, e, done, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer done()
			all, err := e.Hosts(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, all)
			}
			t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "HOST\tSTATE\tLABELS\tVERSION\tLISTED\tSERVICES")
			for _, h := range all {
				state := "away"
				if h.Here {
					state = "here"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, state, cmp.Or(strings.Join(h.Labels, ", "), "-"), cmp.Or(h.Version, "-"), when(h.Seen), cmp.Or(strings.Join(h.Services, ", "), "-"))
			}
			return t.Flush()
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "forget HOST",
		Short: "Take a host that is gone for good off the list, so that nothing waits for it",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			_, e, done, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer done()
			if err := e.Forget(c.Context(), given[0]); err != nil {
				return err
			}
			fmt.Printf("host %s is no longer on the list; what waits for it now still does: host status shows it\n", given[0])
			return nil
		},
	})
	return c
}
