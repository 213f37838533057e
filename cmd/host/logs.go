package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/executor"
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
			result, err := a.activity(c, executor.ActivityOptions{Name: "list_log_shipments", TaskQueue: queue, Timeout: 30 * time.Second})
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
			var all []shipment
			if err := json.Unmarshal(data, &all); err != nil {
				return fmt.Errorf("list_log_shipments answers what cannot be read: %w", err)
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

// shipment is what is shown of an element of list_log_shipments' answer.
type shipment struct {
	Name   string
	Error  string
	Status struct {
		State, Endpoint string
		LastError       string
		LastErrorAt     time.Time
		CheckpointError string
		Metrics         struct {
			LinesAcked, DuplicatesBound uint64
			LagBytes                    int64
			LagSeconds                  float64
			Files                       int
			Retries, Refusals           map[string]uint64
		}
		Files []struct {
			Path         string
			Size, Offset int64
			LagBytes     int64
			LagSeconds   float64
			Lines        uint64
			Rotated      int
			Problem      string
			Removing     bool
		}
	}
}

// problem is what is wrong with the shipment, in words; "" when nothing is.
func (s shipment) problem() string {
	if s.Status.LastError != "" && time.Since(s.Status.LastErrorAt) > time.Minute && s.Status.Metrics.LagBytes == 0 {
		s.Status.LastError = "" // it has passed
	}
	return cmp.Or(s.Error, s.Status.CheckpointError, s.Status.LastError)
}

func printShipments(w io.Writer, all []shipment, files bool) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "nothing is shipped; start a service with ApplicationStdoutIngestWorkflow")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "SHIPMENT\tSTATE\tFILES\tLINES\tBEHIND\tREFUSED\tTO\tPROBLEM")
	for _, s := range all {
		m := s.Status.Metrics
		var refused uint64
		for _, n := range m.Refusals {
			refused += n
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%d\t%s\t%s\n", s.Name, cmp.Or(s.Status.State, "not started"), m.Files, m.LinesAcked, behind(m.LagBytes, m.LagSeconds), refused, s.Status.Endpoint, s.problem())
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
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", s.Name, f.Path, units.BytesSize(float64(f.Size)), f.Lines, behind(f.LagBytes, f.LagSeconds), note)
		}
	}
	return t.Flush()
}

// behind is a lag in words.
func behind(bytes int64, seconds float64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%s, %s", units.BytesSize(float64(bytes)), time.Duration(seconds*float64(time.Second)).Round(100*time.Millisecond))
}
