package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/shipping"
)

func (a *app) logsCommand() *cobra.Command {
	c := &cobra.Command{Use: "logs", Short: "Look at the shipping of log files", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	var queue string
	var files bool
	shippers := &cobra.Command{
		Use:   "shippers",
		Short: "Show what is shipped, how far it has come and what is wrong",
		Long: `shippers asks the plugin that ships log files (list_log_shipments) and shows one
line for each shipment: what is in files and not yet acknowledged by the
receiver, and for how long. With --files, each file.`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			result, err := a.activity(c, executor.ActivityOptions{Name: shipping.List, TaskQueue: queue, Timeout: 30 * time.Second})
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, result)
			}
			data, err := json.Marshal(result)
			if err != nil {
				return err
			}
			all, err := shipping.Decode(data)
			if err != nil {
				return err
			}
			return printShipments(os.Stdout, all, files)
		},
	}
	shippers.Flags().BoolVar(&files, "files", false, "show each file")
	stop := &cobra.Command{
		Use:   "stop SHIPMENT",
		Short: "End a shipment; shipping again goes on where it ended",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			result, err := a.activity(c, executor.ActivityOptions{Name: "stop_log_shipping", TaskQueue: queue, Input: map[string]string{"name": given[0]}, Timeout: 30 * time.Second})
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, result)
			}
			answer, _ := result.(map[string]any)
			_, err = fmt.Printf("%s: %v\n", given[0], answer["status"])
			return err
		},
	}
	c.PersistentFlags().StringVar(&queue, "task-queue", "", "queue to ask on (default: that of a service whose workflow ships logs)")
	c.AddCommand(shippers, stop)
	return c
}

// activity runs one activity on the server.
func (a *app) activity(c *cobra.Command, o executor.ActivityOptions) (any, error) {
	_, e, done, err := a.connect(c.Context())
	if err != nil {
		return nil, err
	}
	defer done()
	return e.Activity(c.Context(), o)
}

func printShipments(w io.Writer, all []shipping.Shipment, files bool) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "nothing is shipped; start a service with ApplicationStdoutIngestWorkflow")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "SHIPMENT\tSTATE\tFILES\tLINES\tBEHIND\tREFUSED\tTO\tPROBLEM")
	for _, s := range all {
		m := s.Status.Metrics
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%d\t%s\t%s\n", s.Name, s.State(), m.Files, m.LinesAcked, s.Behind(), s.Refused(), s.Status.Endpoint, s.Problem())
	}
	if err := t.Flush(); err != nil || !files {
		return err
	}
	fmt.Fprintln(t, "\nSHIPMENT\tFILE\tSIZE\tLINES\tBEHIND\tPROBLEM")
	for _, s := range all {
		for _, f := range s.Status.Files {
			note := f.Problem
			switch {
			case note != "":
			case f.Removing:
				note = "no longer wanted: shipped to its end"
			case f.Rotated > 0:
				note = fmt.Sprintf("%d rotated files are still read", f.Rotated)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", s.Name, f.Path, units.BytesSize(float64(f.Size)), f.Lines, shipping.Behind(f.LagBytes, f.LagSeconds), note)
		}
	}
	return t.Flush()
}
