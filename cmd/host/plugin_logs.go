package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/pluginlog"
)

func (a *app) pluginLogs() *cobra.Command {
	var follow bool
	var last int
	c := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show what a plugin printed and logged lately, and what the host says of it",
		Long: `logs shows the latest log records of a plugin: its stdout and stderr, what its
activities log, and the host's own records about it, also at levels that the
host's log leaves out. The host keeps about 2000 of each plugin in memory. A file
that never became a plugin is found by its file name. With --json, each record is
one JSON object on a line.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			_, host, err := a.host()
			if err != nil {
				return err
			}
			defer host.Close()
			q := admin.LogQuery{Plugin: given[0], Last: max(last, 0)}
			for {
				lines, err := host.Logs(c.Context(), q)
				if err != nil {
					if follow && c.Context().Err() != nil {
						return nil // Ctrl-C is how following ends
					}
					return err
				}
				for _, l := range lines {
					if err := a.printLine(os.Stdout, l); err != nil {
						return err
					}
					q.After = l.Seq
				}
				if !follow {
					return nil
				}
				q.Last, q.Wait = 0, 30*time.Second
			}
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new records until Ctrl-C")
	c.Flags().IntVarP(&last, "last", "n", 100, "how many records to begin with; 0 for all that are kept")
	return c
}

func (a *app) printLine(w io.Writer, l pluginlog.Line) error {
	if a.json {
		return json.NewEncoder(w).Encode(l)
	}
	_, err := fmt.Fprintf(w, "%s %-5s %s%s\n", l.Time.Local().Format("15:04:05.000"), strings.ToUpper(l.Level), l.Message, fieldsText(l.Fields))
	return err
}
